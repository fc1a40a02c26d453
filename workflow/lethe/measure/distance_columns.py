"""The columns of a record that hold a distance between two sets of features."""

from __future__ import annotations

from typing import Any

import numpy as np

from lethe.measures.kernel import kernel_distance
from lethe.randomness import derived_seed

NO_INTERVAL: dict[str, Any] = {"low": None, "high": None, "interval": ""}
"""Of a distance whose uncertainty is not known (FD, FID)."""


def drawn(features: np.ndarray, most: int | None) -> np.ndarray:
    """``most`` of the features (N, d) at random, in their order; all where there are no more."""
    if most is None or len(features) <= most:
        return features
    generator = np.random.default_rng(derived_seed(0, "kernel distance", len(features)))
    return features[np.sort(generator.choice(len(features), most, replace=False))]


def kernel_columns(
    features: np.ndarray,
    real: np.ndarray,
    which: str,
    minimum: int,
    most: int | None,
    control: np.ndarray | None = None,
) -> dict[str, Any]:
    """The kernel distance of ``most`` of features (N, d) to as many of ``real`` (M, d), which are called ``which``; and
    that of the ``control`` (K, d), where there is one."""
    some, some_real = drawn(features, most), drawn(real, most)
    distance = kernel_distance(some, some_real, minimum=minimum)
    unseen = None if control is None else drawn(control, most)
    share = "" if len(some_real) == len(real) else f"{len(some_real)} of "
    return {
        "value": distance.value,
        "low": distance.value - 1.96 * distance.standard_error,
        "high": distance.value + 1.96 * distance.standard_error,
        "interval": "1.96 standard errors",
        "reference": f"{share}{len(real)} {which}",
        "n": len(some),
        "control": None if unseen is None else kernel_distance(unseen, some_real, minimum=minimum).value,
        "control_n": None if unseen is None else len(unseen),
    }
