"""What a detector found: numbers of detections by part, shares of images, and both as curves over the threshold.

A detection counts where its score is above the threshold, as RGD's evaluation has it. Detections are counted, not
images: one image can have several of a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from lethe.errors import LetheError


class Detections(NamedTuple):
    """M detections in ``images`` images: the ``image`` (M,) and ``part`` (M,) of each by index, and its ``score`` (M,).

    The detector keeps no detection with a score below ``floor``.
    """

    image: np.ndarray
    part: np.ndarray
    score: np.ndarray
    images: int
    floor: float = 0.0


class CurvePoint(NamedTuple):
    """Detections above ``threshold``, and the images with at least one."""

    threshold: float
    detections: int
    detected: int


def of_images(found: Detections, chosen: np.ndarray) -> Detections:
    """The detections in the images ``chosen`` (K,), numbered by their place there."""
    _check(found)
    place = np.full(found.images, -1)
    place[chosen] = np.arange(len(chosen))
    image = place[found.image]
    there = image >= 0
    return Detections(image[there], found.part[there], found.score[there], len(chosen), found.floor)


def count_by_part(found: Detections, parts: Sequence[int], threshold: float) -> np.ndarray:
    """Detections above ``threshold`` of each image and part: (images, len(parts)) int64.

    Raises LetheError where the threshold is below what the detector kept, or a detection is of no image.
    """
    _check(found)
    if threshold < found.floor:
        raise LetheError(
            f"a threshold of {threshold:g}, but detections with scores below {found.floor:g} were not kept",
            f"ask for {found.floor:g} or more",
        )
    column = {part: index for index, part in enumerate(parts)}
    counted = (found.score > threshold) & np.isin(found.part, list(parts))
    columns = np.array([column[part] for part in found.part[counted].tolist()], dtype=np.int64)
    places = found.image[counted] * len(parts) + columns
    return np.bincount(places, minlength=found.images * len(parts)).reshape(found.images, len(parts))


def threshold_curve(
    found: Detections, images: np.ndarray, parts: Sequence[int], thresholds: Iterable[float]
) -> list[CurvePoint]:
    """Counts among ``images`` (K,), given by number, at each threshold; all ``parts`` together."""
    curve = []
    for threshold in thresholds:
        counts = count_by_part(found, parts, threshold)[images].sum(axis=1)
        curve.append(CurvePoint(threshold, int(counts.sum()), int(np.count_nonzero(counts))))
    return curve


def _check(found: Detections) -> None:
    if not len(found.image) == len(found.part) == len(found.score):
        raise LetheError(
            f"{len(found.image)} images, {len(found.part)} parts and {len(found.score)} scores of detections",
            "judge the images again",
        )
    strangers = np.flatnonzero((found.image < 0) | (found.image >= found.images) | ~np.isfinite(found.score))
    if strangers.size:
        image, score = found.image[strangers[0]], found.score[strangers[0]]
        raise LetheError(
            f"a detection in image {image} with score {score}, where there are {found.images} images",
            "judge the images again",
        )
