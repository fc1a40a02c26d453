"""Which tables and figures of DoCo's experiments a preset has."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from lethe.config.shown import check_rows, study_named
from lethe.config.studies import Study
from lethe.methods.method import Method
from lethe.settings.common import Settings


class DoCoArtefacts(Settings):
    """The tables and the figure of DoCo's experiments. What is left empty is not made."""

    study: str = Field(description="The study that they show.")
    rows: tuple[str, ...] | None = Field(
        None, description="Rows of the tables doco and outside, the base among them; null: all variants of the study."
    )
    compared: tuple[str, ...] = Field(
        (), description="Rows that the table outside compares with every other row, prompt by prompt."
    )
    conflict: tuple[str, ...] = Field((), description="Rows of the figure conflict; methods with two gradients.")
    conflict_target: str | None = Field(None, description="The target of the figure conflict.")

    def check(self, studies: Mapping[str, Study]) -> None:
        """Raise ValueError where something to be shown is not there."""
        study = study_named(studies, "artefacts.doco.study", self.study, "text")
        rows = {"rows": self.rows or (), "compared": self.compared, "conflict": self.conflict}
        check_rows(study, self.study, "artefacts.doco", rows)
        shown = self.rows or tuple(study.shown_rows)
        if not any(study.variants[name].method == "base" for name in shown):
            raise ValueError("artefacts.doco.rows: no row is the base, which says where the numbers begin; add it")
        for name in self.compared:
            if name not in shown:
                raise ValueError(f"artefacts.doco.compared: '{name}' is not among artefacts.doco.rows; add it there")
        if not any(
            concept.anchor is not None or concept.neighbours or concept.outside for concept in study.targets.values()
        ):
            raise ValueError(
                f"artefacts.doco.study: no target of {self.study} has an anchor, neighbours or sentences outside; give "
                "one some"
            )
        if self.compared and not any(concept.outside for concept in study.targets.values()):
            raise ValueError(
                "artefacts.doco.compared: no target has sentences outside to compare rows on; give one some"
            )
        if not self.conflict:
            return
        if self.conflict_target is None:
            raise ValueError("artefacts.doco.conflict_target: the figure conflict shows it; name a target")
        if self.conflict_target not in study.target_names():
            study.unknown_target("artefacts.doco.conflict_target", self.conflict_target)
        for name in self.conflict:
            method = study.method(name)
            if not (isinstance(method, Method) and method.recipe("text").needs_conflict):
                raise ValueError(f"artefacts.doco.conflict: '{name}' has no pair of gradients to show")
            if self.conflict_target not in study.targets_of(name):
                raise ValueError(f"artefacts.doco.conflict_target: {self.conflict_target} is not a target of '{name}'")
