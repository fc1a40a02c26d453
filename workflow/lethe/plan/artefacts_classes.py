"""Which tables and figures of a class study a preset has, and from which cells they are made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lethe.config.class_study import CLASSES
from lethe.config.shown_classes import ClassArtefacts
from lethe.config.sweeps import in_path, swept_cells
from lethe.plan.artefacts import EqualTable, equal_table, first_cell, without_twins
from lethe.plan.classes import ClassPlan
from lethe.plan.paper_classes import comparability_options
from lethe.plan.study import Cell


class ClassArtefactPlan:
    """Tables 1 and 3, Figures 2, 6 and 7 and what stands beside them."""

    def __init__(self, plan: ClassPlan, shown: ClassArtefacts) -> None:
        self.plan, self.shown, self.study = plan, shown, shown.study

    def tables(self) -> list[str]:
        optional = {"paired": self.shown.pairs, "table3": self.shown.table3}
        return ["table1", *(name for name, rows in optional.items() if rows)]

    def figures(self) -> list[str]:
        optional = {
            "figure2": self.shown.figure2,
            "trajectory": self.shown.trajectory,
            "samples": self.shown.samples,
            "figure6": self.shown.figure6,
        }
        return ["tradeoff", "figure7", *(name for name, rows in optional.items() if rows)]

    @property
    def table1_rows(self) -> list[str]:
        compared = {near for near, _ in self.shown.table3}
        every = without_twins(self.plan, self.shown.equal_compute)
        return list(self.shown.table1 or (name for name in every if name not in compared))

    @property
    def equal(self) -> EqualTable:
        """Table 1's rows at equal compute."""
        return equal_table(self.plan, self.table1_rows, self.shown.equal_compute)

    @property
    def table1_comparability(self) -> list[str]:
        """The options that say whether Table 1 can be set against the paper's."""
        targets = {target for name in self.table1_rows for target in self.plan.study.targets_of(name)}
        return comparability_options(self.plan.study, targets, set(map(str, range(10))))

    @property
    def table3_comparability(self) -> list[str]:
        """The same of Table 3, whose targets are plane, bird and dog."""
        pairs = ([set(self.plan.study.targets_of(name)) for name in pair] for pair in self.shown.table3)
        targets = set().union(*(set.intersection(*pair) for pair in pairs))
        return comparability_options(self.plan.study, targets, {"0", "2", "5"})

    @property
    def tradeoff_rows(self) -> list[str]:
        return list(self.shown.tradeoff or self.table1_rows)

    @property
    def compared(self) -> list[str]:
        """The rows that take part in a paired comparison."""
        return list(dict.fromkeys(name for pair in self.shown.pairs for name in pair))

    @property
    def table3_records(self) -> list[str]:
        """The records of both rows of each method, on the targets that both have."""
        records: dict[str, None] = {}
        for pair in self.shown.table3:
            targets = set.intersection(*(set(self.plan.study.targets_of(name)) for name in pair))
            records |= dict.fromkeys(self.plan.records(pair, targets))
        return list(records)

    @property
    def table3_titles(self) -> list[str]:
        return self.plan.titled(balanced for _, balanced in self.shown.table3)

    @property
    def retain_images(self) -> int:
        """Images of D_r, however it is drawn."""
        return self.plan.study.sets.retain_per_class * (CLASSES[self.plan.study.data.source] - 1)

    @property
    def figure6(self) -> SweepFigure:
        points: list[str] = []
        records: dict[str, None] = {}
        for swept in swept_cells(self.plan.study, self.shown.figure6):
            for seed in self.plan.seeds_of(swept.row):
                cell = Cell(self.plan.name, swept.target, swept.row, seed)
                records[f"{self.plan.folder(cell)}/records.csv"] = None
                settings = f"{in_path(swept.values['retain_weight'])}:{in_path(swept.values['truncation'])}"
                points.append(f"{cell.name}={swept.variant}:{settings}")
        rows = self.plan.study.sweeps[self.shown.figure6].variants
        return SweepFigure(list(records), points, self.plan.titled(rows))

    @property
    def figure2_cell(self) -> Cell:
        return self._shown_cells([self.shown.figure2])[0]

    @property
    def figure2_title(self) -> str:
        cell = self.figure2_cell
        return f"{self.plan.study.title(cell.variant)}, {cell.study}, target {cell.target}"

    @property
    def sample_cells(self) -> list[Cell]:
        return self._shown_cells(self.shown.samples)

    @property
    def trajectory_cells(self) -> list[Cell]:
        return list(self.plan.cells(self.shown.trajectory))

    def _shown_cells(self, variants: Iterable[str]) -> list[Cell]:
        """The shown target's cell of each row, with its first seed."""
        return [first_cell(self.plan, str(self.shown.shown_target), variant) for variant in variants]


class SweepFigure(NamedTuple):
    """What a figure of a sweep is made from: record files, its points (cell, row and settings), titles of the rows."""

    records: list[str]
    points: list[str]
    titles: list[str]
