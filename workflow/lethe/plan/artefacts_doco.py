"""Which tables and figures of DoCo's experiments a preset has, and from which cells they are made."""

from __future__ import annotations

from lethe.config.shown_doco import DoCoArtefacts
from lethe.methods import is_control
from lethe.plan.artefacts import first_cell
from lethe.plan.study import Cell
from lethe.plan.text import TextPlan
from lethe.settings.concept import Concept
from lethe.settings.options import as_options


class DoCoArtefactPlan:
    """The tables doco and outside, and the figure conflict."""

    def __init__(self, plan: TextPlan, shown: DoCoArtefacts) -> None:
        self.plan, self.shown, self.study = plan, shown, shown.study
        concepts = plan.study.targets
        self.near = [name for name, concept in concepts.items() if concept.neighbours or concept.anchor is not None]
        self.outside = [name for name, concept in concepts.items() if concept.outside]

    def tables(self) -> list[str]:
        return [name for name, targets in {"doco": self.near, "outside": self.outside}.items() if targets]

    def figures(self) -> list[str]:
        return ["conflict"] if self.shown.conflict else []

    @property
    def rows(self) -> list[str]:
        return list(self.shown.rows or self.plan.study.shown_rows)

    @property
    def records(self) -> list[str]:
        """Of table doco."""
        return self.plan.records(self.rows, self.near)

    @property
    def doco_options(self) -> list[str]:
        neighbours = [
            f"{target}/{name}={word}" for target in self.near for name, word in self._concept(target).neighbours.items()
        ]
        return [
            *("--variants", *self.plan.titled(self.rows)),
            *("--targets", *(f"{target}={self._concept(target).title}" for target in self.near)),
            *("--neighbours", *neighbours),
        ]

    @property
    def outside_judged(self) -> list[tuple[Cell, str]]:
        """The cells of table outside, each with every file of what the judges saw in its images."""
        cells = self.plan.cells(self.rows, self.outside)
        return [(cell, file) for cell in cells for file in self.plan.judged_files(cell)]

    @property
    def prompts(self) -> dict[str, str]:
        """The prompt files of table outside, by target."""
        return {target: f"{self.plan.place(target)}/prompts.csv" for target in self.outside}

    @property
    def outside_options(self) -> list[str]:
        controls = [name for name in self.rows if is_control(self.plan.study.row(name).method)]
        seen = [f"{target}={how}" for target in self.outside if (how := _seen_by(self._concept(target)))]
        return [
            *("--variants", *self.plan.titled(self.rows)),
            *("--compared", *self.shown.compared),
            *("--controls", *controls),
            *("--targets", *(f"{target}={self._concept(target).title}" for target in self.outside)),
            *("--prompts", *(f"{target}={path}" for target, path in self.prompts.items())),
            *(("--seen-by", *seen) if seen else ()),
        ]

    @property
    def measure_options(self) -> str:
        """How table outside counts and resamples: as the measure stage does."""
        study = self.plan.study
        return f"{as_options(study.measures)} {as_options(study.sampling, prefix='sampling.')}"

    @property
    def conflict_cells(self) -> list[Cell]:
        return [first_cell(self.plan, self.shown.conflict_target, name) for name in self.shown.conflict]

    def conflict_file(self, cell: Cell) -> str:
        return f"{self.plan.folder(cell)}/conflict.safetensors"

    def _concept(self, target: str) -> Concept:
        return self.plan.study.targets[target]


def _seen_by(concept: Concept) -> str:
    """As in Table 2: by the detector where the concept has parts of it, else by its attribute, else by all parts."""
    return ",".join(concept.parts) or concept.attribute
