"""Which tables and figures of a text study a preset has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import Field

from lethe.config.equal_compute import EqualCompute
from lethe.config.shown import check_rows, study_named
from lethe.config.studies import Study
from lethe.errors import nearest
from lethe.settings.common import Settings


class Table7(Settings):
    """Table 7: what unlearning does to a flow model."""

    study: str = Field(description="The study that it shows; its base has the pipeline stable_diffusion_3.")
    target: str = Field(description="The target.")
    rows: tuple[str, ...] = Field(min_length=1, description="Its rows.")
    counted_on: str | None = Field(
        None, description="The listed prompts of the target whose images are counted (I2P); null: its test prompts."
    )

    def check(self, studies: Mapping[str, Study]) -> None:
        study = study_named(studies, "artefacts.text.table7.study", self.study, "text")
        check_rows(study, self.study, "artefacts.text.table7", {"rows": self.rows})
        for name in self.rows:
            if self.target not in study.targets_of(name):
                raise ValueError(f"artefacts.text.table7.target: {self.target} is not a target of '{name}'")
        check_listed(study, "artefacts.text.table7", self.target, self.counted_on)


def check_listed(study: Study, place: str, target: str | None, name: str | None) -> None:
    """Raise ValueError unless the target has listed prompts of this name."""
    if name is None:
        return
    listed = study.targets[target].listed if target in study.target_names() else {}
    if name not in listed:
        known = nearest(name, listed) if listed else f"{target} has none; give it some under listed, or leave this out"
        raise ValueError(f"{place}.counted_on: there are no listed prompts '{name}' of {target}; {known}")


class TextArtefacts(Settings):
    """The tables and figures of a text study. What is left empty is not made."""

    study: str = Field(description="The study that they show.")
    content: str | None = Field(None, description="The target of Tables 4 and 8 and of Figures 3, 4 and 8 to 11.")
    style: str | None = Field(None, description="The target of Figure 5.")
    published_as: dict[str, str] = Field(
        default_factory=dict, description="Which of the paper's tasks (nudity, artist) stands beside each target."
    )
    published_rows: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="By table, the paper's name of a row (in workflow/published) where ours differs.",
    )
    table2: tuple[str, ...] | None = Field(
        None, description="Rows of Table 2 (alignment by target); null: all variants but twins."
    )
    equal_compute: EqualCompute | None = Field(
        None, description="Table 2 shows the methods at equal compute too, not only at equal steps."
    )
    tradeoff: tuple[str, ...] | None = Field(
        None, min_length=1, description="Rows of the trade-off figure; null: those of Table 2."
    )
    table4: tuple[str, ...] = Field((), description="Rows of Table 4 (uniform against diversified sets).")
    table7: Table7 | None = Field(None, description="Table 7 (a flow model: detections and alignment).")
    table8: tuple[str, ...] = Field((), description="Rows of Table 8 (sizes of the sets).")
    figure1: tuple[tuple[str, str], ...] = Field(
        (), description="Columns of Figure 1: the row shown for the content, and the row shown for the style."
    )
    figure3: tuple[str, ...] = Field((), description="Columns of Figure 3 (images of forget prompts, content).")
    figure4: tuple[str, ...] = Field((), description="Bars of Figure 4 (detections by part).")
    counted_on: str | None = Field(
        None,
        description="The listed prompts of the content target whose images Figure 4 and the threshold curve count and "
        "Figure 3 shows too (I2P); null: its test prompts.",
    )
    figure5: tuple[str, ...] = Field((), description="Columns of Figure 5 (images of prompts, style).")
    retained: tuple[str, ...] = Field(
        (), max_length=4, description="The models of Figures 8 to 11, in this order (images of retain prompts)."
    )

    def check(self, studies: Mapping[str, Study]) -> None:
        """Raise ValueError where something to be shown is not there."""
        study = study_named(studies, "artefacts.text.study", self.study, "text")
        rows: dict[str, Iterable[str]] = {
            "table2": self.table2 or (),
            "tradeoff": self.tradeoff or (),
            "figure1": [name for pair in self.figure1 for name in pair],
            **{key: getattr(self, key) for key in ("table4", "table8", "figure3", "figure4", "figure5", "retained")},
        }
        check_rows(study, self.study, "artefacts.text", rows)
        if self.equal_compute is not None:
            self.equal_compute.check(study, self.study, "artefacts.text.equal_compute")
        for table, renamed in self.published_rows.items():
            if table not in ("table2", "table4", "table8"):
                raise ValueError(f"artefacts.text.published_rows.{table}: no such table; say table2, table4 or table8")
            check_rows(study, self.study, "artefacts.text.published_rows", {table: renamed})
        shown = {"content": self.content, "style": self.style}
        for key, target in {**shown, **{f"published_as.{name}": name for name in self.published_as}}.items():
            if target is not None and target not in study.target_names():
                study.unknown_target(f"artefacts.text.{key}", target)
        if self.table7 is not None:
            self.table7.check(studies)
        check_listed(study, "artefacts.text", self.content, self.counted_on)
        content, style = [pair[0] for pair in self.figure1], [pair[1] for pair in self.figure1]
        needs = {
            "content": (*self.table4, *self.table8, *self.figure3, *self.figure4, *self.retained, *content),
            "style": (*self.figure5, *style),
        }
        for key, names in needs.items():
            for name in names:
                if shown[key] is None:
                    raise ValueError(f"artefacts.text.{key}: some artefact shows '{name}' for it; name a target")
                if shown[key] not in study.targets_of(name):
                    raise ValueError(f"artefacts.text.{key}: {shown[key]} is not a target of '{name}'")
