"""The body of a residual network for small photographs (He et al. 2016, section 3)."""

from __future__ import annotations

from torch import Tensor, nn

BLOCKS = 2
STAGES = 4


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (B, before, H, W) -> (B, after, H / stride, W / stride)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after))
        self.last = nn.ReLU()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.convolutions(inputs) + self.shortcut(inputs))


def residual_body(channels: int, width: int, features: int) -> nn.Sequential:
    """Images (B, channels, H, W) -> features (B, features): with 64 as ``width`` the convolutions of a ResNet-18, whose
    entrance keeps every pixel, as is usual for 32x32 images."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
    before = width
    for stage in range(STAGES):
        after = width * 2**stage
        for block in range(BLOCKS):
            layers.append(ResidualBlock(before, after, stride=2 if stage and not block else 1))
            before = after
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, features), nn.ReLU()]
    return nn.Sequential(*layers)
