"""A study of classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from lethe.config.bases import ClassBase
from lethe.config.rows import Name, Seeds, StudyRows, UnlearnSettings, Variant, without_repetition
from lethe.config.sweeps import Sweep, check_sweeps
from lethe.methods.method import Control
from lethe.model_files import Family
from lethe.settings.base import BaseSettings
from lethe.settings.common import Settings, is_given
from lethe.settings.data import ClassData
from lethe.settings.given_judges import InceptionJudge, ZeroShotJudge
from lethe.settings.judge import JudgeSettings
from lethe.settings.measures import MeasureSettings
from lethe.settings.metrics import MetricNames
from lethe.settings.sampling import SamplingSettings
from lethe.settings.sets import SetsSettings, SimilaritySettings

CLASSES = {"digits": 10, "cifar10": 10}
Targets = Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(without_repetition)]


class ClassStudy(Settings, StudyRows):
    """A base model of classes with its data, and which classes are to be forgotten in which ways."""

    kind: Literal["class"] = Field("class", description="What is forgotten: a class.")
    data: ClassData = Field(default_factory=ClassData, description="The real images.")
    base: ClassBase = Field(
        default_factory=BaseSettings,
        description="The model that is to forget: how it is trained, or given: an asset that has it.",
    )
    judge: JudgeSettings = Field(
        default_factory=JudgeSettings, description="The classifier that is trained here and judges images."
    )
    zero_shot: ZeroShotJudge | None = Field(
        None,
        description="Zero-shot CLIP, the paper's judge of UA and RA; the trained classifier is the second judge then. "
        "null: it is the only one.",
    )
    inception: InceptionJudge | None = Field(
        None,
        description="Inception, for FID and KID. null: distances are measured in the trained classifier's features.",
    )
    sets: SetsSettings = Field(default_factory=SetsSettings, description="D_f and D_r.")
    similarity: SimilaritySettings = Field(
        default_factory=SimilaritySettings,
        description="Which classes are near: cosine of the means of the judge's features, CLIP's where it is a judge "
        "(Figure 7).",
    )
    unlearn: UnlearnSettings = Field(default_factory=UnlearnSettings, description="What all methods share.")
    sampling: SamplingSettings = Field(default_factory=SamplingSettings, description="The image sets.")
    measures: MeasureSettings = Field(default_factory=MeasureSettings, description="Minimum sizes and intervals.")
    metrics: MetricNames = ()
    targets: Targets = Field(description="The classes to forget, each on its own.")
    seeds: Seeds = Field((0,), description="Training seeds: of D_r, batches and noise of the unlearning.")
    variants: dict[Name, Variant] = Field(description="The rows of the tables, by name, in their order.")

    sweeps: dict[Name, Sweep] = Field(
        default_factory=dict, description="Rows made again for every combination of some settings, by name."
    )

    @property
    def family(self) -> Family:
        return "edm"

    def target_names(self) -> tuple[str, ...]:
        return tuple(map(str, self.targets))

    def shared_settings(self) -> dict[str, Any]:
        return super().shared_settings() | {"strategy": self.sets.strategy}

    def swept(self) -> Mapping[str, Sweep]:
        return self.sweeps

    @model_validator(mode="after")
    def _rows_are_possible(self) -> ClassStudy:
        classes = CLASSES[self.data.source]
        for target in self.targets:
            if target not in range(classes):
                raise ValueError(f"targets: {target} is no class of {self.data.source} (0 to {classes - 1})")
        self.check_rows()
        check_sweeps(self)
        self._check_base()
        return self

    def _check_base(self) -> None:
        given = is_given(self.base) == "given"
        for name in self.rows:
            method = self.method(name)
            if given and isinstance(method, Control) and method.made_by == "base":
                raise ValueError(
                    f"variants.{name}: {self.row(name).method} trains the base again without the target, but "
                    f"base.given is a model that others have trained; leave the row out"
                )
            for key in ("settings", "settings_for") if self.row(name).given is not None else ():
                if getattr(self.row(name), key):
                    raise ValueError(f"variants.{name}.{key}: they are for models of text; leave them out")
            for target in self.targets_of(name) if not given else ():
                if getattr(self.method_settings(name, target), "augmentation", False):
                    raise ValueError(
                        f"variants.{name}.settings.augmentation: a base that is trained here has not learned it; "
                        "leave it out, or give a base that has (base.given)"
                    )
