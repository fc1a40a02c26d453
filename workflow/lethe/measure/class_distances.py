"""Distances of a class study: the images of the classes that are to stay against real ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from lethe.measure.distance_columns import NO_INTERVAL, kernel_columns
from lethe.measure.reference import Reference
from lethe.measures.frechet import Gaussian, fit_gaussian, frechet_between


class Features(NamedTuple):
    """Features (N, d) of images, and the class (N,) that each is of, or was made for."""

    features: np.ndarray
    conditions: np.ndarray

    def without(self, label: int | None) -> np.ndarray:
        """The features (n, d) of all classes but one."""
        return self.features if label is None else self.features[self.conditions != label]


class Names(NamedTuple):
    """What the two distances are called: FD and KD in a classifier's features, FID and KID in Inception's."""

    frechet: str
    kernel: str


def distances(
    images: Features,
    training: Features,
    unseen: Features,
    target: int,
    names: Names,
    minimum: int,
    kernel_images: int | None = None,
    reference: Reference | None = None,
) -> list[dict[str, Any]]:
    """Each a dictionary of a record's own columns.

    The images of the remaining classes are compared with the real training images of these classes; ``as_released``
    compares with those of all classes, as RGD's code does. The control is the distance between the held-out
    (``unseen``) and the training images of the same classes. A kernel distance takes ``kernel_images`` of a set at
    most. ``FID_reference`` is the distance to stored moments of all classes, ``FID_reference_check`` that of all
    training images to them: 0, but for rounding, where the moments are theirs and were made by the same network.
    """
    staying = images.without(target)
    fitted = fit_gaussian(staying, minimum=minimum)
    metrics = []
    for suffix, which, left_out in (
        ("", "training images of the remaining classes", target),
        ("_as_released", "training images of all classes", None),
    ):
        real, control = training.without(left_out), unseen.without(left_out)
        moments, of_control = fit_gaussian(real, minimum=minimum), fit_gaussian(control, minimum=minimum)
        metrics.append(
            {
                "metric": f"{names.frechet}{suffix}",
                "value": frechet_between(fitted, moments),
                **NO_INTERVAL,
                "reference": f"{len(real)} {which}",
                "n": len(staying),
                "control": frechet_between(of_control, moments),
                "control_n": len(control),
            }
        )
        kernel = kernel_columns(staying, real, which, minimum, kernel_images, control)
        metrics.append({"metric": f"{names.kernel}{suffix}"} | kernel)
    if reference is not None:  # moments and of_control are those of all classes now
        metrics += _to_reference(fitted, moments, of_control, reference)
    return metrics


def _to_reference(images: Gaussian, training: Gaussian, unseen: Gaussian, to: Reference) -> list[dict[str, Any]]:
    common = NO_INTERVAL | {"reference": to.words}
    value, control, check = (frechet_between(each, to.gaussian) for each in (images, unseen, training))
    counts = {"n": images.n, "control": control, "control_n": unseen.n}
    alone = {"n": training.n, "control": None, "control_n": None}
    return [
        common | {"metric": "FID_reference", "value": value} | counts,
        common | {"metric": "FID_reference_check", "value": check} | alone,
    ]
