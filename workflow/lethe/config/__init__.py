"""The typed configuration: one source of the JSON schema, of the defaults and of the comments in the preset files.

``python -m lethe.preset_files check`` validates the presets; ``write`` renews the generated files.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, Tag, ValidationError, field_validator, model_validator

from lethe.config.bases import BASES, CLASS_BASES
from lethe.config.class_study import ClassStudy
from lethe.config.rows import Name
from lethe.config.shown import study_named
from lethe.config.shown_classes import ClassArtefacts
from lethe.config.shown_doco import DoCoArtefacts
from lethe.config.shown_laboratory import LaboratoryArtefacts
from lethe.config.shown_quirks import check_quirks
from lethe.config.shown_text import TextArtefacts
from lethe.config.studies import Study
from lethe.config.text_study import TextStudy
from lethe.errors import LetheError, nearest
from lethe.models import PIPELINES
from lethe.settings.assets import AssetSettings
from lethe.settings.common import Settings
from lethe.settings.precision import Precision
from lethe.settings.report import ReportSettings


class Compute(Settings):
    """Where, with how much and in which numbers the jobs run: nothing here is science."""

    device: str = Field("auto", description="auto (a GPU where there is one), cpu, cuda or cuda:N.")
    precision: Precision = Field(
        "float32",
        description="Numbers in which the networks of text studies are run, in training and sampling: float32, or "
        "bfloat16 for the products inside them (half the memory of what a backward pass keeps, and several times as "
        "fast on a GPU); weights, gradients and the autoencoder stay float32. Networks of classes run in float32.",
    )
    checkpointing: bool = Field(
        False,
        description="In unlearning of text studies, keep only part of what the backward pass needs and work out the "
        "rest again: several times less memory, a third more time, the same result.",
    )
    threads: int = Field(1, ge=1, description="CPU threads of a job that runs a network.")
    memory_mb: int = Field(2000, ge=1, description="Memory that a job that runs a network asks of a cluster.")
    minutes: int = Field(60, ge=1, description="Longest time of a job, asked of a cluster.")

    @property
    def gpus(self) -> int:
        """GPUs that a job running a network asks of the scheduler."""
        return 0 if self.device == "cpu" else 1


class Artefacts(Settings):
    """The tables and figures, by the kind of study that they show."""

    classes: ClassArtefacts | None = Field(None, description="Those of a class study.")
    text: TextArtefacts | None = Field(None, description="Those of a text study.")
    laboratory: LaboratoryArtefacts | None = Field(None, description="The gradient-rule laboratory.")
    doco: DoCoArtefacts | None = Field(None, description="Those of DoCo's experiments, in a text study.")
    quirks: dict[Name, dict[Name, Name]] = Field(
        default_factory=dict,
        description="The table quirks: by study, rows and beside each the row of its method with evaluation: "
        "as_released. Empty: no such table.",
    )


class Config(Settings):
    """A preset: everything that one run of the workflow makes."""

    preset: Name = Field(description="Its name: results go to results/<preset>/.")
    compute: Compute = Field(default_factory=Compute, description="Device, threads, memory, time.")
    assets: AssetSettings = Field(default_factory=AssetSettings, description="What is downloaded, and where it lies.")
    studies: dict[Name, Study] = Field(min_length=1, description="The studies, by name.")
    artefacts: Artefacts = Field(description="The tables and figures.")
    report: ReportSettings = Field(default_factory=ReportSettings, description="The images in the HTML report.")
    from_published: bool | str = Field(
        False,
        description="Draw tables and figures from published records and compute nothing; they go to "
        "results/<preset>-published/. true = of workflow/published/<preset>.zip, or the path of an archive that "
        "`snakemake publish` has made.",
    )

    @property
    def results(self) -> str:
        """The folder of everything that is made. No preset can be named as that of published records."""
        return f"results/{self.preset}" + ("-published" if self.from_published else "")

    @field_validator("from_published", mode="before")
    @classmethod
    def _said_on_the_command_line(cls, value: Any) -> Any:
        """Snakemake's --config hands on ``true`` as a word."""
        if isinstance(value, str) and value.strip().lower() in ("", "true", "false"):
            return value.strip().lower() == "true"
        return value

    @model_validator(mode="after")
    def _judges_are_there(self) -> Config:
        for name, study in self.studies.items():
            if isinstance(study, TextStudy) and study.judged_by is not None:
                judging = study_named(self.studies, f"studies.{name}.judged_by", study.judged_by, "text")
                if judging.judged_by is not None:
                    raise ValueError(
                        f"studies.{name}.judged_by: {study.judged_by} has no judges of its own; say {judging.judged_by}"
                    )
        for name, study in self.studies.items():
            if isinstance(study, TextStudy):
                study.check_judges(f"studies.{name}", self.studies[study.judged_by or name].judges)
        return self

    @model_validator(mode="after")
    def _artefacts_show_what_there_is(self) -> Config:
        for shown in (self.artefacts.classes, self.artefacts.text, self.artefacts.laboratory, self.artefacts.doco):
            if shown is not None:
                shown.check(self.studies)
        check_quirks(self.artefacts.quirks, self.studies)
        return self


def load_config(values: dict[str, Any]) -> Config:
    """Validate a preset. Every fault is reported at once, each with its place, its value and the nearest right key."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        faults = [_fault(fault) for fault in error.errors()]
        raise LetheError(
            "the configuration is not valid:\n  - " + "\n  - ".join(faults), "mend the preset file"
        ) from None


def _fault(fault: Any) -> str:
    # The faults of a study and of its base come with their kind and pipeline in their place, which no file has.
    place = ".".join(str(part) for depth, part in enumerate(fault["loc"]) if not _is_tag(fault["loc"], depth))
    if fault["type"] == "extra_forbidden":
        known = _fields_at(Config, fault["loc"][:-1])
        return f"{place}: there is no such key; {nearest(str(fault['loc'][-1]), known)}"
    if fault["type"] in ("union_tag_not_found", "union_tag_invalid"):
        if fault["loc"][-1] == "base":
            return f"{place}.pipeline: say {' or '.join(PIPELINES)}"
        return f"{place}.kind: say class or text"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("value_error", "missing"):
        return f"{place}: {message}" if place else message
    return f"{place}: {message} (is {fault['input']!r})"


_STUDIES = {"class": ClassStudy, "text": TextStudy}
_BASES = CLASS_BASES | BASES


def _is_tag(place: tuple[Any, ...], depth: int) -> bool:
    """Whether pydantic told classes apart by a part of a fault's place: studies.NAME.KIND.base.PIPELINE, or
    studies.NAME.text.judges.NAME.given."""
    tags = {2: _STUDIES, 4: _BASES, 5: ("trained", "given") if place[3:4] == ("judges",) else ()}
    return place[depth] in tags.get(depth, ())


def _fields_at(model: type[Settings], place: tuple[Any, ...]) -> list[str]:
    """Names of the keys that are known at a place of the configuration."""
    if not place:
        return list(model.model_fields)
    if place[0] == "studies":
        return _fields_at(_STUDIES[place[2]], place[3:])
    annotation = model.model_fields[place[0]].annotation
    rest = place[1:]
    if rest and (member := _tagged(annotation, rest[0])) is not None:
        annotation, rest = member, rest[1:]
    if getattr(annotation, "__origin__", None) is dict:
        annotation, rest = annotation.__args__[1], rest[1:]
    options = [part for part in getattr(annotation, "__args__", (annotation,)) if part is not type(None)]
    return _fields_at(options[0], rest)


def _tagged(union: Any, tag: Any) -> type[Settings] | None:
    """The member of a union that has this tag; None where it is none."""
    for member in getattr(union, "__args__", ()):
        if any(isinstance(mark, Tag) and mark.tag == tag for mark in getattr(member, "__metadata__", ())):
            return member.__origin__
    return None
