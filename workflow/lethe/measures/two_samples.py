"""Differences between two models measured apart: of shares, of means, of paired values; each with a p-value.

``smallest_p`` is the smallest p-value that the test could have given, whatever the outcome, with the margins that it
conditions on: 1 where it could never reject. :mod:`lethe.measures.multiplicity` does not count such tests.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.measures.rates import wilson

_TIE = 1e-7  # probabilities this near, relative to their size, are equal but for rounding


class Difference(NamedTuple):
    """``second`` minus ``first`` with its interval and two-sided p-value, and in words how they were made."""

    value: float
    low: float
    high: float
    p_value: float
    smallest_p: float
    how: str


class Mean(NamedTuple):
    """A mean with its standard error, which has ``freedom`` degrees of freedom (infinite: the error is known)."""

    value: float
    error: float
    freedom: float = math.inf


def of_shares(first: int, n_first: int, second: int, n_second: int, confidence: float = 0.95) -> Difference:
    """Successes among independent trials: Newcombe's hybrid score interval (1998a, method 10), made of Wilson's, and
    Fisher's exact test: two-sided, the outcomes no more probable than the one that came.

    The test never rejects too often; it is cautious, the more so with few trials.
    """
    a, b = wilson(first, n_first, confidence), wilson(second, n_second, confidence)
    value = b.value - a.value
    low = value - math.hypot(b.value - b.low, a.high - a.value)
    high = value + math.hypot(b.high - b.value, a.value - a.low)
    p, smallest = _fisher(first, n_first, second, n_second)
    return Difference(value, low, high, p, smallest, "independent images: Newcombe, Fisher's exact test")


def of_paired_shares(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> Difference:
    """Successes (N,) of the same trials: Newcombe's interval for paired shares (1998b, method 10) and McNemar's exact
    test, which looks at the trials alone whose outcome differs."""
    from scipy.special import bdtr

    first, second = np.asarray(first, bool), np.asarray(second, bool)
    n = _same_size(first, second)
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    lost, gained = int((first & ~second).sum()), int((~first & second).sum())
    a, b = wilson(both + lost, n, confidence), wilson(both + gained, n, confidence)
    phi, value = _phi(both, lost, gained, neither), (gained - lost) / n
    below, above = (b.value - b.low, a.high - a.value), (b.high - b.value, a.value - a.low)
    low, high = (math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y)) for x, y in (below, above))
    differing = lost + gained
    tail = float(bdtr(min(lost, gained), differing, 0.5))
    smallest = min(1.0, 2 / 2**differing)
    return Difference(
        value,
        value - low,
        value + high,
        min(1.0, 2 * tail),
        smallest,
        "the same images: Newcombe, McNemar's exact test",
    )


def of_means(first: Mean, second: Mean, confidence: float = 0.95) -> Difference:
    """Independent means: Welch's interval and test, with Satterthwaite's degrees of freedom."""
    value, error = second.value - first.value, math.hypot(first.error, second.error)
    parts = sum(mean.error**4 / mean.freedom for mean in (first, second))
    freedom = error**4 / parts if parts > 0 else math.inf
    return _student(value, error, freedom, confidence, "independent means: Welch")


def of_paired_values(
    first: np.ndarray, second: np.ndarray, clusters: np.ndarray, confidence: float = 0.95
) -> Difference:
    """Values (N,) of the same images: Student's interval and test of the mean difference, with the standard error over
    ``clusters`` (N,), since the images of a prompt move together."""
    _same_size(first, second)
    differences = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    _, cluster = np.unique(clusters, return_inverse=True)
    sizes = np.bincount(cluster)
    count, mean = len(sizes), float(differences.mean())
    if count < 2:
        raise LetheError("a comparison over one cluster", "give at least two")
    off = np.bincount(cluster, weights=differences) - sizes * mean
    error = math.sqrt(count / (count - 1) * float((off**2).sum())) / len(differences)
    return _student(mean, error, count - 1, confidence, f"the same images: Student's t over {count} clusters")


def _student(value: float, error: float, freedom: float, confidence: float, how: str) -> Difference:
    from scipy.special import ndtr, ndtri, stdtr, stdtrit

    if error == 0:  # nothing varies: no test has anything to say
        return Difference(value, value, value, 1.0, 1.0, how)
    known = math.isinf(freedom)
    quantile = float(ndtri((1 + confidence) / 2) if known else stdtrit(freedom, (1 + confidence) / 2))
    away = -abs(value) / error
    p = 2 * float(ndtr(away) if known else stdtr(freedom, away))
    return Difference(value, value - quantile * error, value + quantile * error, min(1.0, p), 0.0, how)


def _fisher(first: int, n_first: int, second: int, n_second: int) -> tuple[float, float]:
    """The p-value, and the smallest one with these margins."""
    from scipy.special import gammaln

    total, n = first + second, n_first + n_second
    there = np.arange(max(0, total - n_second), min(n_first, total) + 1)

    def log_choose(of: int, k: np.ndarray | int) -> np.ndarray:
        return gammaln(of + 1) - gammaln(np.add(k, 1)) - gammaln(of - np.asarray(k) + 1)

    shares = np.exp(log_choose(n_first, there) + log_choose(n_second, total - there) - log_choose(n, total))
    came = shares[first - there[0]]
    p, smallest = (float(shares[shares <= bound * (1 + _TIE)].sum()) for bound in (came, shares.min()))
    return min(1.0, p), min(1.0, smallest)


def _phi(both: int, lost: int, gained: int, neither: int) -> float:
    """The correlation of the two outcomes with Newcombe's correction; 0 where one of them is always the same."""
    margins = (both + lost) * (gained + neither) * (both + gained) * (lost + neither)
    if margins == 0:
        return 0.0
    product = both * neither - lost * gained
    n = both + lost + gained + neither
    return (max(product - n / 2, 0.0) if product > 0 else product) / math.sqrt(margins)


def _same_size(first: np.ndarray, second: np.ndarray) -> int:
    if len(first) != len(second) or not len(first):
        raise LetheError(f"{len(first)} values paired with {len(second)}", "give as many of both, at least one")
    return len(first)
