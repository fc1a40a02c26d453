"""Bootstrap intervals over prompts: scipy's where it can make them, and the truth as often as they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap

from lethe.errors import LetheError
from lethe.measures.bootstrap import Resampled

SKEWED = np.random.default_rng(1).negative_binomial(0.5, 0.3, size=60).astype(float)
SMOOTH = np.random.default_rng(2).beta(20, 40, size=60)


def scipys(values: np.ndarray, statistic, draws: int, seed: int, confidence: float = 0.95) -> tuple[float, float]:
    made = bootstrap(
        (values,),
        statistic,
        n_resamples=draws,
        method="BCa",
        confidence_level=confidence,
        rng=np.random.default_rng(seed),
        vectorized=True,
    )
    return tuple(made.confidence_interval)


@pytest.mark.parametrize("values", [SKEWED, SMOOTH], ids=["counts", "cosines"])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_from_the_same_draws_it_is_scipys_interval(values: np.ndarray, confidence: float) -> None:
    resampled = Resampled(np.arange(60), draws=999, seed=5)
    mean, total = resampled.mean(values, confidence), resampled.total(values, confidence)
    assert mean.value == pytest.approx(values.mean(), rel=1e-14)
    assert total.value == pytest.approx(values.sum(), rel=1e-14)
    assert (mean.low, mean.high) == pytest.approx(scipys(values, np.mean, 999, 5, confidence), rel=1e-9)
    assert (total.low, total.high) == pytest.approx(scipys(values, np.sum, 999, 5, confidence), rel=1e-9)
    assert (mean.n, mean.clusters) == (60, 60)


def test_images_of_a_prompt_move_together() -> None:
    """Four images each: the interval is that of the prompts' means, in any order; single images' is too narrow."""
    random = np.random.default_rng(3)
    images = SMOOTH[:, None] + 0.001 * random.normal(size=(60, 4))
    order = random.permutation(240)
    prompts, values = np.repeat(np.arange(60), 4)[order] * 7, images.ravel()[order]
    together = Resampled(prompts, draws=999, seed=5).mean(values)
    assert (together.low, together.high) == pytest.approx(scipys(images.mean(axis=1), np.mean, 999, 5), rel=1e-9)
    assert (together.n, together.clusters) == (240, 60)
    alone = Resampled(np.arange(240), draws=999, seed=5).mean(values)
    assert 1.6 < (together.high - together.low) / (alone.high - alone.low) < 2.4  # the root of four


def test_prompts_with_unlike_numbers_of_images_make_a_ratio() -> None:
    sizes = np.random.default_rng(4).integers(1, 5, size=60)
    prompts = np.repeat(np.arange(60), sizes)
    values = SMOOTH[prompts] + 0.1 * sizes[prompts]
    sums = np.bincount(prompts, weights=values)

    def ratio(chosen: np.ndarray, axis: int) -> np.ndarray:
        chosen = chosen.astype(int)
        return sums[chosen].sum(axis=axis) / sizes[chosen].sum(axis=axis)

    mean = Resampled(prompts, draws=999, seed=5).mean(values)
    assert mean.value == pytest.approx(values.mean(), rel=1e-13)
    assert (mean.low, mean.high) == pytest.approx(scipys(np.arange(60), ratio, 999, 5), rel=1e-9)


def test_a_paired_difference_does_not_see_what_the_pairs_share() -> None:
    first, noise = SMOOTH, 0.001 * np.random.default_rng(6).normal(size=60)
    resampled = Resampled(np.arange(60), seed=5)
    difference = resampled.mean(first + 0.01 + noise - first)
    assert difference.low < 0.01 < difference.high
    assert difference.high - difference.low < 0.001
    score = resampled.mean(first)
    assert score.high - score.low > 0.01


@pytest.mark.parametrize(
    ("draw", "truth"),
    [
        (lambda random: random.beta(20, 40, size=100), 1 / 3),
        (lambda random: random.negative_binomial(0.3, 0.3 / 0.8, size=100), 0.5),
        (lambda random: np.repeat(random.normal(size=50), 2) + 0.1 * random.normal(size=100), 0.0),
    ],
    ids=["cosines", "counts", "two images a prompt"],
)
def test_intervals_hold_the_truth_as_often_as_they_promise(draw, truth: float) -> None:
    random, runs = np.random.default_rng(7), 600
    prompts = np.arange(100) // 2 if truth == 0 else np.arange(100)
    outside = [0, 0]
    for run in range(runs):
        estimate = Resampled(prompts, draws=400, seed=run).mean(draw(random))
        outside[0] += truth < estimate.low
        outside[1] += truth > estimate.high
    # 95 % less three standard errors of 600 runs, and a percent for 50 to 100 prompts; neither side misses it all.
    assert 0.91 < 1 - sum(outside) / runs < 0.98
    assert max(outside) < 4 * min(outside)


def test_the_seed_decides() -> None:
    clusters = np.arange(60)
    assert Resampled(clusters, seed=1).mean(SMOOTH) == Resampled(clusters, seed=1).mean(SMOOTH)
    assert Resampled(clusters, seed=1).mean(SMOOTH) != Resampled(clusters, seed=2).mean(SMOOTH)


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_where_all_prompts_are_alike_there_is_no_interval(value: float) -> None:
    estimate = Resampled(np.arange(60)).mean(np.full(60, value))
    assert (estimate.value, estimate.low, estimate.high) == (pytest.approx(value), None, None)
    total = Resampled(np.arange(60)).total(np.zeros(60))
    assert (total.value, total.low, total.high) == (0, None, None)


def test_one_prompt_among_many_bounds_the_total_from_both_sides() -> None:
    total = Resampled(np.arange(60)).total(np.arange(60) == 3)
    assert total.low == 0
    assert 3 <= total.high <= 6


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Resampled(np.zeros(5)), "over 1 clusters"),
        (lambda: Resampled(np.arange(5), draws=0), "0 draws"),
        (lambda: Resampled(np.arange(5)).mean(np.zeros(4)), "4.*5 cluster names"),
        (lambda: Resampled(np.arange(5)).mean(np.array([0, 1, np.nan, 2, 3])), r"not finite \(number 2\)"),
        (lambda: Resampled(np.arange(5)).mean(np.arange(5), confidence=1.0), "confidence of 1.0"),
    ],
)
def test_what_cannot_be_resampled_is_refused(make, words: str) -> None:
    with pytest.raises(LetheError, match=words):
        make()
