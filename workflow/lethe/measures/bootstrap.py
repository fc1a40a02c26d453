"""Bootstrap intervals over clusters: all images of a prompt move together, since they share its difficulty.

The interval is bias-corrected and accelerated (BCa: Efron & Tibshirani 1993, section 14.3), with the acceleration from
the jackknife over clusters. On cosines it covers as the plain percentile interval does; on counts of detections, which
are skewed, it covers better and misses on both sides more alike: of 1500 simulated sets of 100 prompts (negative
binomial, mean 0.5) the 95 % interval held the truth in 94.6 % and missed it by 2.1 and 3.3 %; the percentile interval
in 93.5 %, by 1.4 and 5.1 %.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.measures.rates import check_confidence

DRAWS = 2000
_NORMAL = NormalDist()


class Estimate(NamedTuple):
    """A statistic of ``n`` values in ``clusters`` clusters, with its interval.

    ``low`` and ``high`` are None where every cluster is alike: resampling then has nothing to say, and an interval of
    no width would claim a certainty that nobody has.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    clusters: int


class Resampled:
    """``draws`` resamples of clusters with replacement, the same for every statistic that is asked for.

    ``clusters`` (N,) says which cluster each value belongs to; there are ``count`` of them. Raises LetheError for fewer
    than two.
    """

    def __init__(self, clusters: np.ndarray, *, draws: int = DRAWS, seed: int = 0) -> None:
        names, self._cluster = np.unique(np.asarray(clusters), return_inverse=True)
        self.count = len(names)
        if self.count < 2:
            raise LetheError(f"a bootstrap over {self.count} clusters", "give at least two")
        if draws < 1:
            raise LetheError(f"a bootstrap of {draws} draws", "ask for some hundreds at least")
        drawn = np.random.default_rng(seed).integers(0, self.count, size=(draws, self.count))
        drawn += np.arange(draws)[:, None] * self.count
        # How often each cluster is in each resample (draws, clusters); as floats, for the fast matrix product.
        self._times = np.bincount(drawn.ravel(), minlength=draws * self.count).reshape(draws, -1).astype(np.float64)

    def mean(self, values: np.ndarray, confidence: float = 0.95) -> Estimate:
        """The mean of ``values`` (N,), every value weighing alike. Of differences: the paired difference."""
        sums, sizes = self._sums(values), self._sums(np.ones(len(self._cluster)))
        drawn = (self._times @ sums) / (self._times @ sizes)
        left_out = (sums.sum() - sums) / (sizes.sum() - sizes)
        return self._estimate(float(sums.sum() / sizes.sum()), drawn, left_out, confidence)

    def total(self, values: np.ndarray, confidence: float = 0.95) -> Estimate:
        """The sum of ``values`` (N,): over as many clusters as there are, drawn anew."""
        sums = self._sums(values)
        return self._estimate(float(sums.sum()), self._times @ sums, sums.sum() - sums, confidence)

    def _sums(self, values: np.ndarray) -> np.ndarray:
        values = np.asarray(values, dtype=np.float64)
        if values.shape != self._cluster.shape:
            raise LetheError(
                f"{values.shape} values for {len(self._cluster)} cluster names", "give one value for each, in one order"
            )
        if not np.isfinite(values).all():
            raise LetheError(
                f"a bootstrap of a value that is not finite (number {np.flatnonzero(~np.isfinite(values))[0]})",
                "find what it was measured from and make it again",
            )
        return np.bincount(self._cluster, weights=values, minlength=self.count)

    def _estimate(self, value: float, drawn: np.ndarray, left_out: np.ndarray, confidence: float) -> Estimate:
        """``drawn`` (draws,) are the statistic's resamples, ``left_out`` (clusters,) its values without a cluster."""
        check_confidence(confidence)
        size, clusters = len(self._cluster), self.count
        pull = left_out.mean() - left_out
        if np.abs(pull).max() <= 1e-12 * max(1.0, abs(value)):
            return Estimate(value, None, None, size, clusters)
        acceleration = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
        below = ((drawn < value).mean() + (drawn <= value).mean()) / 2  # ties count half
        bias = _NORMAL.inv_cdf(min(max(below, 1 / (len(drawn) + 1)), len(drawn) / (len(drawn) + 1)))
        moved = [bias + _NORMAL.inv_cdf(share) for share in ((1 - confidence) / 2, (1 + confidence) / 2)]
        low, high = np.quantile(drawn, [_NORMAL.cdf(bias + z / (1 - acceleration * z)) for z in moved])
        return Estimate(value, float(low), float(high), size, clusters)
