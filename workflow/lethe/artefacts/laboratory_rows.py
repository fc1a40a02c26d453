"""What the gradient-rule laboratory compares: outcome, conflict and cost of each rule, by target and seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from lethe.artefacts.alignment_entries import ALIGNMENT, KEPT, Column
from lethe.artefacts.cost import read_cost
from lethe.artefacts.naming import cell_named, check_parallel, title_of
from lethe.artefacts.rows import Metric, check_judged_alike, check_one_judge, row_of
from lethe.artefacts.steps import read_steps
from lethe.artefacts.text_rows import TextRecords
from lethe.errors import LetheError
from lethe.measures.summary import MeanInterval, mean_interval
from lethe.record import Record

Values = Mapping[tuple[str, int], float]
"""By (target, seed)."""


class Quantity(NamedTuple):
    """A column; the table shows it in ``unit``. ``is_share``: it lies between 0 and 1."""

    name: str
    title: str
    better: Literal["higher", "lower", ""] = ""
    unit: float = 1.0
    is_share: bool = False

    @property
    def heading(self) -> str:
        return f"{self.title} {'↑' if self.better == 'higher' else '↓'}" if self.better else self.title


OF_CLASSES = (
    Quantity("UA", "UA", "higher", is_share=True),
    Quantity("RA", "RA", "higher", is_share=True),
    Quantity("FD", "FD", "lower"),
)
OF_TEXT = (
    Quantity("seen", "still seen", "lower", is_share=True),
    Quantity("AS", "AS", "higher"),
    Quantity("kept", "kept", "higher", is_share=True),
)
CONFLICT = Quantity("conflict", "steps in conflict")
SECONDS = Quantity("seconds_per_step", "seconds a step")
OF_RUNS = (
    CONFLICT,
    Quantity("cosine", "mean cosine"),
    Quantity("passes_per_step", "passes a step"),
    SECONDS,
    Quantity("peak_memory_bytes", "peak memory, MB", unit=1e6),
)


class Row(NamedTuple):
    """A rule: the values of each quantity by cell, the same cells for all; and the records of those of the outcome."""

    variant: str
    title: str
    values: Mapping[str, Values]
    records: Mapping[str, Sequence[Record]]

    def mean(self, quantity: Quantity, confidence: float) -> MeanInterval:
        """In the quantity's unit."""
        return mean_interval({cell: x / quantity.unit for cell, x in self.values[quantity.name].items()}, confidence)


@dataclass(frozen=True)
class Study:
    """The rules in one study. ``outcome`` are the quantities that only its kind has; ``devices`` what it ran on."""

    name: str
    outcome: Sequence[Quantity]
    rows: Sequence[Row]
    judged: Sequence[Record]
    devices: Sequence[str]

    @property
    def resolution(self) -> float:
        """The smallest difference of two shares: one image."""
        return 1 / max(record.n for record in self.judged)

    @property
    def quantities(self) -> list[Quantity]:
        return [*self.outcome, *OF_RUNS]


class Runs(NamedTuple):
    """What the unlearn stage wrote of each cell (variant/target/seed): trajectories and costs, one for one."""

    cells: Sequence[str]
    trajectories: Sequence[Path]
    costs: Sequence[Path]


def of_classes(name: str, records: Sequence[Record], runs: Runs, titles: Mapping[str, str]) -> Study:
    """The rules in a class study."""
    metrics = [Metric(quantity.name, quantity.better, None) for quantity in OF_CLASSES]
    rows = {variant: row_of(records, variant, metrics) for variant in titles}
    check_one_judge(rows.values())
    outcomes = {
        variant: {name: list(cells.values()) for name, cells in row.records.items()} for variant, row in rows.items()
    }
    return _study(name, OF_CLASSES, outcomes, runs, titles)


def of_text(
    name: str, records: Sequence[Record], runs: Runs, titles: Mapping[str, str], seen: Mapping[str, Column]
) -> Study:
    """The rules in a text study; ``seen`` says by target which metric tells that it is still there."""
    by_cell, outcomes = TextRecords(records), {}
    by_cell.check_targets(list(seen))
    for variant in titles:
        by_cell.method(variant)  # there is such a variant
        outcomes[variant] = {quantity.name: [] for quantity in OF_TEXT}
        for target, column in seen.items():
            for quantity, wanted in zip(OF_TEXT, (column, ALIGNMENT[1], KEPT), strict=True):
                outcomes[variant][quantity.name] += by_cell.cell(
                    variant, target, wanted.prompts, wanted.metric
                ).values()
    judged = _judged(outcomes)
    for metric in dict.fromkeys(record.metric for record in judged):
        for target in seen:
            check_judged_alike(metric, [r for r in judged if (r.metric, r.target) == (metric, target)])
    return _study(name, OF_TEXT, outcomes, runs, titles)


Outcomes = Mapping[str, Mapping[str, Sequence[Record]]]
"""By variant and quantity, the records of its cells."""


def _judged(outcomes: Outcomes) -> list[Record]:
    return [record for found in outcomes.values() for records in found.values() for record in records]


def _study(
    name: str,
    outcome: Sequence[Quantity],
    outcomes: Outcomes,
    runs: Runs,
    titles: Mapping[str, str],
) -> Study:
    measured, devices = _of_runs(runs, titles)
    rows = []
    for variant, title in titles.items():
        outcome_values = {
            quantity: {(record.target, record.seed): record.value for record in found}
            for quantity, found in outcomes[variant].items()
        }
        values = {**outcome_values, **measured.get(variant, {quantity.name: {} for quantity in OF_RUNS})}
        every = set().union(*values.values())
        for quantity, cells in values.items():
            if missing := sorted(every - cells.keys()):
                raise LetheError(
                    f"{name}: no {quantity} of {variant}, target {missing[0][0]}, seed {missing[0][1]}",
                    "give the records, the trajectory and the cost of the same cells",
                )
        rows.append(Row(variant, title, values, outcomes[variant]))
    return Study(name, outcome, rows, _judged(outcomes), devices)


def _of_runs(runs: Runs, titles: Mapping[str, str]) -> tuple[dict[str, dict[str, dict[tuple[str, int], float]]], list]:
    check_parallel(runs.cells, runs.trajectories, "the list of trajectories")
    check_parallel(runs.cells, runs.costs, "the list of costs")
    measured: dict[str, dict[str, dict[tuple[str, int], float]]] = {}
    devices = set()
    for word, trajectory, path in zip(*runs, strict=True):
        cell, cost = cell_named(word), read_cost(path)
        title_of(titles, cell.variant, "--rows")
        values = {
            **gradients_of(trajectory),
            "passes_per_step": cost["passes_per_step"],
            "seconds_per_step": _training_seconds(path, cost) / cost["steps"],
            "peak_memory_bytes": cost["peak_memory_bytes"],
        }
        devices.add(cost["device"])
        for name, value in values.items():
            of_quantity = measured.setdefault(cell.variant, {}).setdefault(name, {})
            if (cell.target, int(cell.seed)) in of_quantity:
                raise LetheError(f"the cell {word} is there twice", "give each cell once")
            of_quantity[cell.target, int(cell.seed)] = value
    return measured, sorted(devices)


def gradients_of(trajectory: Path) -> dict[str, float]:
    """Share of conflicting steps and mean cosine, over the steps in which both gradients are there."""
    means = read_steps(trajectory, ("conflict", "cosine")).mean()
    if means.isna().any():
        raise LetheError(f"{trajectory}: no step has two gradients", "leave this row out: its method combines none")
    return {name: float(value) for name, value in means.items()}


def _training_seconds(path: Path, cost: Mapping[str, object]) -> float:
    if not cost.get("training_seconds"):
        raise LetheError(f"{path}: it does not say 'training_seconds'", "run the unlearn stage of this cell again")
    return cost["training_seconds"]
