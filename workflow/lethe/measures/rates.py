"""Rates over judged images: UA and RA, with Wilson intervals.

An interval here speaks of the images of one model only: it says nothing of other training seeds or targets,
which :mod:`lethe.measures.summary` treats.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from lethe.errors import LetheError

MINIMUM_IMAGES = 30


class Rate(NamedTuple):
    """A share of ``n`` images, between 0 and 1, with its interval."""

    value: float
    low: float
    high: float
    n: int


def wilson(successes: int, n: int, confidence: float = 0.95) -> Rate:
    """The share ``successes / n`` with Wilson's score interval (Wilson 1927; no continuity correction).

    The interval never leaves [0, 1] and keeps its width at 0 and ``n`` successes, where Wald's has none.
    Raises LetheError for ``n < 1``, ``successes`` outside 0..n, or ``confidence`` outside (0, 1).
    """
    if n < 1 or not 0 <= successes <= n:
        raise LetheError(
            f"a rate of {successes} successes among {n} trials", "count at least one trial and 0..n successes"
        )
    check_confidence(confidence)
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    shrink = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends one bound is 0 or 1 exactly; the formula only comes within rounding of it.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return Rate(share, low, high, n)


def unlearning_accuracy(
    logits: np.ndarray,
    conditions: np.ndarray,
    target: int,
    *,
    minimum: int = MINIMUM_IMAGES,
    confidence: float = 0.95,
) -> Rate:
    """UA: one less the share of the images conditioned on ``target`` that the judge takes for ``target``.

    ``logits`` (n, K) are the judge's, one column a class; a judge has one class more than the study, for
    noise-like images, so that those are not forced into a real class (Ko et al. 2024, section 4.1).
    ``conditions`` (n,) are the class indices that the images were made for; images of other conditions are
    left out. Raises LetheError when fewer than ``minimum`` images are conditioned on ``target``.
    """
    predictions, conditions = _judged("UA", logits, conditions, target)
    predicted = predictions[conditions == target]
    require_enough("UA", predicted.size, minimum, f"images conditioned on target {target}")
    return wilson(int(np.count_nonzero(predicted != target)), predicted.size, confidence)


def remaining_accuracy(
    logits: np.ndarray,
    conditions: np.ndarray,
    target: int,
    *,
    minimum: int = MINIMUM_IMAGES,
    confidence: float = 0.95,
) -> Rate:
    """RA: the share of the images conditioned on another class than ``target`` that are taken for that class.

    Arguments and errors are those of :func:`unlearning_accuracy`; images conditioned on ``target`` are left
    out. Every image counts once, so a class weighs as much as it has images (Ko et al. 2024, section 4.1).
    """
    predictions, conditions = _judged("RA", logits, conditions, target)
    kept = conditions != target
    n = int(np.count_nonzero(kept))
    require_enough("RA", n, minimum, f"images conditioned on another class than target {target}")
    return wilson(int(np.count_nonzero(predictions[kept] == conditions[kept])), n, confidence)


def require_enough(metric: str, n: int, minimum: int, what: str) -> None:
    """Raise LetheError when a metric was given fewer than ``minimum`` of ``what``."""
    if n < minimum:
        raise LetheError(
            f"{metric}: {n} {what}, where at least {minimum} are asked for",
            f"sample {minimum - n} more, or lower the minimum of {metric} and accept the noise",
        )


def check_confidence(confidence: float) -> None:
    """Raise LetheError for a ``confidence`` outside (0, 1)."""
    if not 0 < confidence < 1:
        raise LetheError(f"a confidence of {confidence}", "choose one between 0 and 1, as 0.95")


def _judged(metric: str, logits: np.ndarray, conditions: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    """The predicted class of each image (n,) and the conditions (n,), after all checks."""
    logits, conditions = np.asarray(logits), np.asarray(conditions)
    if logits.ndim != 2 or conditions.shape != logits.shape[:1]:
        raise LetheError(
            f"{metric}: logits of shape {logits.shape} with conditions of shape {conditions.shape}",
            "give logits (n, classes) and one condition an image (n,), of the same image set",
        )
    if not np.issubdtype(conditions.dtype, np.integer):
        raise LetheError(f"{metric}: conditions are {conditions.dtype}", "give class indices (integers)")
    classes = logits.shape[1]
    strangers = sorted({int(target), *conditions.tolist()} - set(range(classes)))
    if strangers:
        raise LetheError(
            f"{metric}: class {strangers[0]} is asked for, but the judge knows only 0..{classes - 1}",
            "use the judge that was made for this study",
        )
    broken = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if broken.size:
        raise LetheError(
            f"{metric}: the logits of {broken.size} images are not finite (the first is image {broken[0]})",
            "look at that image, then judge the image set again",
        )
    return logits.argmax(axis=1), conditions
