"""The augmentation of EDM's training on small images (Karras et al. 2022, appendix F.2 and Table 6): geometry only, and
the network is told what was done.

Each image is flipped, scaled, turned, stretched and moved, each with a probability of its own, by one affine map. It is
drawn as in Karras et al. 2020 (arXiv 2006.06676, appendix B): doubled by an orthogonal wavelet, mapped bilinearly, and
halved by the same wavelet, so that an image that is not mapped comes back as it was.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

LABELS = 9
"""How many numbers the network is told of each image: see :func:`augmented`."""

_PROBABILITY = 0.12
_STRETCH, _SHIFT = 0.2, 0.125  # standard deviations: of log2 of a scale; of a translation, in sides of the image
# Low-pass filter of the least asymmetric wavelet with six vanishing moments (Daubechies 1992, Table 6.3: "symlet 6").
SYMLET = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633, 0.4910559419267466),
    *(0.787641141030194, 0.3379294217276218, -0.07263752278646252, -0.021060292512300564, 0.04472490177066578),
    *(0.0017677118642428036, -0.007800708325034148),
)
_REACH = len(SYMLET) // 2 - 1  # pixels of the doubled image beyond its border that halving it looks at


def augmented(images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Augment ``images`` (B, C, S, S); every image by a map of its own, drawn from ``generator``.

    Also the labels (B, 9): flipped left to right, flipped upside down (0 or 1); log-scale s; cos a - 1 and sin a of the
    turn a; w cos r and w sin r of the stretch w along the direction r; the shifts right and down. All are zero for an
    image that stays as it is; every image is flipped left to right with probability 1/2.
    """
    mirrored, maps, labels = draw_maps(len(images), generator)
    mirrored = mirrored.to(images.device)[:, :, None, None, None]
    images = torch.where(mirrored[:, 0], images.flip(3), images)
    images = torch.where(mirrored[:, 1], images.flip(2), images)
    return mapped(images, maps.to(images)), labels.to(images)


def draw_maps(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Which images are flipped (count, 2), and after it their affine maps (count, 2, 3) as :func:`mapped` takes them;
    and the labels."""

    def chosen(probability: float) -> Tensor:
        return torch.rand(count, generator=generator) < probability

    def normal() -> Tensor:
        return torch.randn(count, generator=generator)

    def angle() -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * math.pi

    mirrored = torch.stack([chosen(0.5), chosen(0.5) & chosen(_PROBABILITY)], 1)
    scale = normal() * chosen(_PROBABILITY)
    turn = angle() * chosen(_PROBABILITY)
    stretch, direction = normal() * chosen(_PROBABILITY), angle() * chosen(0.5)
    shift = torch.stack([normal(), normal()], 1) * chosen(_PROBABILITY)[:, None]

    # From a place in the result back to one in the image: not shifted, stretched, turned, scaled, in this order.
    along = _diagonal(-_STRETCH * stretch, _STRETCH * stretch)
    back = _diagonal(-_STRETCH * scale, -_STRETCH * scale) @ _turn(turn)
    back = back @ _turn(-direction) @ along @ _turn(direction)
    maps = torch.cat([back, -_SHIFT * (back @ shift[:, :, None])], 2)
    told = [*mirrored.float().unbind(1), scale, turn.cos() - 1, turn.sin()]
    told += [stretch * direction.cos(), stretch * direction.sin(), *shift.unbind(1)]
    return mirrored, maps, torch.stack(told, 1)


def mapped(images: Tensor, maps: Tensor) -> Tensor:
    """Pixel p of the result is the image at A p + b, for ``maps`` [A | b] (B, 2, 3).

    Places are (x, y) from the middle of the image, x to the right and y down; b is in sides of the image. Beyond its
    border the image is mirrored, once.
    """
    count, size = len(images), images.shape[-1]
    margin = size - 1
    doubled = _double(functional.pad(images, (margin,) * 4, mode="reflect"))
    # Where the pixels of the doubled result lie, in pixels of the image, from its middle: the wavelet's own middle is
    # such that pixel 2 i lies on pixel i.
    steps = (torch.arange(-_REACH, 2 * size + _REACH, dtype=maps.dtype, device=maps.device) - (size - 1)) / 2
    places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), 2)
    sources = (maps[:, None, :, :2] @ places.reshape(1, -1, 2, 1)).reshape(count, *places.shape)
    sources = sources + size * maps[:, None, None, :, 2]
    # grid_sample has -1 and 1 at the outer borders of the doubled image, whose middle is half a doubled pixel further.
    drawn = functional.grid_sample(doubled, (4 * sources - 1) / doubled.shape[-1], align_corners=False)
    return _halve(drawn)


def _kernel(images: Tensor) -> Tensor:
    wavelet = torch.tensor(SYMLET, dtype=images.dtype, device=images.device)
    return (wavelet[:, None] * wavelet).expand(images.shape[1], 1, -1, -1)


def _double(images: Tensor) -> Tensor:
    """(B, C, S, S) -> (B, C, 2 S, 2 S): pixel i comes to lie on pixel 2 i."""
    return functional.conv_transpose2d(images, _kernel(images), stride=2, padding=_REACH, groups=images.shape[1])


def _halve(images: Tensor) -> Tensor:
    """Undo :func:`_double` of images with ``_REACH`` more pixels at each side."""
    return functional.conv2d(images, _kernel(images), stride=2, groups=images.shape[1])


def _turn(angle: Tensor) -> Tensor:
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos, -sin, sin, cos], 1).reshape(-1, 2, 2)


def _diagonal(x: Tensor, y: Tensor) -> Tensor:
    """Scales of 2^x and 2^y."""
    return torch.diag_embed(torch.stack([x, y], 1).exp2())
