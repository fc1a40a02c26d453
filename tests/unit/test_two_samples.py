"""Differences of two samples against scipy, published examples and brute force; the correction for many tests."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from lethe.errors import LetheError
from lethe.measures.multiplicity import holm
from lethe.measures.two_samples import Mean, of_means, of_paired_shares, of_paired_values, of_shares

TABLES = [(0, 48, 1, 48), (45, 48, 20, 48), (3, 10, 9, 12), (100, 100, 100, 100), (319, 324, 300, 324), (0, 5, 5, 5)]


def test_newcombes_own_example():
    """Newcombe 1998a, Table II, contrast a: 56/70 - 48/80."""
    found = of_shares(48, 80, 56, 70)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


@pytest.mark.parametrize("table", TABLES)
def test_the_exact_test_is_fishers(table):
    a, n, b, m = table
    assert of_shares(*table).p_value == pytest.approx(stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue, rel=1e-9)


@pytest.mark.parametrize("table", TABLES)
def test_no_outcome_with_these_margins_has_a_smaller_p_than_the_smallest(table):
    a, n, b, m = table
    possible = range(max(0, a + b - m), min(n, a + b) + 1)
    least = min(stats.fisher_exact([[k, n - k], [a + b - k, m - a - b + k]]).pvalue for k in possible)
    assert of_shares(*table).smallest_p == pytest.approx(least, rel=1e-9)


def paired(both: int, lost: int, gained: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = [both, lost, gained, neither]
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_the_paired_test_is_mcnemars_exact_one():
    for lost, gained in ((0, 0), (1, 0), (9, 2), (2, 9), (5, 5), (0, 40), (9000, 9400)):
        found = of_paired_shares(*paired(20, lost, gained, 7))
        differing = lost + gained
        expected = stats.binomtest(lost, differing).pvalue if differing else 1.0
        assert found.p_value == pytest.approx(expected)
        assert found.smallest_p == pytest.approx(stats.binomtest(0, differing).pvalue if differing else 1.0)
        assert found.value == pytest.approx((gained - lost) / (27 + differing))
        assert found.low <= found.value <= found.high


def test_the_paired_interval_holds_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(0)
    truth, inside = 0.1, 0
    for counts in generator.multinomial(60, [0.5, 0.1, 0.2, 0.2], size=1500):
        found = of_paired_shares(*paired(*counts))
        inside += found.low <= truth <= found.high
    assert 0.935 <= inside / 1500 <= 0.985


def test_means_are_compared_as_welch_does():
    generator = np.random.default_rng(1)
    a, b = generator.normal(0, 1, 9), generator.normal(0.8, 3, 14)
    found = of_means(*(Mean(x.mean(), x.std(ddof=1) / np.sqrt(len(x)), len(x) - 1) for x in (a, b)))
    expected = stats.ttest_ind(b, a, equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_paired_values_are_compared_over_clusters_of_one_size_as_their_means():
    generator = np.random.default_rng(2)
    prompts = np.repeat(np.arange(8), 3)
    a = generator.normal(size=24)
    b = a + generator.normal(0.2, 1, 8)[prompts]
    found = of_paired_values(a, b, prompts)
    expected = stats.ttest_1samp((b - a).reshape(8, 3).mean(axis=1), 0)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval()))


def test_what_does_not_vary_is_no_evidence():
    found = of_paired_values(np.zeros(6), np.zeros(6), np.arange(6))
    assert (found.p_value, found.smallest_p) == (1, 1)
    with pytest.raises(LetheError, match="one cluster"):
        of_paired_values(np.zeros(6), np.ones(6), np.zeros(6))
    with pytest.raises(LetheError, match="6 values paired with 5"):
        of_paired_shares(np.zeros(6), np.ones(5))


def test_p_values_are_adjusted_as_holm_does():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p, [0] * 4).p_values == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([], []).counted == 0


def test_tests_that_could_never_reject_are_not_counted():
    """Ten tests that only can give 0.5 cost the eleventh nothing."""
    found = holm([0.04, *[0.5] * 10], [0.001, *[0.5] * 10])
    assert found.counted == 1
    assert found.p_values == pytest.approx([0.04, *[1.0] * 10])
    # Two that could reject at the level itself, but neither at half of it: none is left.
    assert holm([0.04, 0.04], [0.03, 0.03]).counted == 0
    assert holm([0.04, 0.04], [0.03, 0.02]).counted == 1


def test_adjusted_p_values_keep_the_order_and_wrong_ones_are_refused():
    p = np.random.default_rng(3).uniform(size=50)
    adjusted = holm(p, np.zeros(50)).p_values[np.argsort(p)]
    assert all(first <= second for first, second in pairwise(adjusted))
    for wrong in (([1.5], [0]), ([0.5], [-1]), ([0.5], [0, 0])):
        with pytest.raises(LetheError, match="p-values"):
            holm(*wrong)
    with pytest.raises(LetheError, match="level"):
        holm([0.5], [0], 1.5)


def test_paired_tests_give_no_more_false_alarms_than_the_level_together():
    """Two models of one quality on the same 48 images: 30 shares and 30 mean cosines, 150 times."""
    generator = np.random.default_rng(4)
    prompts, alarms = np.repeat(np.arange(16), 3), 0
    for _ in range(150):
        found = []
        for share in generator.uniform(0.02, 0.98, 30):
            hard = generator.beta(4 * share, 4 * (1 - share), 16)[prompts]
            found.append(of_paired_shares(*(generator.uniform(size=48) < hard for _ in range(2))))
            level = generator.normal(0.8, 0.05, 16)[prompts]
            cosines = (level + generator.normal(0, 0.02, 16)[prompts] + generator.normal(0, 0.02, 48) for _ in range(2))
            found.append(of_paired_values(*cosines, prompts))
        adjusted = holm([one.p_value for one in found], [one.smallest_p for one in found])
        alarms += bool((adjusted.p_values <= 0.05).any())
    assert alarms <= 150 * 0.05 + 2 * np.sqrt(150 * 0.05 * 0.95)
