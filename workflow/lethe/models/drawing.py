"""Drawing image sets: batches of one fixed size, noise from each image's own seed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from lethe.errors import LetheError


def draw_images(
    render: Callable[..., Tensor],
    seeds: Sequence[int],
    conditions: Tensor,
    shape: tuple[int, ...],
    kernel_batch: int,
    device: torch.device,
    progress: Callable[[int], object],
    *more: Tensor,
) -> Tensor:
    """uint8 images (N, C, H, W): ``render(noise, conditions, *more)`` of exactly ``kernel_batch`` rows, pixels in
    [-1, 1]. ``conditions`` and each of ``more`` have one row for each image.

    One CPU generator for each image, seeded with its seed, draws its noise of ``shape``. The last batch is padded, so
    that the bytes of an image depend on its seed, its condition and ``kernel_batch``, never on its companions.
    """
    parts = []
    for start in range(0, len(seeds), kernel_batch):
        stop = min(start + kernel_batch, len(seeds))
        noise = torch.zeros((kernel_batch, *shape))
        for row, seed in enumerate(seeds[start:stop]):
            noise[row] = torch.randn(shape, generator=torch.Generator().manual_seed(int(seed) % 2**32))
        rows = [_padded(each[start:stop], kernel_batch).to(device) for each in (conditions, *more)]
        pixels = render(noise.to(device), *rows)
        if not bool(pixels.isfinite().all()):  # as bytes they would be black pixels
            raise LetheError(
                f"pixels of the images of seeds {seeds[start]} to {seeds[stop - 1]} are not finite",
                "the model has diverged: make it again with a lower learning rate",
            )
        parts.append((pixels * 127.5 + 128).clamp(0, 255).to(torch.uint8)[: stop - start].cpu())
        progress(stop - start)
    return torch.cat(parts)


def _padded(rows: Tensor, count: int) -> Tensor:
    return torch.cat([rows, rows.new_zeros((count - len(rows), *rows.shape[1:]))])


@contextlib.contextmanager
def evaluating(*networks: torch.nn.Module) -> Iterator[None]:
    """The networks in evaluation mode; afterwards as they were."""
    modes = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for network, mode in zip(networks, modes, strict=True):
            network.train(mode)
