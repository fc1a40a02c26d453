"""The difference of two records, or of two rows of records, by the test that fits what they carry."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist

import numpy as np

from lethe.compare.raw import by_image
from lethe.measures.two_samples import (
    Difference,
    Mean,
    of_means,
    of_paired_shares,
    of_paired_values,
    of_shares,
)
from lethe.record import Record

_PROMPTS = re.compile(r"(\d+(?:\.\d+)?) % over (\d+) prompts")
_IMAGES = re.compile(r"Student's t (\d+(?:\.\d+)?) % over images")
_ERRORS = re.compile(r"(\d+(?:\.\d+)?) standard errors")
FEWEST_TARGETS = 5
"""Of a row, for a comparison in pairs over them."""


def of_records(
    a: Record, b: Record, paths: tuple[Path, Path] | None = None, confidence: float = 0.95
) -> Difference | None:
    """``b`` minus ``a``; None where they carry nothing to test it with, as distances. ``paths`` are the record files,
    where the judges' outputs may lie beside them: the same images are then compared image by image."""
    if paths is not None and (paired := _paired(a, b, paths, confidence)) is not None:
        return paired
    if all(record.interval.startswith("Wilson") for record in (a, b)):
        return of_shares(_successes(a), a.n, _successes(b), b.n, confidence)
    means = [_mean(record) or _constant(record, other) for record, other in ((a, b), (b, a))]
    return None if None in means else _with_a_scale(of_means(*means, confidence))


def of_rows(
    a: Mapping[tuple[str, int], Record], b: Mapping[tuple[str, int], Record], confidence: float = 0.95
) -> Difference | None:
    """The mean difference of a row's values by (target, seed), over the replicates that both runs have: targets, each
    the mean over its seeds, in pairs; of one target its training seeds, which are independent of each other. None for
    a single seed on either side, and for one change that is the same everywhere."""
    targets = sorted({target for target, _ in a} & {target for target, _ in b})
    if len(targets) == 1:
        first, second = ([record.value for (name, _), record in run.items() if name == targets[0]] for run in (a, b))
        return _of_seeds(first, second, confidence)
    first, second = (np.array([_over_seeds(run, target) for target in targets]) for run in (a, b))
    over = of_paired_values(first, second, np.arange(len(targets)), confidence)
    return _with_a_scale(over._replace(how=f"in pairs over {len(targets)} targets: Student's t"))


def _over_seeds(run: Mapping[tuple[str, int], Record], target: str) -> float:
    values = [record.value for (name, _), record in run.items() if name == target]
    return math.fsum(values) / len(values)


def _of_seeds(first: list[float], second: list[float], confidence: float) -> Difference | None:
    if min(len(first), len(second)) < 2:
        return None
    means = [
        Mean(float(np.mean(values)), float(np.std(values, ddof=1)) / math.sqrt(len(values)), len(values) - 1)
        for values in (first, second)
    ]
    how = f"over {len(first)} and {len(second)} training seeds: Welch"
    return _with_a_scale(of_means(*means, confidence)._replace(how=how))


def _paired(a: Record, b: Record, paths: tuple[Path, Path], confidence: float) -> Difference | None:
    first, second = by_image(a, paths[0]), by_image(b, paths[1])
    if first is None or second is None or not first.is_of_the_images_of(second):
        return None
    if first.values.dtype == bool:
        return of_paired_shares(first.values, second.values, confidence)
    clusters = first.clusters
    if clusters.max() == 0:
        return None
    return _with_a_scale(of_paired_values(first.values, second.values, clusters, confidence))


def _with_a_scale(found: Difference) -> Difference | None:
    """None for a change without any spread, as of UA from 1 to 0 for every target: Student's t has nothing to measure
    it by, and would call it chance."""
    return None if found.value and found.low == found.high else found


def _successes(record: Record) -> int:
    return round(record.value * record.n)


def _constant(record: Record, other: Record) -> Mean | None:
    """Of a record without an interval where the other run has one over prompts: its prompts all have one value, as of
    detections when there is none."""
    is_one = not record.interval and _PROMPTS.search(other.interval)
    return Mean(record.value, 0.0) if is_one else None


def _mean(record: Record) -> Mean | None:
    """A record's value with the standard error that its interval says; None where it has none."""
    if record.low is None or record.high is None:
        return None
    from scipy.special import stdtrit

    width = record.high - record.low
    if found := _PROMPTS.search(record.interval):
        prompts = int(found[2])
        error = width / (2 * NormalDist().inv_cdf((1 + float(found[1]) / 100) / 2))
        # A bootstrap over few prompts is too narrow by this much.
        return Mean(record.value, error * math.sqrt(prompts / (prompts - 1)), prompts - 1)
    if found := _IMAGES.search(record.interval):
        quantile = float(stdtrit(record.n - 1, (1 + float(found[1]) / 100) / 2))
        return Mean(record.value, width / (2 * quantile), record.n - 1)
    if found := _ERRORS.search(record.interval):
        return Mean(record.value, width / (2 * float(found[1])), record.n - 1)
    return None
