"""Many tests at once: p-values adjusted so that any false alarm at all is as rare as the level says.

Holm's procedure (1979), which asks nothing of how the tests depend on each other, over those tests alone that could
reject (Tarone 1990): an exact test on few images, or one whose outcome is the same everywhere, cannot, and counting it
would only make the others blind.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lethe.errors import LetheError


class Adjusted(NamedTuple):
    """Adjusted p-values (N,), 1 for a test that could not reject, and how many tests were counted."""

    p_values: np.ndarray
    counted: int


def holm(p_values: Sequence[float], smallest: Sequence[float], level: float = 0.05) -> Adjusted:
    """Adjust ``p_values`` (N,); ``smallest`` (N,) is the smallest p-value that each test could have given.

    Rejecting where the adjusted value is at most ``level`` makes a false alarm among all N with at most that
    probability.
    """
    p, least = np.asarray(p_values, np.float64), np.asarray(smallest, np.float64)
    if p.shape != least.shape or not ((least >= 0) & (p <= 1)).all():
        raise LetheError("p-values outside 0..1, or not one smallest value for each", "give both, in one order")
    if not 0 < level < 1:
        raise LetheError(f"a level of {level}", "choose one between 0 and 1, as 0.05")
    able = _able(least, level)
    adjusted = np.ones(len(p))
    order = able[np.argsort(p[able], kind="stable")]
    steps = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    adjusted[order] = np.minimum(steps, 1.0)
    return Adjusted(adjusted, len(able))


def _able(least: np.ndarray, level: float) -> np.ndarray:
    """The places of the tests to count: with k the smallest number such that at most k tests can reach level / k."""
    for k in range(1, len(least) + 1):
        able = np.flatnonzero(least <= level / k)
        if len(able) <= k:
            return able
    return np.arange(len(least))
