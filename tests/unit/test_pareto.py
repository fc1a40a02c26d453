"""The Pareto front, by brute force."""

from __future__ import annotations

import itertools
import random

import pytest

from lethe.measures.pareto import pareto_front


def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] >= b[0] and a[1] >= b[1] and a != b


@pytest.mark.parametrize("grid", [3, 5, 1000])
def test_the_front_is_what_no_point_dominates(grid: int) -> None:
    """Coarse grids have many ties and equal points."""
    generator = random.Random(grid)
    for count in itertools.chain(range(12), [60]):
        for _ in range(20):
            points = [(generator.randrange(grid) / grid, generator.randrange(grid) / grid) for _ in range(count)]
            front = pareto_front(points)
            best = [i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)]
            assert sorted(front) == best
            assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)


def test_a_single_point_is_the_front() -> None:
    assert pareto_front([(0.0, -5.0)]) == [0]
