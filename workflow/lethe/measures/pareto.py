"""Which of several points no other point is better than."""

from __future__ import annotations

import math
from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that none dominates, by rising first coordinate; of both, more is better.

    A point dominates another if it is at least as good in both coordinates and better in one, so equal points stand in
    the front together. O(n log n): walked from the best first coordinate down, a point is in the front if its second
    is above all before it.
    """
    front: list[int] = []
    best = (-math.inf, -math.inf)  # the last point of the front, which has the highest second coordinate so far
    for index in sorted(range(len(points)), key=lambda index: points[index], reverse=True):
        if points[index][1] > best[1] or points[index] == best:
            front.append(index)
            best = points[index]
    return front[::-1]
