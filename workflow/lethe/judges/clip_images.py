"""What CLIP's own image processor does to a picture before the network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lethe.errors import LetheError
from lethe.files import read_json

_BICUBIC = 3
_STEPS = ("do_resize", "do_center_crop", "do_rescale", "do_normalize")
# OpenAI's, which the processor has where a folder does not say them.
_MEAN, _STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class ClipTransform:
    """Resize until the shorter side has ``edge`` pixels (bicubic), keep the middle ``side`` x ``side``, normalise."""

    edge: int
    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, H, W) -> float32 (B, 3, side, side)."""
        height, width = images.shape[-2:]
        shorter = min(height, width)
        resized = resize_bicubic(images, int(self.edge * height / shorter), int(self.edge * width / shorter))
        top, left = ((size - self.side) // 2 for size in resized.shape[-2:])
        middle = resized[..., top : top + self.side, left : left + self.side]
        mean, std = (torch.tensor(part, device=images.device)[:, None, None] for part in (self.mean, self.std))
        return (middle / 255 - mean) / std


def resize_bicubic(images: Tensor, height: int, width: int) -> Tensor:
    """uint8 (B, C, H, W) -> grey levels in float32 (B, C, height, width), as Pillow resizes: first across, then down,
    each rounded to whole levels. (Pillow's weights are of fixed point: a level half-way can come out as the next.)"""
    across = _to_size(images.float(), images.shape[-2], width)
    return _to_size(across, height, width)


def _to_size(levels: Tensor, height: int, width: int) -> Tensor:
    resized = nn.functional.interpolate(levels, size=(height, width), mode="bicubic", antialias=True)
    return (resized + 0.5).floor().clamp(0, 255)


def read_transform(path: Path, image_size: int) -> ClipTransform:
    """From a ``preprocessor_config.json``; what another processor would do is refused. The network takes ``image_size``
    pixels a side."""
    config = read_json(path)
    size, crop = config.get("size", image_size), config.get("crop_size", image_size)
    known = {
        "edge": size.get("shortest_edge") if isinstance(size, dict) else size,
        "side": crop.get("height") if isinstance(crop, dict) else crop,
    }
    wrong = [name for name in _STEPS if config.get(name, True) is not True]
    wrong += ["resample"] if config.get("resample", _BICUBIC) != _BICUBIC else []
    wrong += ["size"] if not _is_size(known["edge"]) or known["edge"] < image_size else []
    wrong += ["crop_size"] if known["side"] != image_size or (isinstance(crop, dict) and not _is_square(crop)) else []
    if wrong:
        raise LetheError(
            f"{path}: {wrong[0]} is not what CLIP's image processor has for {image_size} pixels a side",
            "give the folder of CLIP as the hub has it",
        )
    mean, std = tuple(config.get("image_mean", _MEAN)), tuple(config.get("image_std", _STD))
    return ClipTransform(known["edge"], known["side"], mean, std)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and value > 0


def _is_square(size: dict[str, Any]) -> bool:
    return size.get("height") == size.get("width")
