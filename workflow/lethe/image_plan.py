"""Which images are drawn from a model: rows of (seed, condition). No torch: the workflow and the measures use it too.

Class c of K takes the seeds c, c + K, c + 2K, ...: no two images of a set share a seed, and a model that serves every
target (the base) holds the very images that a model of one target is compared with.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.settings.sampling import SamplingSettings


class ImagePlan(NamedTuple):
    """Seeds (N,) and conditions (N,) of an image set, in its order."""

    seeds: np.ndarray
    conditions: np.ndarray


def one_target(target: int, classes: int, settings: SamplingSettings) -> ImagePlan:
    """``forget_images`` of the target and ``retain_images`` of each other class, in the order of their seeds."""
    others = [label for label in range(classes) if label != target]
    counts = [(target, settings.forget_images), *((label, settings.retain_images) for label in others)]
    return _rows(counts, classes)


def all_classes(classes: int, settings: SamplingSettings) -> ImagePlan:
    """What serves every target: ``forget_images`` (or ``retain_images``, if more) of each class."""
    count = max(settings.forget_images, settings.retain_images)
    return _rows([(label, count) for label in range(classes)], classes)


def class_images(target: int | None, classes: int, settings: SamplingSettings) -> ImagePlan:
    """The images of a model that forgets one target, or of one that serves every target."""
    return all_classes(classes, settings) if target is None else one_target(target, classes, settings)


def class_image_count(target: int | None, classes: int, settings: SamplingSettings) -> int:
    """How many images that are."""
    if target is None:
        return classes * max(settings.forget_images, settings.retain_images)
    return settings.forget_images + (classes - 1) * settings.retain_images


def _rows(counts: list[tuple[int, int]], classes: int) -> ImagePlan:
    """In the order of seeds the classes alternate, so that every shard shows all of them."""
    seeds = np.sort(np.concatenate([np.arange(count) * classes + label for label, count in counts]))
    return ImagePlan(seeds, seeds % classes)


def shard_count(images: int, shard_images: int) -> int:
    return -(-images // shard_images)


def shard_of(plan: ImagePlan, shard: int, shard_images: int) -> ImagePlan:
    """Rows of shard number ``shard``."""
    rows = shard_rows(len(plan.seeds), shard, shard_images)
    return ImagePlan(plan.seeds[rows], plan.conditions[rows])


def shard_rows(images: int, shard: int, shard_images: int) -> slice:
    """Where shard number ``shard`` lies in a set of so many images."""
    shards = shard_count(images, shard_images)
    if not 0 <= shard < shards:
        raise LetheError(f"shard {shard}: the image set has {shards}", f"choose 0 to {shards - 1}")
    return slice(shard * shard_images, (shard + 1) * shard_images)


def rows_of(plan: ImagePlan, seeds: np.ndarray, conditions: np.ndarray, unseeded: bool = False) -> np.ndarray:
    """Where the rows of ``plan`` are in a larger set; a row that is missing is an error. Images drawn ``unseeded`` have
    other seeds than the plan: of each condition the first are taken."""
    if unseeded:
        return _by_condition(plan, conditions)
    place = {pair: row for row, pair in enumerate(zip(seeds.tolist(), conditions.tolist(), strict=True))}
    try:
        wanted = zip(plan.seeds.tolist(), plan.conditions.tolist(), strict=True)
        return np.array([place[pair] for pair in wanted])
    except KeyError as missing:
        raise LetheError(
            f"the image set has no image of (seed, condition) {missing}", "sample the model again"
        ) from None


def _by_condition(plan: ImagePlan, conditions: np.ndarray) -> np.ndarray:
    rows = np.empty(len(plan.conditions), dtype=np.int64)
    for condition in np.unique(plan.conditions):
        wanted, there = (np.flatnonzero(one == condition) for one in (plan.conditions, conditions))
        if len(there) < len(wanted):
            raise LetheError(
                f"the image set has {len(there)} images of condition {condition}, {len(wanted)} are measured",
                "sample the model again",
            )
        rows[wanted] = there[: len(wanted)]
    return rows
