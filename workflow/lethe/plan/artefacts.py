"""What the plans of tables and figures have in common."""

from __future__ import annotations

from pathlib import Path

from lethe.code import modules_behind
from lethe.plan.study import Cell, StudyPlan


def code_of_artefact(module: str) -> list[Path]:
    return modules_behind(f"lethe.artefacts.{module}")


def first_cell(plan: StudyPlan, target: str, variant: str) -> Cell:
    return Cell(plan.name, target, variant, plan.seeds_of(variant)[0])
