"""The typed configuration: one source of the JSON schema, of the defaults and of the comments in the preset files.

``python -m lethe.config check FILE`` validates a preset; ``python -m lethe.config write`` renews the generated files.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from lethe.errors import LetheError, nearest
from lethe.methods import method_named, method_names
from lethe.methods.method import Control, Method
from lethe.settings.base import BaseSettings
from lethe.settings.common import Settings
from lethe.settings.data import DataSettings
from lethe.settings.judge import JudgeSettings
from lethe.settings.measures import MeasureSettings
from lethe.settings.sampling import SamplingSettings
from lethe.settings.sets import SetsSettings

CLASSES = {"digits": 10}


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
        description="What differs from the method's defaults (see `python -m lethe.unlearn METHOD --help`).",
    )
    targets: Targets | None = Field(None, description="Targets of this row only; those of the study otherwise.")


class Study(Settings):
    """One base model with its data, and what is to be forgotten in which ways."""

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

    @model_validator(mode="after")
    def _every_variant_is_possible(self) -> Study:
        classes = CLASSES[self.data.source]
        for where, targets in {"targets": self.targets, **_own_targets(self.variants)}.items():
            for target in targets:
                if target not in range(classes):
                    raise ValueError(f"{where}: {target} is no class of {self.data.source} (0 to {classes - 1})")
        for name, variant in self.variants.items():
            if variant.method not in method_names():
                raise ValueError(
                    f"variants.{name}.method: there is no method '{variant.method}'; "
                    f"{nearest(variant.method, method_names())}"
                )
            self.method_settings(name)
        return self

    def method(self, variant: str) -> Method | Control:
        return method_named(self.variants[variant].method)

    def method_settings(self, variant: str) -> Settings:
        """The settings of a row: the method's defaults, then what the study shares, then the row's own."""
        chosen = self.variants[variant]
        known = self.method(variant).settings.model_fields
        for key in chosen.settings:
            if key not in known:
                choices = nearest(key, known) if known else "it has no settings"
                raise ValueError(f"variants.{variant}.settings.{key}: {chosen.method} has no such setting; {choices}")
        method = self.method(variant)
        if chosen.settings.get("as_released") and isinstance(method, Method) and method.released_loader is None:
            raise ValueError(f"variants.{variant}.settings.as_released: {chosen.method} has no defect to reproduce")
        shared = {key: value for key, value in self.unlearn.model_dump(exclude_none=True).items() if key in known}
        try:
            return method.settings.model_validate(shared | chosen.settings)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"variants.{variant}.settings.{key}: {first['msg']} (is {first['input']!r})") from None

    def title(self, variant: str) -> str:
        return self.variants[variant].title or self.method(variant).card.title


def _own_targets(variants: dict[str, Variant]) -> dict[str, tuple[int, ...]]:
    return {f"variants.{name}.targets": variant.targets for name, variant in variants.items() if variant.targets}


class Artefacts(Settings):
    """The tables and figures: which study and which rows they show."""

    study: str = Field(description="The study of Table 1, Figure 2 and the figures beside them.")
    table1: tuple[str, ...] | None = Field(
        None, min_length=1, description="Rows of Table 1, in this order; null: all variants of the study, in theirs."
    )
    pairs: tuple[tuple[str, str], ...] = Field((), description="Rows compared with each other over targets and seeds.")
    trajectory: tuple[str, ...] = Field((), description="Rows in the trajectory figure; methods with two gradients.")
    figure2: str = Field(description="The row whose gradients Figure 2 is drawn from; a method with two gradients.")
    samples: tuple[str, ...] = Field((), description="Rows of the grid of samples.")
    shown_target: int = Field(description="The target of Figure 2 and of the grid of samples.")


class Config(Settings):
    """A preset: everything that one run of the workflow makes."""

    preset: Name = Field(description="Its name: results go to results/<preset>/.")
    compute: Compute = Field(default_factory=Compute, description="Device, threads, memory, time.")
    studies: dict[Name, Study] = Field(min_length=1, description="The studies, by name.")
    artefacts: Artefacts = Field(description="The tables and figures.")

    @model_validator(mode="after")
    def _artefacts_show_what_there_is(self) -> Config:
        shown = self.artefacts
        study = self.studies.get(shown.study)
        if study is None:
            raise ValueError(
                f"artefacts.study: there is no study '{shown.study}'; {nearest(shown.study, self.studies)}"
            )
        rows = {
            "table1": shown.table1 or (),
            "pairs": [name for pair in shown.pairs for name in pair],
            "trajectory": shown.trajectory,
            "figure2": [shown.figure2],
            "samples": shown.samples,
        }
        for key, names in rows.items():
            for name in names:
                if name not in study.variants:
                    raise ValueError(
                        f"artefacts.{key}: study {shown.study} has no variant '{name}'; {nearest(name, study.variants)}"
                    )
                method = study.method(name)
                if key in ("trajectory", "figure2") and not (isinstance(method, Method) and method.needs_conflict):
                    raise ValueError(f"artefacts.{key}: '{name}' has no pair of gradients to show")
        for key in ("figure2", "samples"):
            for name in rows[key]:
                targets = study.variants[name].targets or study.targets
                if shown.shown_target not in targets:
                    raise ValueError(
                        f"artefacts.shown_target: {shown.shown_target} is not a target of '{name}'; "
                        f"choose one of {list(targets)}"
                    )
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
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        known = _fields_at(Config, fault["loc"][:-1])
        return f"{place}: there is no such key; {nearest(str(fault['loc'][-1]), known)}"
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("value_error", "missing"):
        return f"{place}: {message}" if place else message
    return f"{place}: {message} (is {fault['input']!r})"


def _fields_at(model: type[Settings], place: tuple[Any, ...]) -> list[str]:
    """Names of the keys that are known at a place of the configuration."""
    if not place:
        return list(model.model_fields)
    annotation = model.model_fields[place[0]].annotation
    rest = place[1:]
    if getattr(annotation, "__origin__", None) is dict:
        annotation, rest = annotation.__args__[1], rest[1:]
    return _fields_at(annotation, rest)
