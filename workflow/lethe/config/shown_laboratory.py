"""The gradient-rule laboratory: which rows of which studies stand side by side."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from lethe.config.shown import check_rows, study_named
from lethe.config.studies import Study
from lethe.methods.method import Kind, Method
from lethe.settings.common import Settings


class LaboratoryArtefacts(Settings):
    """The same losses and data under different rules, in a class study, in a text study, or in both."""

    classes: str | None = Field(None, description="The class study; null: none.")
    text: str | None = Field(None, description="The text study; null: none.")
    rows: tuple[str, ...] = Field(
        min_length=1, description="The rows compared, one a rule, the same in both studies; methods with two gradients."
    )

    @property
    def studies(self) -> dict[Kind, str]:
        """The names of the studies there are, by kind."""
        named: dict[Kind, str | None] = {"class": self.classes, "text": self.text}
        return {kind: name for kind, name in named.items() if name is not None}

    def check(self, studies: Mapping[str, Study]) -> None:
        """Raise ValueError where something to be shown is not there."""
        if not self.studies:
            raise ValueError("artefacts.laboratory: name a study of classes, one of text, or both")
        for kind, name in self.studies.items():
            place = f"artefacts.laboratory.{'classes' if kind == 'class' else 'text'}"
            study = study_named(studies, place, name, kind)
            check_rows(study, name, "artefacts.laboratory", {"rows": self.rows})
            for row in self.rows:
                method = study.method(row)
                if not (isinstance(method, Method) and method.recipe(kind).needs_conflict):
                    raise ValueError(f"artefacts.laboratory.rows: '{row}' has no pair of gradients to combine")
