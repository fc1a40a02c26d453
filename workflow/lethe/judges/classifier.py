"""A small convolutional classifier with one class more than the study: images that are none of them.

The paper judges with zero-shot CLIP and eleven prompts, the eleventh being "random noise", because an ordinary
classifier sends the noise that unlearned models draw to some class. Here the eleventh class is learned from
:func:`noise_like`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lethe.errors import LetheError
from lethe.files import order_metadata, written_whole


class Classifier(nn.Module):
    """Images (B, C, H, W) in [-1, 1] -> features (B, features) and logits (B, classes + 1)."""

    def __init__(self, channels: int, width: int, features: int, classes: int) -> None:
        super().__init__()
        self.shape = {"channels": channels, "width": width, "features": features, "classes": classes}
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, padding=1, stride=2),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
            nn.Flatten(),
            nn.Linear(2 * width * 16, features),
            nn.ReLU(),
        )
        self.head = nn.Linear(features, classes + 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images)
        return features, self.head(features)


def noise_like(real: Tensor, generator: torch.Generator) -> Tensor:
    """Images (B, C, H, W) that are of no class, one for each of ``real``, in [-1, 1].

    Seven kinds in turn: Gaussian pixels of any contrast, uniform pixels, two-valued pixels, smooth Gaussian fields, the
    pixels of a real image in random order, a real image drowned in noise, and one flat grey.
    """
    shape = real.shape
    normal = torch.randn(shape, generator=generator)
    uniform = torch.rand(shape, generator=generator)
    contrast = 0.2 + 1.3 * torch.rand((len(real), 1, 1, 1), generator=generator)
    offset = torch.rand((len(real), 1, 1, 1), generator=generator) * 2 - 1
    order = torch.rand((len(real), shape[-2] * shape[-1]), generator=generator).argsort(dim=1)
    shuffled = real.flatten(2).gather(2, order[:, None].expand(-1, shape[1], -1)).reshape(shape)
    coarse = torch.randn((len(real), shape[1], shape[2] // 2, shape[3] // 2), generator=generator)
    smooth = nn.functional.interpolate(coarse, size=shape[-2:], mode="bilinear")
    kinds = torch.stack(
        [
            normal * contrast + offset * 0.5,
            uniform * 2 - 1,
            (uniform < (offset + 1) / 2).float() * 2 - 1,
            smooth * contrast * 1.5 + offset * 0.5,
            shuffled,
            real * 0.3 + normal * (0.8 + contrast),
            offset + normal * 0.05,
        ]
    )
    kind = torch.arange(len(real)) % len(kinds)
    return kinds[kind, torch.arange(len(real))].clamp(-1, 1)


def save_classifier(path: Path, classifier: Classifier, provenance: dict[str, Any]) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in classifier.state_dict().items()}
    metadata = {"format": "pt", "lethe": json.dumps({**provenance, "shape": classifier.shape}, sort_keys=True)}
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)
        order_metadata(temporary)


def load_classifier(path: Path) -> tuple[Classifier, dict[str, Any]]:
    """Read what :func:`save_classifier` wrote: the classifier in evaluation mode, and its provenance."""
    if not path.is_file():
        raise LetheError(f"{path}: no such judge", "train it first: python -m lethe.judge train")
    try:
        with safe_open(str(path), framework="pt") as stream:
            provenance = json.loads((stream.metadata() or {}).get("lethe", "{}"))
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a mapping
        classifier = Classifier(**provenance["shape"])
        classifier.load_state_dict(tensors)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise LetheError(f"{path}: not a judge that Lethe wrote ({error})", "train it again") from None
    return classifier.eval(), provenance
