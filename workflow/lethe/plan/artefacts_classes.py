"""Which tables and figures of a class study a preset has, and from which cells they are made."""

from __future__ import annotations

from collections.abc import Iterable

from lethe.config.shown_classes import ClassArtefacts
from lethe.plan.artefacts import EqualTable, equal_table, first_cell, without_twins
from lethe.plan.study import Cell, StudyPlan


class ClassArtefactPlan:
    """Table 1, Figure 2 and the figures beside them."""

    def __init__(self, plan: StudyPlan, shown: ClassArtefacts) -> None:
        self.plan, self.shown, self.study = plan, shown, shown.study

    def tables(self) -> list[str]:
        return ["table1", "paired"] if self.shown.pairs else ["table1"]

    def figures(self) -> list[str]:
        optional = {"trajectory": self.shown.trajectory, "samples": self.shown.samples}
        return ["figure2", "tradeoff", *(name for name, rows in optional.items() if rows)]

    @property
    def table1_rows(self) -> list[str]:
        return without_twins(self.plan, self.shown.table1, self.shown.equal_compute)

    @property
    def equal(self) -> EqualTable:
        """Table 1's rows at equal compute."""
        return equal_table(self.plan, self.table1_rows, self.shown.equal_compute)

    @property
    def tradeoff_rows(self) -> list[str]:
        return without_twins(self.plan, self.shown.tradeoff, self.shown.equal_compute)

    @property
    def compared(self) -> list[str]:
        """The rows that take part in a paired comparison."""
        return list(dict.fromkeys(name for pair in self.shown.pairs for name in pair))

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
