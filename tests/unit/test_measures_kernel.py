from __future__ import annotations

import itertools

import numpy as np
import pytest

from lethe.errors import LetheError
from lethe.measures import kernel
from lethe.measures.kernel import kernel_distance, kernel_distance_by_subsets


def cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (np.inner(x, y) / x.shape[-1] + 1) ** 3


def by_loops(a: np.ndarray, b: np.ndarray) -> float:
    """The U-statistic as it is written, one pair at a time."""
    xx = [cubic(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j]
    yy = [cubic(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j]
    xy = [cubic(x, y) for x in a for y in b]
    return float(np.mean(xx) + np.mean(yy) - 2 * np.mean(xy))


class Population:
    """Two distributions over the same few points, so that every expectation is a finite sum.

    The second is the first tilted towards points with a large first feature, by ``unlike``.
    """

    def __init__(self, points: int, d: int, seed: int, unlike: float) -> None:
        rng = np.random.default_rng(seed)
        self.points = rng.normal(size=(points, d))
        self.p = rng.dirichlet(np.full(points, 5.0))
        tilted = self.p * np.exp(unlike * self.points[:, 0])
        self.q = tilted / tilted.sum()
        difference = self.p - self.q
        self.distance = float(difference @ cubic(self.points, self.points) @ difference)

    def draw(self, n: int, m: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        a = rng.choice(len(self.points), size=n, p=self.p)
        b = rng.choice(len(self.points), size=m, p=self.q)
        return self.points[a], self.points[b]


@pytest.mark.parametrize(("n", "m", "tile"), [(4, 4, 2048), (9, 6, 2048), (9, 6, 2), (7, 11, 4), (8, 8, 3)])
def test_equals_the_double_loop(n: int, m: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_TILE", tile)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(n, 5)), rng.normal(size=(m, 5)) + 0.3
    distance = kernel_distance(a, b, minimum=4)
    assert distance.value == pytest.approx(by_loops(a, b), rel=1e-12)
    assert (distance.n, distance.m) == (n, m)
    swapped = kernel_distance(b, a, minimum=4)
    assert swapped.value == pytest.approx(distance.value, rel=1e-12)
    assert swapped.standard_error == pytest.approx(distance.standard_error, rel=1e-12)


def test_tiles_do_not_move_the_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(50, 5)), rng.normal(size=(37, 5)) + 0.3
    whole = kernel_distance(a, b)
    monkeypatch.setattr(kernel, "_TILE", 8)
    assert kernel_distance(a, b).standard_error == pytest.approx(whole.standard_error, rel=1e-12)


@pytest.mark.parametrize("unlike", [0.0, 0.6])
def test_value_and_variance_are_unbiased_over_every_possible_draw(unlike: float) -> None:
    """All 2^4 * 2^5 draws of 4 and 5 images from two points, weighed by their probability: no simulation.

    The expectation of the value is the distance of the populations, and that of the estimated variance is the
    variance of the value, to rounding.
    """
    population = Population(points=2, d=2, seed=2, unlike=unlike)
    n, m = 4, 5
    weights, values, variances = [], [], []
    for draw in itertools.product(range(2), repeat=n + m):
        first, second = np.array(draw[:n]), np.array(draw[n:])
        a, b = population.points[first], population.points[second]
        within_a, within_b, between = kernel._within(a), kernel._within(b), kernel._between(a, b)
        weights.append(population.p[first].prod() * population.q[second].prod())
        values.append(kernel._distance(within_a, within_b, between))
        variances.append(sum(kernel._variance_parts(within_a, within_b, between)))
    weights, values = np.array(weights), np.array(values)
    assert weights.sum() == pytest.approx(1)
    assert weights @ values == pytest.approx(population.distance, abs=1e-12)
    assert weights @ variances == pytest.approx(weights @ (values - weights @ values) ** 2, rel=1e-10)


@pytest.mark.parametrize(
    ("unlike", "n", "m", "least", "most"),
    [
        (0.0, 60, 60, 0.95, 1.0),
        (0.7, 60, 60, 0.9, 0.98),
        (1.5, 100, 100, 0.9, 0.98),
        (1.5, 60, 200, 0.9, 0.98),
    ],
)
def test_intervals_cover_the_distance_of_the_populations(
    unlike: float, n: int, m: int, least: float, most: float
) -> None:
    """Alike (where the first-order variance vanishes), somewhat and clearly unlike, and of uneven sizes.

    Over 4000 draws these cover 97.7, 94.8, 92.4 and 94.4 %; with a standard error a fifth too small the last
    three would cover less than 88 %.
    """
    population, rng = Population(points=300, d=64, seed=3, unlike=unlike), np.random.default_rng(4)
    draws = [kernel_distance(*population.draw(n, m, rng)) for _ in range(800)]
    values = np.array([draw.value for draw in draws])
    errors = np.array([draw.standard_error for draw in draws])
    covered = np.mean(np.abs(values - population.distance) <= 1.96 * errors)
    assert least <= covered <= most
    # Not letting the first-order part below zero costs most where that part is zero.
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.1 if unlike else 0.2)
    assert abs(values.mean() - population.distance) < 4 * values.std() / np.sqrt(len(values))


def test_alike_sets_fall_on_both_sides_of_zero() -> None:
    rng = np.random.default_rng(5)
    values = [kernel_distance(*rng.normal(size=(2, 30, 16))).value for _ in range(200)]
    assert min(values) < 0 < max(values)
    assert 0.3 < np.mean(np.array(values) > 0) < 0.7


@pytest.mark.parametrize(("shift", "ratio"), [(0.0, 4.0), (1.0, 2.0)])
def test_four_times_the_images_quarter_the_error_of_alike_sets_and_halve_that_of_others(
    shift: float, ratio: float
) -> None:
    rng = np.random.default_rng(6)
    errors = {100: [], 400: []}
    for n, seen in errors.items():
        for _ in range(20):
            a, b = rng.normal(size=(2, n, 64))
            seen.append(kernel_distance(a, b + shift).standard_error)
    assert np.mean(errors[100]) / np.mean(errors[400]) == pytest.approx(ratio, rel=0.1)


def test_single_precision_features_are_taken_in_double() -> None:
    rng = np.random.default_rng(7)
    a, b = rng.normal(size=(2, 40, 8)).astype(np.float32) + np.float32(20)
    assert kernel_distance(a, b) == kernel_distance(a.astype(np.float64), b.astype(np.float64))


def test_subsets_follow_the_convention() -> None:
    rng = np.random.default_rng(8)
    a, b = rng.normal(size=(40, 6)), rng.normal(size=(50, 6)) + 0.4
    drawn = np.random.RandomState(2020)
    loops = []
    for _ in range(5):
        part = a[drawn.choice(40, 12, replace=False)]
        loops.append(by_loops(part, b[drawn.choice(50, 12, replace=False)]))
    by_subsets = kernel_distance_by_subsets(a, b, subsets=5, size=12, seed=2020)
    assert by_subsets.mean == pytest.approx(np.mean(loops), rel=1e-12)
    assert by_subsets.std == pytest.approx(np.std(loops), rel=1e-12)
    assert (by_subsets.subsets, by_subsets.size) == (5, 12)


def test_subsets_of_everything_are_the_full_distance() -> None:
    rng = np.random.default_rng(9)
    a, b = rng.normal(size=(2, 30, 6))
    by_subsets = kernel_distance_by_subsets(a, b, subsets=3, size=30)
    assert by_subsets.mean == pytest.approx(kernel_distance(a, b).value, rel=1e-10)
    assert by_subsets.std == pytest.approx(0, abs=1e-12)


def test_what_cannot_be_measured_is_refused() -> None:
    a = np.random.default_rng(10).normal(size=(30, 6))
    with pytest.raises(LetheError, match=r"KID: 29 images.*30"):
        kernel_distance(a, a[:29])
    with pytest.raises(LetheError, match="at least 4"):
        kernel_distance(a[:3], a, minimum=1)
    with pytest.raises(LetheError, match=r"6 features.*the other 5"):
        kernel_distance(a, a[:, :5])
    with pytest.raises(LetheError, match=r"subsets of 1000 images.*\n.*4 to 30"):
        kernel_distance_by_subsets(a, a)
    with pytest.raises(LetheError, match="0 subsets"):
        kernel_distance_by_subsets(a, a, subsets=0, size=10)
    broken = a.copy()
    broken[3, 0] = np.nan
    with pytest.raises(LetheError, match="image 3"):
        kernel_distance(a, broken)
