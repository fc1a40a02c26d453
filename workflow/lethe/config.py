"""The typed configuration: one source of the JSON schema, of the defaults and of the comments in the preset files.

``python -m lethe.config check FILE`` validates a preset; ``python -m lethe.config write`` renews the generated files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from lethe.errors import LetheError, nearest
from lethe.methods import method_named, method_names
from lethe.methods.method import Control, Kind, Method, settings_of
from lethe.settings.base import BaseSettings
from lethe.settings.common import Settings
from lethe.settings.concept import Concept
from lethe.settings.data import DataSettings
from lethe.settings.judge import JudgeSettings, TextJudgeSettings
from lethe.settings.measures import MeasureSettings, TextMeasureSettings
from lethe.settings.sampling import SamplingSettings
from lethe.settings.sets import SetsSettings
from lethe.settings.text_base import TextBaseSettings
from lethe.settings.text_data import TextDataSettings
from lethe.settings.text_sampling import TextSamplingSettings

CLASSES = {"digits": 10}
# Folders of a study that are no target's, and the token of what serves every target.
RESERVED = ("any", "base", "data", "judge")


def _without_repetition(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"{list(values)} names something twice")
    return values


Targets = Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_without_repetition)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_without_repetition)]
Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class Compute(Settings):
    """Where and with how much the jobs run: nothing here is science."""

    device: str = Field("auto", description="auto (a GPU where there is one), cpu, cuda or cuda:N.")
    threads: int = Field(1, ge=1, description="CPU threads of a job that runs a network.")
    memory_mb: int = Field(2000, ge=1, description="Memory that a job that runs a network asks of a cluster.")
    minutes: int = Field(60, ge=1, description="Longest time of a job, asked of a cluster.")

    @property
    def gpus(self) -> int:
        """GPUs that a job running a network asks of the scheduler."""
        return 0 if self.device == "cpu" else 1


class UnlearnSettings(Settings):
    """What all methods of the study share; a variant's own settings go before these, the method's defaults after."""

    steps: int | None = Field(None, ge=1, description="Optimiser steps.")
    batch: int | None = Field(None, ge=1, description="Images of D_f (and of D_r) a step.")
    learning_rate: float | None = Field(None, gt=0, description="Adam's learning rate.")


class Variant(Settings):
    """A row of the tables: a method with its settings."""

    method: str = Field(description="The method: the name of a file in workflow/lethe/methods.")
    title: str | None = Field(None, description="Its name in tables and figures; the method's own title otherwise.")
    settings: dict[str, bool | int | float | str | None] = Field(
        default_factory=dict,
        description="What differs from the method's defaults (see `python -m lethe.unlearn KIND METHOD --help`).",
    )
    settings_for: dict[int | str, dict[str, bool | int | float | str | None]] = Field(
        default_factory=dict, description="By target, what differs from `settings` there."
    )
    targets: Annotated[tuple[int | str, ...], Field(min_length=1), AfterValidator(_without_repetition)] | None = Field(
        None, description="Targets of this row only; those of the study otherwise."
    )


class StudyRows:
    """What studies of both kinds can do with their rows. Not itself settings: each kind lists its keys in its order."""

    if TYPE_CHECKING:
        kind: Kind
        unlearn: UnlearnSettings
        variants: dict[str, Variant]

    def target_names(self) -> tuple[str, ...]:
        """The targets of the study as the words that stand in paths."""
        raise NotImplementedError

    def targets_of(self, variant: str) -> tuple[str, ...]:
        own = self.variants[variant].targets
        return self.target_names() if own is None else tuple(map(str, own))

    def check_rows(self) -> None:
        """Raise ValueError where a row cannot be made."""
        for name, variant in self.variants.items():
            for target in variant.targets or ():
                if str(target) not in self.target_names():
                    self.unknown_target(f"variants.{name}.targets", target)
            if variant.method not in method_names():
                raise ValueError(
                    f"variants.{name}.method: there is no method '{variant.method}'; "
                    f"{nearest(variant.method, method_names())}"
                )
            for target in variant.settings_for:
                if str(target) not in self.targets_of(name):
                    self.unknown_target(f"variants.{name}.settings_for", target)
            for target in (None, *self.targets_of(name)):
                self.method_settings(name, target)

    def unknown_target(self, where: str, target: object) -> None:
        raise ValueError(f"{where}: '{target}' is no target of the study; {nearest(str(target), self.target_names())}")

    def method(self, variant: str) -> Method | Control:
        return method_named(self.variants[variant].method)

    def method_settings(self, variant: str, target: str | None = None) -> Settings:
        """The settings of a row: the method's defaults, then what the study shares, then the row's own, then those for
        this target."""
        chosen, method = self.variants[variant], self.method(variant)
        own = chosen.settings | {str(name): given for name, given in chosen.settings_for.items()}.get(str(target), {})
        try:
            settings = settings_of(method, self.kind)
        except LetheError as error:
            raise ValueError(f"variants.{variant}.method: {error.problem}") from None
        known = settings.model_fields
        for key in own:
            if key not in known:
                choices = nearest(key, known) if known else "it has no settings"
                raise ValueError(f"variants.{variant}.settings.{key}: {chosen.method} has no such setting; {choices}")
        defective = isinstance(method, Method) and method.recipe(self.kind).has_released_defects
        if own.get("as_released") and not defective:
            raise ValueError(f"variants.{variant}.settings.as_released: {chosen.method} has no defect to reproduce")
        shared = {key: value for key, value in self.unlearn.model_dump(exclude_none=True).items() if key in known}
        try:
            return settings.model_validate(shared | own)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"variants.{variant}.settings.{key}: {first['msg']} (is {first['input']!r})") from None

    def title(self, variant: str) -> str:
        return self.variants[variant].title or self.method(variant).card.title


class ClassStudy(Settings, StudyRows):
    """A base model of classes with its data, and which classes are to be forgotten in which ways."""

    kind: Literal["class"] = Field("class", description="What is forgotten: a class.")
    data: DataSettings = Field(default_factory=DataSettings, description="The real images.")
    base: BaseSettings = Field(default_factory=BaseSettings, description="The model that is to forget.")
    judge: JudgeSettings = Field(default_factory=JudgeSettings, description="The classifier that judges images.")
    sets: SetsSettings = Field(default_factory=SetsSettings, description="D_f and D_r.")
    unlearn: UnlearnSettings = Field(default_factory=UnlearnSettings, description="What all methods share.")
    sampling: SamplingSettings = Field(default_factory=SamplingSettings, description="The image sets.")
    measures: MeasureSettings = Field(default_factory=MeasureSettings, description="Minimum sizes and intervals.")
    targets: Targets = Field(description="The classes to forget, each on its own.")
    seeds: Seeds = Field((0,), description="Training seeds: of D_r, batches and noise of the unlearning.")
    variants: dict[Name, Variant] = Field(description="The rows of the tables, by name, in their order.")

    def target_names(self) -> tuple[str, ...]:
        return tuple(map(str, self.targets))

    @model_validator(mode="after")
    def _rows_are_possible(self) -> ClassStudy:
        classes = CLASSES[self.data.source]
        for target in self.targets:
            if target not in range(classes):
                raise ValueError(f"targets: {target} is no class of {self.data.source} (0 to {classes - 1})")
        self.check_rows()
        return self


class TextStudy(Settings, StudyRows):
    """A text-to-image base model with its data, and which concepts and styles are to be forgotten in which ways."""

    kind: Literal["text"] = Field(description="What is forgotten: a concept or a style.")
    data: TextDataSettings = Field(default_factory=TextDataSettings, description="The captioned images.")
    base: TextBaseSettings = Field(default_factory=TextBaseSettings, description="The model that is to forget.")
    judges: TextJudgeSettings = Field(default_factory=TextJudgeSettings, description="What judges images.")
    unlearn: UnlearnSettings = Field(default_factory=UnlearnSettings, description="What all methods share.")
    sampling: TextSamplingSettings = Field(default_factory=TextSamplingSettings, description="The image sets.")
    measures: TextMeasureSettings = Field(
        default_factory=TextMeasureSettings, description="Thresholds, minimum sizes and intervals."
    )
    targets: dict[Name, Concept] = Field(min_length=1, description="The concepts to forget, each on its own, by name.")
    seeds: Seeds = Field((0,), description="Training seeds: of batches and noise of the unlearning.")
    variants: dict[Name, Variant] = Field(description="The rows of the tables, by name, in their order.")

    def target_names(self) -> tuple[str, ...]:
        return tuple(self.targets)

    @model_validator(mode="after")
    def _rows_are_possible(self) -> TextStudy:
        for target in self.targets:
            if target in RESERVED:
                raise ValueError(f"targets.{target}: this name is taken; choose another")
        self.check_rows()
        if not any(variant.method == "base" for variant in self.variants.values()):
            raise ValueError(
                "variants: no row is the base, which the others are compared with; add base: {method: base}"
            )
        for name in self.variants:
            for target in self.targets_of(name):
                pairs = getattr(self.method_settings(name, target), "pairs", None)
                if pairs is not None and pairs > self.targets[target].train_pairs:
                    raise ValueError(
                        f"variants.{name}.settings.pairs: {pairs}, but targets.{target}.train_pairs is "
                        f"{self.targets[target].train_pairs}; ask for fewer, or draw more prompts"
                    )
        return self


Study = Annotated[ClassStudy | TextStudy, Field(discriminator="kind")]


class ClassArtefacts(Settings):
    """The tables and figures of a class study: which study and which rows they show."""

    study: str = Field(description="The study of Table 1, Figure 2 and the figures beside them.")
    table1: tuple[str, ...] | None = Field(
        None, min_length=1, description="Rows of Table 1, in this order; null: all variants of the study, in theirs."
    )
    pairs: tuple[tuple[str, str], ...] = Field((), description="Rows compared with each other over targets and seeds.")
    trajectory: tuple[str, ...] = Field((), description="Rows in the trajectory figure; methods with two gradients.")
    figure2: str = Field(description="The row whose gradients Figure 2 is drawn from; a method with two gradients.")
    samples: tuple[str, ...] = Field((), description="Rows of the grid of samples.")
    shown_target: int = Field(description="The target of Figure 2 and of the grid of samples.")

    def check(self, studies: Mapping[str, Study]) -> None:
        """Raise ValueError where something to be shown is not there."""
        study = _study_named(studies, "artefacts.classes.study", self.study, "class")
        rows = {
            "table1": self.table1 or (),
            "pairs": [name for pair in self.pairs for name in pair],
            "trajectory": self.trajectory,
            "figure2": [self.figure2],
            "samples": self.samples,
        }
        _check_rows(study, self.study, "artefacts.classes", rows)
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
        None, description="Rows of Table 2 (alignment by target); null: all variants of the study."
    )
    table4: tuple[str, ...] = Field((), description="Rows of Table 4 (uniform against diversified sets).")
    table8: tuple[str, ...] = Field((), description="Rows of Table 8 (sizes of the sets).")
    figure1: tuple[tuple[str, str], ...] = Field(
        (), description="Columns of Figure 1: the row shown for the content, and the row shown for the style."
    )
    figure3: tuple[str, ...] = Field((), description="Columns of Figure 3 (images of forget prompts, content).")
    figure4: tuple[str, ...] = Field((), description="Bars of Figure 4 (detections by part).")
    figure5: tuple[str, ...] = Field((), description="Columns of Figure 5 (images of prompts, style).")
    retained: tuple[str, ...] = Field(
        (), max_length=4, description="The models of Figures 8 to 11, in this order (images of retain prompts)."
    )

    def check(self, studies: Mapping[str, Study]) -> None:
        """Raise ValueError where something to be shown is not there."""
        study = _study_named(studies, "artefacts.text.study", self.study, "text")
        rows: dict[str, Iterable[str]] = {
            "table2": self.table2 or (),
            "figure1": [name for pair in self.figure1 for name in pair],
            **{key: getattr(self, key) for key in ("table4", "table8", "figure3", "figure4", "figure5", "retained")},
        }
        _check_rows(study, self.study, "artefacts.text", rows)
        for table, renamed in self.published_rows.items():
            if table not in ("table2", "table4", "table8"):
                raise ValueError(f"artefacts.text.published_rows.{table}: no such table; say table2, table4 or table8")
            _check_rows(study, self.study, "artefacts.text.published_rows", {table: renamed})
        shown = {"content": self.content, "style": self.style}
        for key, target in {**shown, **{f"published_as.{name}": name for name in self.published_as}}.items():
            if target is not None and target not in study.target_names():
                study.unknown_target(f"artefacts.text.{key}", target)
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


def _study_named(studies: Mapping[str, Study], place: str, name: str, kind: Kind) -> Study:
    if name not in studies:
        raise ValueError(f"{place}: there is no study '{name}'; {nearest(name, studies)}")
    if studies[name].kind != kind:
        raise ValueError(f"{place}: '{name}' is a study of kind {studies[name].kind}, not {kind}")
    return studies[name]


def _check_rows(study: Study, name: str, place: str, rows: Mapping[str, Iterable[str]]) -> None:
    for key, variants in rows.items():
        for variant in variants:
            if variant not in study.variants:
                raise ValueError(
                    f"{place}.{key}: study {name} has no variant '{variant}'; {nearest(variant, study.variants)}"
                )


class Artefacts(Settings):
    """The tables and figures, by the kind of study that they show."""

    classes: ClassArtefacts | None = Field(None, description="Those of a class study.")
    text: TextArtefacts | None = Field(None, description="Those of a text study.")


class Config(Settings):
    """A preset: everything that one run of the workflow makes."""

    preset: Name = Field(description="Its name: results go to results/<preset>/.")
    compute: Compute = Field(default_factory=Compute, description="Device, threads, memory, time.")
    studies: dict[Name, Study] = Field(min_length=1, description="The studies, by name.")
    artefacts: Artefacts = Field(description="The tables and figures.")

    @model_validator(mode="after")
    def _artefacts_show_what_there_is(self) -> Config:
        for shown in (self.artefacts.classes, self.artefacts.text):
            if shown is not None:
                shown.check(self.studies)
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
    # A study's faults come with its kind in their place, which no file has.
    place = ".".join(str(part) for depth, part in enumerate(fault["loc"]) if not (depth == 2 and part in _STUDIES))
    if fault["type"] == "extra_forbidden":
        known = _fields_at(Config, fault["loc"][:-1])
        return f"{place}: there is no such key; {nearest(str(fault['loc'][-1]), known)}"
    if fault["type"] in ("union_tag_not_found", "union_tag_invalid"):
        return f"{place}.kind: say class or text"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("value_error", "missing"):
        return f"{place}: {message}" if place else message
    return f"{place}: {message} (is {fault['input']!r})"


_STUDIES = {"class": ClassStudy, "text": TextStudy}


def _fields_at(model: type[Settings], place: tuple[Any, ...]) -> list[str]:
    """Names of the keys that are known at a place of the configuration."""
    if not place:
        return list(model.model_fields)
    if place[0] == "studies":
        return _fields_at(_STUDIES[place[2]], place[3:])
    annotation = model.model_fields[place[0]].annotation
    rest = place[1:]
    if getattr(annotation, "__origin__", None) is dict:
        annotation, rest = annotation.__args__[1], rest[1:]
    options = [part for part in getattr(annotation, "__args__", (annotation,)) if part is not type(None)]
    return _fields_at(options[0], rest)
