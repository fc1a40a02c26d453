"""What the training of judges has in common: examples, their pixels, how they are varied, and pictures of nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from lethe.shards import Batch

Border = Literal["black", "edge"]


@dataclass(frozen=True)
class Examples:
    """uint8 images (N, C, H, W) with labels (N, A) int64: one column a head, -1 where it does not apply.

    ``heads`` gives the classes of each column, by name and in order.
    """

    images: np.ndarray
    labels: np.ndarray
    heads: dict[str, tuple[str, ...]]


def pixels(images: np.ndarray) -> Tensor:
    """uint8 images as float32 in [-1, 1]."""
    return torch.from_numpy(images).float() / 127.5 - 1


def in_batch(rows: Tensor, batch: Batch) -> Tensor:
    """The rows (n, ...) of a shard's own images as a judge's whole batch; zeros stand for those of other shards."""
    if not batch.is_shared:
        return rows
    before, after = (rows.new_zeros((count, *rows.shape[1:])) for count in (batch.before, batch.after))
    return torch.cat([before, rows, after])


def in_colour(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) as they are; grey ones (B, 1, H, W) three times."""
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def shifted(images: Tensor, generator: torch.Generator, border: Border, most: int = 1) -> Tensor:
    """Each image moved by up to ``most`` pixels along each axis; black (-1) or the pixels of the edge come in."""
    height, width = images.shape[-2:]
    margin = (most,) * 4
    if border == "black":
        padded = nn.functional.pad(images, margin, value=-1.0)
    else:
        padded = nn.functional.pad(images, margin, mode="replicate")
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    place = torch.randint(2 * most + 1, (len(images), 2), generator=generator)
    return windows[torch.arange(len(images)), :, place[:, 0], place[:, 1]]


def flipped(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image, or with the same chance its mirror image, left for right."""
    mirrored = torch.rand((len(images), 1, 1, 1), generator=generator) < 0.5
    return torch.where(mirrored, images.flip(-1), images)


def softened(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image in [-1, 1] drawn by up to a half to its 3 x 3 mean, with noise of up to 8 % of the range.

    Judges learn from drawn pictures but look at those of a diffusion model, which are softer and have some grain.
    """
    mean = nn.functional.avg_pool2d(nn.functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    share, grain = torch.rand((2, len(images), 1, 1, 1), generator=generator)
    noise = torch.randn(images.shape, generator=generator)
    return (images + (mean - images) * share * 0.5 + noise * grain * 0.16).clamp(-1, 1)


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
