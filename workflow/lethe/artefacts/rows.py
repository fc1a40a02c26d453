"""From records to the rows of a table: which records belong together, and one number for each cell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from lethe import methods
from lethe.errors import LetheError, nearest
from lethe.measures.summary import Summary, summarise
from lethe.record import Record

Cell = tuple[str, int]  # target, seed
DDOF = 1


@dataclass(frozen=True)
class Metric:
    """A column of a table; ``published`` is the column of the paper's table that stands nearest to it, ``words`` what
    is shown for the name."""

    name: str
    better: Literal["higher", "lower"]
    published: str | None
    words: str = ""

    @property
    def title(self) -> str:
        return self.words or self.name

    @property
    def arrow(self) -> str:
        return "↑" if self.better == "higher" else "↓"


RATES = (Metric("UA", "higher", "UA"), Metric("RA", "higher", "RA"))
# Those of a class study, in the order of Table 1, where distances are in the features of its own judge.
METRICS = (*RATES, Metric("FD", "lower", "FID"), Metric("KD", "lower", None))
# To the training images of all classes, as RGD's code does: the best there is.
_ALL_CLASSES = ("FID_reference", "FID_as_released")


def metrics_of(records: Iterable[Record]) -> tuple[Metric, ...]:
    """The columns of Table 1 for these records: distances are Inception's where Inception is a judge."""
    there = {record.metric for record in records}
    if "FID" not in there:
        return METRICS
    released = next(name for name in _ALL_CLASSES if name in there)
    return (
        *RATES,
        Metric("FID", "lower", None),
        Metric(released, "lower", "FID", "FID (all classes)"),
        Metric("KID", "lower", None),
    )


def distance_of(records: Iterable[Record]) -> Metric:
    """The distance that figures show: to the training images of the remaining classes."""
    return metrics_of(records)[len(RATES)]


@dataclass(frozen=True)
class Row:
    """All cells of one variant: for each metric the records by (target, seed), the same cells for every metric."""

    variant: str
    method: str
    records: dict[str, dict[Cell, Record]]
    metrics: tuple[Metric, ...]

    @property
    def cells(self) -> list[Cell]:
        return list(next(iter(self.records.values())))

    @property
    def targets(self) -> list[str]:
        return sorted({target for target, _ in self.cells}, key=_numbers_first)

    @property
    def seeds(self) -> list[int]:
        return sorted({seed for _, seed in self.cells})

    @property
    def count(self) -> str:
        """How many cells: targets times seeds, where each target has the same seeds."""
        full = len(self.cells) == len(self.targets) * len(self.seeds)
        return f"{len(self.targets)} × {len(self.seeds)}" if full else f"{len(self.cells)} cells"  # noqa: RUF001

    def values(self, metric: str) -> dict[Cell, float]:
        return {cell: record.value for cell, record in self.records[metric].items()}

    def summary(self, metric: str) -> Summary:
        """Over all cells, each weighing alike."""
        return summarise(self.values(metric).values(), DDOF)


def of_one_study(records: Iterable[Record], study: str | None = None) -> list[Record]:
    """The records of ``study``; without a name they must all be of one study, and always of one preset."""
    records = list(records)
    studies = sorted({record.study for record in records})
    if study is None and len(studies) > 1:
        raise LetheError(f"records of {len(studies)} studies: {', '.join(studies)}", "give the records of one")
    chosen = [record for record in records if study is None or record.study == study]
    if not chosen:
        raise LetheError(
            f"there is no record of the study '{study}'" if study else "the record files are empty",
            nearest(study, studies) if study and studies else "run the measure stage first",
        )
    presets = sorted({record.preset for record in chosen})
    if len(presets) > 1:
        raise LetheError(f"records of {len(presets)} presets: {', '.join(presets)}", "give the records of one")
    return chosen


def row_of(records: Sequence[Record], variant: str, metrics: Sequence[Metric]) -> Row:
    """The cells of one variant of a class study, for each of ``metrics``: all of them in every cell."""
    own = [record for record in records if record.variant == variant]
    if not own:
        raise LetheError(
            f"there is no record of the variant '{variant}'", nearest(variant, sorted({r.variant for r in records}))
        )
    methods = sorted({record.method for record in own})
    if len(methods) > 1:
        raise LetheError(
            f"the variant '{variant}' has records of several methods: {', '.join(methods)}",
            "measure its cells again: they are of different runs",
        )
    by_metric: dict[str, dict[Cell, Record]] = {metric.name: {} for metric in metrics}
    for record in own:
        cells = by_metric.get(record.metric)
        if cells is None:
            continue
        cell = record.target, record.seed
        if cell in cells:
            raise LetheError(
                f"two records of {record.metric} for {variant}, target {record.target}, seed {record.seed}",
                "give each record file once",
            )
        cells[cell] = record
    every = set().union(*by_metric.values())
    for metric, cells in by_metric.items():
        if missing := sorted(every - cells.keys()):
            target, seed = missing[0]
            raise LetheError(
                f"no record of {metric} for {variant}, target {target}, seed {seed}", "measure that cell again"
            )
    return Row(variant, methods[0], by_metric, tuple(metrics))


def check_one_judge(rows: Iterable[Row]) -> None:
    """One column compares only what one judge has seen in the same features."""
    rows = list(rows)
    for metric in rows[0].records:
        check_judged_alike(metric, [record for row in rows for record in row.records[metric].values()])


def check_judged_alike(column: str, records: Iterable[Record]) -> None:
    """LetheError unless one judge has seen all ``records`` in one way."""
    seen = {(record.judge, record.judge_sha256, record.features) for record in records}
    if len(seen) > 1:
        named = "; ".join(f"{judge} {digest[:12]}, {features}" for judge, digest, features in sorted(seen))
        raise LetheError(f"{column} was judged in {len(seen)} ways: {named}", "judge all cells with one judge")


def samplers_of(records: Iterable[Record]) -> str:
    """How the images of ``records`` were drawn, then of which imported models: each once."""
    return "; ".join(dict.fromkeys(part for record in records for part in record.sampler.split("; ")))


def _numbers_first(target: str) -> tuple[bool, int, str]:
    return (False, int(target), "") if target.isdecimal() else (True, 0, target)


def is_control(row: Row) -> bool:
    return methods.is_control(row.method)
