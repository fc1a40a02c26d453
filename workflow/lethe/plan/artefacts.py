"""What the plans of tables and figures have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lethe.code import modules_behind
from lethe.config.equal_compute import EqualCompute
from lethe.methods.method import Control
from lethe.plan.study import Cell, StudyPlan

if TYPE_CHECKING:
    from lethe.plan.text import TextPlan


def code_of_artefact(module: str) -> list[Path]:
    return modules_behind(f"lethe.artefacts.{module}")


def first_cell(plan: StudyPlan, target: str, variant: str) -> Cell:
    return Cell(plan.name, target, variant, plan.seeds_of(variant)[0])


def seen_by(plan: TextPlan, targets: Iterable[str]) -> list[str]:
    """What says that a target of a text study is still there, where it is not the detector: a concept without parts is
    none the detector knows. Then the attribute judge finds it, or where there is none, its name does."""
    found = []
    for target in targets:
        concept = plan.study.targets[target]
        if concept.attribute and not concept.parts:
            found.append(f"{target}=recognised")
        elif plan.is_seen_by_name(target):
            found.append(f"{target}={'CS' if concept.anchor is None else 'CER'}")
    return found


class EqualTable(NamedTuple):
    """What a table's rows at equal compute are made from: the twins, the cost files, and the options of the command."""

    twins: list[str]
    costs: list[str]
    options: list[str]


NO_EQUAL = EqualTable([], [], [])


def without_twins(plan: StudyPlan, equal: EqualCompute | None) -> list[str]:
    """All variants but the twins of rows: what a table or figure has that names no rows."""
    return [name for name in plan.study.shown_rows if not equal or name not in equal.twins]


def equal_table(plan: StudyPlan, rows: Sequence[str], equal: EqualCompute | None) -> EqualTable:
    if equal is None:
        return NO_EQUAL
    twins = {row: twin for row, twin in equal.rows.items() if row in rows}
    methods = [name for name in rows if not isinstance(plan.study.method(name), Control)]
    cells = list(plan.cells(dict.fromkeys([equal.to, *methods, *twins.values()])))
    costs = [f"{plan.folder(cell)}/cost.json" for cell in cells]
    options = [
        *("--equal-to", equal.to, "--tolerance", str(equal.tolerance)),
        *(("--twins", *(f"{row}={twin}" for row, twin in twins.items())) if twins else ()),
        *("--cells", *(cell.name for cell in cells)),
        *("--costs", *costs),
    ]
    return EqualTable(list(twins.values()), costs, options)
