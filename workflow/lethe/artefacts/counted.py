"""From the records of a text study to what its figures of detections draw: one number for each variant and metric."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from lethe.artefacts.rows import check_judged_alike, of_one_study
from lethe.errors import LetheError, nearest
from lethe.record import Record

TOTAL = "detections"
_PART = "count:"


class Count(NamedTuple):
    """A number of detections: the mean over training seeds. ``low`` and ``high`` hold the intervals of all seeds; they
    are ``value`` where no record has one."""

    value: float
    low: float
    high: float


class Counted(NamedTuple):
    """The detections of one variant: in total, and by part."""

    variant: str
    records: list[Record]
    total: Count
    parts: dict[str, Count]


def of_one_set(records: Iterable[Record], target: str, prompts: str) -> list[Record]:
    """The records of detections in the images of the prompt set ``prompts`` of ``target``."""
    records = [record for record in records if record.metric == TOTAL or record.metric.startswith(_PART)]
    for field, wanted, option in (("target", target, "--target"), ("prompts", prompts, "--set")):
        known = dict.fromkeys(getattr(record, field) for record in records)
        records = [record for record in records if getattr(record, field) == wanted]
        if not records:
            raise LetheError(
                f"{option} {wanted}: there is no record of detections",
                nearest(wanted, known) if known else "give the records of a text study",
            )
    for metric in dict.fromkeys(record.metric for record in records):
        check_judged_alike(metric, [record for record in records if record.metric == metric])
    return of_one_study(records)


def counted(records: Sequence[Record], variants: Collection[str]) -> list[Counted]:
    """The numbers of each of ``variants`` from records of one prompt set; all must know the same parts."""
    return [_counted(records, variant) for variant in variants]


def _counted(records: Sequence[Record], variant: str) -> Counted:
    known = dict.fromkeys(record.variant for record in records)
    metrics = dict.fromkeys(record.metric for record in records)
    own = [record for record in records if record.variant == variant]
    if not own:
        raise LetheError(f"there is no record of detections for the variant '{variant}'", nearest(variant, known))
    cells: dict[str, dict[int, Record]] = {metric: {} for metric in metrics}
    for record in own:
        if record.seed in cells[record.metric]:
            raise LetheError(
                f"two records of {record.metric} for {variant}, seed {record.seed}", "give each record file once"
            )
        cells[record.metric][record.seed] = record
    seeds = {record.seed for record in own}
    for metric, held in cells.items():
        if missing := seeds - held.keys():
            raise LetheError(f"no record of {metric} for {variant}, seed {min(missing)}", "measure that cell again")
    counts = {metric: _mean(held.values()) for metric, held in cells.items()}
    parts = {metric.removeprefix(_PART): count for metric, count in counts.items() if metric != TOTAL}
    return Counted(variant, own, counts[TOTAL], parts)


def _mean(records: Collection[Record]) -> Count:
    bounds = [record.value if bound is None else bound for record in records for bound in (record.low, record.high)]
    return Count(sum(record.value for record in records) / len(records), min(bounds), max(bounds))
