"""Which cells the table and the figure of the gradient-rule laboratory are made from."""

from __future__ import annotations

from collections.abc import Mapping

from lethe.config.shown_laboratory import LaboratoryArtefacts
from lethe.methods.method import Kind
from lethe.plan.artefacts import seen_by
from lethe.plan.study import Cell, StudyPlan


class LaboratoryPlan:
    """One table and one figure, from the cells of one or two studies."""

    def __init__(self, plans: Mapping[str, StudyPlan], shown: LaboratoryArtefacts) -> None:
        self.shown = shown
        self.plans: dict[Kind, StudyPlan] = {kind: plans[name] for kind, name in shown.studies.items()}

    def tables(self) -> list[str]:
        return ["laboratory"]

    def figures(self) -> list[str]:
        return ["laboratory"]

    def cells(self, kind: Kind) -> list[Cell]:
        return list(self.plans[kind].cells(self.shown.rows)) if kind in self.plans else []

    def files(self, name: str) -> list[str]:
        """This file of every cell."""
        return [f"{self.plans[kind].folder(cell)}/{name}" for kind in self.plans for cell in self.cells(kind)]

    @property
    def confidence(self) -> float:
        return min(plan.study.measures.confidence for plan in self.plans.values())

    @property
    def options(self) -> list[str]:
        """Rows, studies and their cells with their files, targets."""
        some = next(iter(self.plans.values()))
        words = ["--rows", *some.titled(self.shown.rows)]
        for kind, plan in self.plans.items():
            cells = self.cells(kind)
            files = {"records": "records.csv", "trajectories": "trajectory.csv", "costs": "cost.json"}
            words += [f"--{'classes' if kind == 'class' else 'text'}", plan.name]
            words += [f"--{kind}-cells", *(cell.name for cell in cells)]
            for option, name in files.items():
                words += [f"--{kind}-{option}", *(f"{plan.folder(cell)}/{name}" for cell in cells)]
        if "text" in self.plans:
            concepts = self.plans["text"].study.targets
            seen = seen_by(self.plans["text"], concepts)
            words += ["--targets", *(f"{target}={concept.title}" for target, concept in concepts.items())]
            words += ["--seen-by", *seen] if seen else []
        return words
