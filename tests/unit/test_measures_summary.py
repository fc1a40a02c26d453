from __future__ import annotations

import statistics

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_rel

from lethe.errors import LetheError
from lethe.measures.summary import compare_paired, summarise


def cells(values: np.ndarray) -> dict[tuple[str, int], float]:
    """One value a target, all of seed 0."""
    return {(f"t{i:02d}", 0): float(value) for i, value in enumerate(values)}


def test_summary_is_the_standard_librarys() -> None:
    values = np.random.default_rng(0).normal(5, 2, size=9).tolist()
    sample, population = summarise(values), summarise(values, ddof=0)
    assert sample.std == pytest.approx(statistics.stdev(values))
    assert population.std == pytest.approx(statistics.pstdev(values))
    assert sample.mean == pytest.approx(statistics.mean(values))
    assert (sample.low, sample.high, sample.n, sample.ddof) == (min(values), max(values), 9, 1)


def test_one_value_has_no_sample_deviation() -> None:
    assert summarise([3.0]).std is None
    assert summarise([3.0], ddof=0).std == 0
    assert summarise([3.0, 4.0], ddof=2).std is None


def test_the_mean_of_equal_values_is_that_value() -> None:
    assert summarise([0.1] * 3)[:3] == (0.1, 0.1, 0.1)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_what_has_no_summary_is_refused(values: list[float]) -> None:
    with pytest.raises(LetheError, match="summary"):
        summarise(values)


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("n", [2, 3, 10, 25])
def test_interval_is_scipys(n: int, confidence: float) -> None:
    rng = np.random.default_rng(n)
    a, b = rng.normal(0.3, 1, size=n), rng.normal(size=n)
    paired = compare_paired(cells(a), cells(b), confidence)
    scipys = ttest_rel(a, b).confidence_interval(confidence)
    assert (paired.low, paired.high) == pytest.approx((scipys.low, scipys.high), rel=1e-10)
    assert paired.difference == pytest.approx((a - b).mean())
    assert (paired.n, paired.unit) == (n, "target")


@pytest.mark.parametrize("n", [2, 3, 5, 8, 12])
def test_p_value_is_scipys(n: int) -> None:
    rng = np.random.default_rng(100 + n)
    # Rounded, so that flips tie with the observed sum and the comparison must include its equals.
    a, b = rng.normal(0.5, 1, size=n).round(1), rng.normal(size=n).round(1)
    scipys = permutation_test(
        (a, b),
        lambda x, y: np.sum(x - y),
        permutation_type="samples",
        n_resamples=np.inf,
        alternative="two-sided",
    )
    assert compare_paired(cells(a), cells(b)).p_value == pytest.approx(scipys.pvalue, abs=1e-12)


def test_a_clear_difference_reaches_the_least_p_value_and_no_difference_one() -> None:
    a = np.arange(1.0, 6.0)
    assert compare_paired(cells(a), cells(np.zeros(5))).p_value == 2 / 2**5
    assert compare_paired(cells(a), cells(a)).p_value == 1
    assert compare_paired(cells(np.zeros(5)), cells(np.zeros(5))).p_value == 1
    assert compare_paired(cells(a[:1]), cells(a[1:2])).p_value == 1


def exact_p_value(differences: list[int]) -> float:
    """The share of sign flips at least as far out, by counting the ways to reach each sum."""
    ways = {0: 1}
    for difference in differences:
        reached: dict[int, int] = {}
        for total, count in ways.items():
            for flipped in (total + difference, total - difference):
                reached[flipped] = reached.get(flipped, 0) + count
        ways = reached
    extreme = sum(count for total, count in ways.items() if abs(total) >= abs(sum(differences)))
    return extreme / 2 ** len(differences)


@pytest.mark.parametrize(("n", "exact"), [(16, True), (17, False), (40, False)])
def test_p_value_beyond_enumeration_estimates_the_exact_one(n: int, exact: bool) -> None:
    differences = np.random.default_rng(n).integers(-5, 8, size=n).tolist()
    expected = exact_p_value(differences)
    a, b = cells(np.array(differences)), cells(np.zeros(n))
    p_value = compare_paired(a, b).p_value
    tolerance = 1e-12 if exact else 4.5 * np.sqrt(expected * (1 - expected) / 99_999) + 1e-5
    assert p_value == pytest.approx(expected, abs=tolerance)
    assert compare_paired(a, b).p_value == p_value
    assert (compare_paired(a, b, seed=1).p_value == p_value) == exact


def test_the_monte_carlo_p_value_is_never_zero() -> None:
    assert compare_paired(cells(np.ones(60)), cells(np.zeros(60))).p_value == 1e-5


def test_seeds_are_averaged_within_targets_first() -> None:
    """Three targets with 2, 1 and 3 seeds: each weighs alike, as three replicates do."""
    a = {("cat", 0): 1.0, ("cat", 1): 3.0, ("dog", 0): 5.0, ("car", 0): 1.0, ("car", 1): 1.0, ("car", 2): 4.0}
    b = dict.fromkeys(a, 1.0)
    paired = compare_paired(a, b)
    scipys = ttest_rel([2.0, 5.0, 2.0], [1.0, 1.0, 1.0]).confidence_interval()
    assert paired.difference == pytest.approx(2.0)
    assert (paired.low, paired.high) == pytest.approx((scipys.low, scipys.high))
    assert (paired.n, paired.unit, paired.wins) == (3, "target", 3)
    every_cell = compare_paired(a, b, by="pair")
    assert every_cell.difference == pytest.approx(9 / 6)
    assert (every_cell.n, every_cell.unit, every_cell.wins, every_cell.ties) == (6, "pair", 3, 3)


def test_averaging_keeps_the_coverage_that_pooling_seeds_loses() -> None:
    """Targets differ more than seeds do: pooled seeds pretend to be replicates and cover far too seldom."""
    rng = np.random.default_rng(7)
    covered = {"target": 0, "pair": 0}
    for _ in range(150):
        effects = rng.normal(0, 1, size=6)
        keys = [(target, seed) for target in range(6) for seed in range(4)]
        a = {key: float(effects[key[0]] + rng.normal(0, 0.2)) for key in keys}
        b = dict.fromkeys(keys, 0.0)
        for by in covered:
            low, high = compare_paired(a, b, by=by)[1:3]
            covered[by] += low <= 0 <= high
    assert 0.9 <= covered["target"] / 150 <= 0.99
    assert covered["pair"] / 150 < 0.8


def test_seeds_of_a_lone_target_are_the_replicates() -> None:
    a, b = {("cat", seed): seed + 1.0 for seed in range(4)}, {("cat", seed): 0.0 for seed in range(4)}
    paired = compare_paired(a, b)
    scipys = ttest_rel([1.0, 2.0, 3.0, 4.0], np.zeros(4)).confidence_interval()
    assert (paired.low, paired.high) == pytest.approx((scipys.low, scipys.high))
    assert (paired.n, paired.unit) == (4, "seed")


def test_one_replicate_has_no_interval() -> None:
    paired = compare_paired({("cat", 0): 2.0}, {("cat", 0): 1.5})
    assert (paired.difference, paired.low, paired.high, paired.n) == (0.5, None, None, 1)


def test_wins_follow_the_direction_and_rounding_is_a_tie() -> None:
    a = {("t1", 0): 2.0, ("t2", 0): 2.0, ("t3", 0): 0.0, ("t4", 0): 0.1 + 0.2}
    b = {("t1", 0): 1.0, ("t2", 0): 1.0, ("t3", 0): 1.0, ("t4", 0): 0.3}
    higher, lower = compare_paired(a, b), compare_paired(a, b, better="lower")
    assert (higher.wins, higher.ties, higher.losses) == (2, 1, 1)
    assert (lower.wins, lower.ties, lower.losses) == (1, 1, 2)
    assert higher.difference == lower.difference
    swapped = compare_paired(b, a)
    assert (swapped.difference, swapped.low, swapped.p_value) == (
        -higher.difference,
        -higher.high,
        higher.p_value,
    )


def test_the_order_of_the_cells_does_not_matter() -> None:
    rng = np.random.default_rng(8)
    a, b = cells(rng.normal(size=30)), cells(rng.normal(size=30))
    assert compare_paired(dict(reversed(a.items())), b) == compare_paired(a, b)


def test_unpaired_cells_are_named() -> None:
    a = {("cat", 0): 1.0, ("dog", 0): 1.0, ("dog", 1): 2.0}
    with pytest.raises(LetheError, match=r"only the first.*\('dog', 0\), \('dog', 1\)"):
        compare_paired(a, {("cat", 0): 1.0})
    with pytest.raises(LetheError, match=r"only the second.*\('dog', 1\)"):
        compare_paired({key: a[key] for key in list(a)[:2]}, a)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(LetheError, match="no cells"):
        compare_paired({}, {})
    with pytest.raises(LetheError, match=r"\('cat', 0\) is nan"):
        compare_paired({("cat", 0): 1.0}, {("cat", 0): float("nan")})
    with pytest.raises(LetheError, match="'cat'"):
        compare_paired({"cat": 1.0}, {"cat": 1.0})
    with pytest.raises(LetheError, match="'both'"):
        compare_paired({}, {}, by="both")
    with pytest.raises(LetheError, match="confidence"):
        compare_paired({("cat", 0): 1.0}, {("cat", 0): 1.0}, confidence=95)
