"""Which tables and figures of a class study a preset has."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from lethe.config.class_study import ClassStudy
from lethe.config.equal_compute import EqualCompute
from lethe.config.shown import check_rows, study_named
from lethe.config.studies import Study
from lethe.errors import nearest
from lethe.methods.method import Method
from lethe.settings.common import Settings

SWEPT = {"retain_weight", "truncation"}


class ClassArtefacts(Settings):
    """The tables and figures of a class study: which study and which rows they show."""

    study: str = Field(description="The study of Table 1, Figure 2 and the figures beside them.")
    table1: tuple[str, ...] | None = Field(
        None,
        min_length=1,
        description="Rows of Table 1, in this order; null: all variants of the study, in theirs, without those that "
        "Table 3 sets against them and without twins.",
    )
    equal_compute: EqualCompute | None = Field(
        None, description="Table 1 shows the methods at equal compute too, not only at equal steps."
    )
    tradeoff: tuple[str, ...] | None = Field(
        None, min_length=1, description="Rows of the trade-off figure; null: those of Table 1."
    )
    pairs: tuple[tuple[str, str], ...] = Field((), description="Rows compared with each other over targets and seeds.")
    trajectory: tuple[str, ...] = Field((), description="Rows in the trajectory figure; methods with two gradients.")
    figure2: str | None = Field(
        None,
        description="The row whose gradients Figure 2 is drawn from, a method with two gradients; null: there is none.",
    )
    samples: tuple[str, ...] = Field((), description="Rows of the grid of samples.")
    table3: tuple[tuple[str, str], ...] = Field(
        (),
        description="Table 3: for each method its row with D_r of the two nearest classes, and its row with balanced "
        "D_r; shown on the targets that both have.",
    )
    figure6: str | None = Field(
        None, description="The sweep of Figure 6, over retain_weight (lambda) and truncation (alpha)."
    )
    forgotten: float = Field(
        0.9, ge=0, le=1, description="UA from which on a model of Figure 6 has forgotten; the others are in no box."
    )
    shown_target: int = Field(description="The target of Figure 2 and of the grid of samples.")

    def check(self, studies: Mapping[str, Study]) -> None:
        """Raise ValueError where something to be shown is not there."""
        study = study_named(studies, "artefacts.classes.study", self.study, "class")
        rows = {
            "table1": self.table1 or (),
            "tradeoff": self.tradeoff or (),
            "pairs": [name for pair in self.pairs for name in pair],
            "trajectory": self.trajectory,
            "figure2": [] if self.figure2 is None else [self.figure2],
            "samples": self.samples,
            "table3": [name for pair in self.table3 for name in pair],
        }
        check_rows(study, self.study, "artefacts.classes", rows)
        if self.equal_compute is not None:
            self.equal_compute.check(study, self.study, "artefacts.classes.equal_compute")
        for key in ("trajectory", "figure2"):
            for name in rows[key]:
                method = study.method(name)
                if not (isinstance(method, Method) and method.recipe("class").needs_conflict):
                    raise ValueError(f"artefacts.classes.{key}: '{name}' has no pair of gradients to show")
        for pair in self.table3:
            _check_pair(study, *pair)
        self._check_sweep(study)
        for key in ("figure2", "samples"):
            for name in rows[key]:
                if str(self.shown_target) not in study.targets_of(name):
                    raise ValueError(
                        f"artefacts.classes.shown_target: {self.shown_target} is not a target of '{name}'; "
                        f"choose one of {', '.join(study.targets_of(name))}"
                    )

    def _check_sweep(self, study: ClassStudy) -> None:
        if self.figure6 is None:
            return
        if self.figure6 not in study.sweeps:
            known = nearest(self.figure6, study.sweeps) if study.sweeps else "it has none; add one under sweeps"
            raise ValueError(f"artefacts.classes.figure6: study {self.study} has no sweep '{self.figure6}'; {known}")
        varied = set(study.sweeps[self.figure6].settings)
        if varied != SWEPT:
            raise ValueError(
                f"artefacts.classes.figure6: the sweep '{self.figure6}' is over {', '.join(sorted(varied))}; "
                f"the figure needs one over {' and '.join(sorted(SWEPT))}"
            )


def _check_pair(study: ClassStudy, near: str, balanced: str) -> None:
    """The two rows of a method in Table 3 differ in how D_r is drawn, and in nothing else."""
    place = f"artefacts.classes.table3: {near} and {balanced}"
    if study.row(near).method != study.row(balanced).method:
        raise ValueError(f"{place} are of two methods; name two rows of one")
    shared = [target for target in study.targets_of(near) if target in study.targets_of(balanced)]
    if not shared:
        raise ValueError(f"{place} share no target; give them one")
    for target in shared:
        pair = [study.method_settings(name, target).model_dump() for name in (near, balanced)]
        if [settings.get("strategy") for settings in pair] != ["nearest", "balanced"]:
            raise ValueError(f"{place} have not strategy: nearest and strategy: balanced, in this order")
        other = [key for key in pair[0] if key != "strategy" and pair[0][key] != pair[1][key]]
        if other:
            raise ValueError(f"{place} differ in {', '.join(other)} too; let them differ in strategy alone")
