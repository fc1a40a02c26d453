"""Axes for points that pile up: a scale that opens the neighbourhood of 1, and markers side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence


def near_one(share: float, resolution: float) -> float:
    """Where ``share`` (of images, 0 to 1) lies on an axis that opens what is near 1.

    It is log10 of (1 + r) / (1 - share + r), with 0 at 0. Equal ratios of what is left are equal lengths down to the
    ``resolution`` r, one image in all; there the axis ends, so that 1 itself has a place.
    """
    return math.log10((1 + resolution) / (1 - share + resolution))


_TICKS = (0.999, 0.995, 0.99, 0.98, 0.95, 0.9, 0.8, 0.5, 0.0)


def ticks_near_one(resolution: float, gap: float) -> list[tuple[float, str]]:
    """Places and labels on the axis of :func:`near_one`, from 1 down, no two nearer than the share ``gap`` of it."""
    whole = near_one(1.0, resolution)
    kept = [(whole, "1")]
    for share in _TICKS:
        place = near_one(share, resolution)
        if kept[-1][0] - place >= gap * whole and 1 - share >= resolution:
            kept.append((place, f"{share:g}"))
    return kept


def side_by_side(places: Sequence[float], gap: float) -> list[float]:
    """``places`` moved as little as can be (least squares) so that no two are nearer than ``gap``, in the same order;
    equal places keep the order they are given in.

    With y_i = x_i - i * gap in sorted order this is isotonic regression, solved by pooling adjacent violators.
    """
    order = sorted(range(len(places)), key=lambda index: places[index])
    pools: list[tuple[float, int]] = []  # mean and size
    for rank, index in enumerate(order):
        mean, size = places[index] - rank * gap, 1
        while pools and pools[-1][0] >= mean:
            before, count = pools.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        pools.append((mean, size))
    moved = [0.0] * len(places)
    ranks = (mean for mean, size in pools for _ in range(size))
    for rank, (index, mean) in enumerate(zip(order, ranks, strict=True)):
        moved[index] = mean + rank * gap
    return moved
