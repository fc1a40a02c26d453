"""Which tables and figures of a class study a preset has."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from lethe.config.equal_compute import EqualCompute
from lethe.config.shown import check_rows, study_named
from lethe.config.studies import Study
from lethe.methods.method import Method
from lethe.settings.common import Settings


class ClassArtefacts(Settings):
    """The tables and figures of a class study: which study and which rows they show."""

    study: str = Field(description="The study of Table 1, Figure 2 and the figures beside them.")
    table1: tuple[str, ...] | None = Field(
        None, min_length=1, description="Rows of Table 1, in this order; null: all variants but twins, in theirs."
    )
    equal_compute: EqualCompute | None = Field(
        None, description="Table 1 shows the methods at equal compute too, not only at equal steps."
    )
    tradeoff: tuple[str, ...] | None = Field(
        None, min_length=1, description="Rows of the trade-off figure; null: all variants but twins."
    )
    pairs: tuple[tuple[str, str], ...] = Field((), description="Rows compared with each other over targets and seeds.")
    trajectory: tuple[str, ...] = Field((), description="Rows in the trajectory figure; methods with two gradients.")
    figure2: str = Field(description="The row whose gradients Figure 2 is drawn from; a method with two gradients.")
    samples: tuple[str, ...] = Field((), description="Rows of the grid of samples.")
    shown_target: int = Field(description="The target of Figure 2 and of the grid of samples.")

    def check(self, studies: Mapping[str, Study]) -> None:
        """Raise ValueError where something to be shown is not there."""
        study = study_named(studies, "artefacts.classes.study", self.study, "class")
        rows = {
            "table1": self.table1 or (),
            "tradeoff": self.tradeoff or (),
            "pairs": [name for pair in self.pairs for name in pair],
            "trajectory": self.trajectory,
            "figure2": [self.figure2],
            "samples": self.samples,
        }
        check_rows(study, self.study, "artefacts.classes", rows)
        if self.equal_compute is not None:
            self.equal_compute.check(study, self.study, "artefacts.classes.equal_compute")
        for key in ("trajectory", "figure2"):
            for name in rows[key]:
                method = study.method(name)
                if not (isinstance(method, Method) and method.recipe("class").needs_conflict):
                    raise ValueError(f"artefacts.classes.{key}: '{name}' has no pair of gradients to show")
        for key in ("figure2", "samples"):
            for name in rows[key]:
                if str(self.shown_target) not in study.targets_of(name):
                    raise ValueError(
                        f"artefacts.classes.shown_target: {self.shown_target} is not a target of '{name}'; "
                        f"choose one of {', '.join(study.targets_of(name))}"
                    )
