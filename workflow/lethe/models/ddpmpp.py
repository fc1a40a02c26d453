"""DDPM++ as EDM trains it (Song et al. 2021; Karras et al. 2022, Table 1 and appendix F): our own network, whose
weights have the names of EDM's checkpoints.

diffusers' ``UNet2DModel`` cannot say it: the stem is narrower than the first level, the blocks that halve or double the
picture have a 1x1 convolution beside them, and the class is joined to the noise level before the layers that mix them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.unets.unet_2d import UNet2DOutput
from torch import Tensor, nn
from torch.nn import functional

_EPS = 1e-6
_HALF_POWER = math.sqrt(0.5)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(min(32, max(1, channels // 4)), channels, eps=_EPS)


class Block(nn.Module):
    """A residual block: (B, inner, H, W) and the embedding (B, E) become (B, outer, H', W').

    It may halve or double H and W before its first convolution, and look at all places at once (attention, one head)
    after its last.
    """

    def __init__(
        self,
        inner: int,
        outer: int,
        embedding: int,
        dropout: float,
        resample: Literal["down", "up"] | None = None,
        attention: bool = False,
    ) -> None:
        super().__init__()
        self.resample, self.dropout = resample, dropout
        self.norm0, self.conv0 = _norm(inner), nn.Conv2d(inner, outer, 3, padding=1)
        self.affine = nn.Linear(embedding, outer)
        self.norm1, self.conv1 = _norm(outer), nn.Conv2d(outer, outer, 3, padding=1)
        self.skip = nn.Conv2d(inner, outer, 1) if resample or inner != outer else None
        if attention:
            self.norm2, self.qkv, self.proj = _norm(outer), nn.Conv2d(outer, 3 * outer, 1), nn.Conv2d(outer, outer, 1)
        self.attention = attention

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        hidden = self.conv0(self._resampled(functional.silu(self.norm0(x)))) + self.affine(embedding)[:, :, None, None]
        hidden = self.conv1(functional.dropout(functional.silu(self.norm1(hidden)), self.dropout, self.training))
        x = _HALF_POWER * ((x if self.skip is None else self.skip(self._resampled(x))) + hidden)
        return _HALF_POWER * (x + self._attended(x)) if self.attention else x

    def _resampled(self, x: Tensor) -> Tensor:
        if self.resample == "down":
            return functional.avg_pool2d(x, 2)
        return functional.interpolate(x, scale_factor=2, mode="nearest") if self.resample == "up" else x

    def _attended(self, x: Tensor) -> Tensor:
        count, channels, *place = x.shape
        # Channel 3 i + j is channel i of query, key or value.
        query, key, value = self.qkv(self.norm2(x)).reshape(count, channels, 3, -1).unbind(2)
        weights = torch.softmax(query.transpose(1, 2) @ (key / math.sqrt(channels)), dim=2)
        return self.proj((value @ weights.transpose(1, 2)).reshape(count, channels, *place))


class DDPMpp(ModelMixin, ConfigMixin):
    """A U-Net of :class:`Block`.

    ``width`` channels in the stem and ``width * multipliers[i]`` in level i, which is half as fine as level i - 1.
    Each level has ``layers`` blocks down and one more up; those at the resolutions ``attention`` have attention, down
    in every block, up in the last. ``num_class_embeds`` classes and ``augment_dim`` augmentation labels; 0 for none.
    """

    @register_to_config
    def __init__(
        self,
        sample_size: int,
        in_channels: int,
        num_class_embeds: int = 0,
        augment_dim: int = 0,
        width: int = 128,
        multipliers: Sequence[int] = (2, 2, 2),
        embedding_multiplier: int = 4,
        layers: int = 4,
        attention: Sequence[int] = (16,),
        dropout: float = 0.13,
    ) -> None:
        super().__init__()
        embedding = width * embedding_multiplier
        self.map_label = nn.Linear(num_class_embeds, width) if num_class_embeds else None
        self.map_augment = nn.Linear(augment_dim, width, bias=False) if augment_dim else None
        self.map_layer0, self.map_layer1 = nn.Linear(width, embedding), nn.Linear(embedding, embedding)
        sizes = [sample_size >> level for level in range(len(multipliers))]
        widths = [width * multiplier for multiplier in multipliers]
        self.enc, self.dec = nn.ModuleDict(), nn.ModuleDict()

        now, kept = width, [width]
        self.enc[f"{sizes[0]}x{sizes[0]}_conv"] = nn.Conv2d(in_channels, width, 3, padding=1)
        for level, (size, outer) in enumerate(zip(sizes, widths, strict=True)):
            if level:
                self.enc[f"{size}x{size}_down"] = Block(now, now, embedding, dropout, "down")
                kept.append(now)
            for layer in range(layers):
                attends = size in attention
                self.enc[f"{size}x{size}_block{layer}"] = Block(now, outer, embedding, dropout, attention=attends)
                now = outer
                kept.append(now)

        lowest = f"{sizes[-1]}x{sizes[-1]}"
        self.dec[f"{lowest}_in0"] = Block(now, now, embedding, dropout, attention=True)
        self.dec[f"{lowest}_in1"] = Block(now, now, embedding, dropout)
        for size, outer in zip(reversed(sizes), reversed(widths), strict=True):
            if size != sizes[-1]:
                self.dec[f"{size}x{size}_up"] = Block(now, now, embedding, dropout, "up")
            for layer in range(layers + 1):
                attends = layer == layers and size in attention
                inner = now + kept.pop()
                self.dec[f"{size}x{size}_block{layer}"] = Block(inner, outer, embedding, dropout, attention=attends)
                now = outer
        self.dec[f"{sizes[0]}x{sizes[0]}_aux_norm"] = _norm(now)
        self.dec[f"{sizes[0]}x{sizes[0]}_aux_conv"] = nn.Conv2d(now, in_channels, 3, padding=1)

    def forward(
        self, sample: Tensor, timestep: Tensor, class_labels: Tensor | None = None, augment_labels: Tensor | None = None
    ) -> UNet2DOutput:
        """F(x; c_noise): ``sample`` (B, C, H, W), ``timestep`` (B,) is c_noise, ``class_labels`` (B,) the classes,
        ``augment_labels`` (B, augment_dim) what was done to the images; None for images as they are."""
        embedding = self._embedded(timestep, class_labels, augment_labels)
        kept = []
        x = sample
        for part in self.enc.values():
            x = part(x, embedding) if isinstance(part, Block) else part(x)
            kept.append(x)
        *blocks, norm, conv = self.dec.items()
        for name, block in blocks:
            if "_block" in name:
                x = torch.cat([x, kept.pop()], 1)
            x = block(x, embedding)
        return UNet2DOutput(sample=conv[1](functional.silu(norm[1](x))))

    def _embedded(self, noise: Tensor, labels: Tensor | None, augmentation: Tensor | None) -> Tensor:
        half = self.config.width // 2
        frequencies = 10000.0 ** (-torch.arange(half, dtype=noise.dtype, device=noise.device) / (half - 1))
        angles = noise[:, None] * frequencies
        mixed = torch.cat([angles.sin(), angles.cos()], 1)
        if self.map_label is not None:
            classes = self.map_label.in_features
            # One-hot vectors of length sqrt(classes): their mean square is then 1, whatever the number of classes.
            mixed = mixed + self.map_label(math.sqrt(classes) * functional.one_hot(labels, classes).to(mixed.dtype))
        if self.map_augment is not None and augmentation is not None:
            mixed = mixed + self.map_augment(augmentation)
        return functional.silu(self.map_layer1(functional.silu(self.map_layer0(mixed))))
