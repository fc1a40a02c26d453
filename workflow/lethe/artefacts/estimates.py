"""The mean of a metric over a row's cells with its interval, as figures and tables of trade-offs show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lethe.measures.summary import mean_interval
from lethe.record import Record


class Estimate(NamedTuple):
    """A mean with its interval, None where there is none; ``unit`` is what the interval is over."""

    mean: float
    low: float | None
    high: float | None
    unit: str

    @property
    def one_minus(self) -> Estimate:
        low, high = (None if bound is None else 1 - bound for bound in (self.low, self.high))
        return Estimate(1 - self.mean, high, low, self.unit)


def estimate(records: Mapping[tuple[str, int], Record], confidence: float) -> Estimate:
    """Over targets, or over the seeds of one target (:func:`lethe.measures.summary.mean_interval`); of a single cell
    its record's own interval, which is over images or prompts."""
    mean, low, high, n, unit = mean_interval({cell: record.value for cell, record in records.items()}, confidence)
    if n > 1:
        return Estimate(mean, low, high, f"{unit}s")
    (record, *others) = records.values()
    return Estimate(mean, None, None, "") if others else Estimate(mean, record.low, record.high, record.interval)
