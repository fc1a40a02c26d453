"""The studies of a preset: a base model with its data, what it is to forget, and the rows of the tables."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, ValidationError, model_validator

from lethe.config.given_base import GivenStableDiffusion3Settings, GivenStableDiffusionSettings
from lethe.config.sweeps import Sweep, check_sweeps, rows_of_sweeps
from lethe.errors import LetheError, nearest
from lethe.methods import method_named, method_names
from lethe.methods.method import Control, Kind, Method, settings_of
from lethe.model_files import Family
from lethe.settings.base import BaseSettings, GivenBaseSettings
from lethe.settings.common import Settings
from lethe.settings.concept import Concept
from lethe.settings.data import ClassData
from lethe.settings.given_judges import InceptionJudge, ZeroShotJudge
from lethe.settings.given_text_judges import NUDENET_FLOOR, is_given
from lethe.settings.judge import JudgeSettings, TextJudgeSettings
from lethe.settings.measures import MeasureSettings, TextMeasureSettings
from lethe.settings.sampling import SamplingSettings
from lethe.settings.sets import SetsSettings, SimilaritySettings
from lethe.settings.stable_diffusion import StableDiffusionSettings
from lethe.settings.stable_diffusion3 import StableDiffusion3Settings
from lethe.settings.text_data import TextDataSettings
from lethe.settings.text_sampling import SAMPLERS, TextSamplingSettings

CLASSES = {"digits": 10, "cifar10": 10}
# Folders of a study that are no target's, and the token of what serves every target.
RESERVED = ("any", "base", "data", "judge")


def _without_repetition(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"{list(values)} names something twice")
    return values


Targets = Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_without_repetition)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_without_repetition)]
Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


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
    evaluation: Literal["fixed", "as_released"] = Field(
        "fixed",
        description="as_released = images from seeds of the operating system and colours swapped for the detector, as "
        "RGD's code evaluates; of the model of the row with the same method and settings. For the table quirks.",
    )


class StudyRows:
    """What studies of both kinds can do with their rows. Not itself settings: each kind lists its keys in its order."""

    if TYPE_CHECKING:
        kind: Kind
        family: Family
        unlearn: UnlearnSettings
        variants: dict[str, Variant]

    def target_names(self) -> tuple[str, ...]:
        """The targets of the study as the words that stand in paths."""
        raise NotImplementedError

    def shared_settings(self) -> dict[str, Any]:
        """What every row has that has such a setting and does not say otherwise."""
        return self.unlearn.model_dump(exclude_none=True)

    def swept(self) -> Mapping[str, Sweep]:
        """The sweeps of the study, by name."""
        return {}

    @functools.cached_property
    def rows(self) -> dict[str, Variant]:
        """All rows that have cells: the variants, and what the sweeps add to them."""
        return self.variants | rows_of_sweeps(self)

    def targets_of(self, variant: str) -> tuple[str, ...]:
        own = self.row(variant).targets
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
        return method_named(self.row(variant).method)

    def method_settings(self, variant: str, target: str | None = None) -> Settings:
        """The settings of a row: the method's defaults, then what the study shares, then the row's own, then those for
        this target."""
        return self.settings_of_row(f"variants.{variant}", self.row(variant), target)

    def settings_of_row(self, place: str, chosen: Variant, target: str | None) -> Settings:
        """The same for a row by itself; ``place`` is where the configuration has it, for the message."""
        method = method_named(chosen.method)
        own = chosen.settings | {str(name): given for name, given in chosen.settings_for.items()}.get(str(target), {})
        try:
            settings = settings_of(method, self.kind)
        except LetheError as error:
            raise ValueError(f"{place}.method: {error.problem}") from None
        known = settings.model_fields
        for key in own:
            if key not in known:
                choices = nearest(key, known) if known else "it has no settings"
                raise ValueError(f"{place}.settings.{key}: {chosen.method} has no such setting; {choices}")
        defective = isinstance(method, Method) and method.recipe(self.kind).has_released_defects
        if own.get("as_released") and not defective:
            raise ValueError(f"{place}.settings.as_released: {chosen.method} has no defect to reproduce")
        shared = {key: value for key, value in self.shared_settings().items() if key in known}
        try:
            return settings.model_validate(shared | own)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{place}.settings.{key}: {first['msg']} (is {first['input']!r})") from None

    def row(self, name: str) -> Variant:
        return self.variants.get(name) or self.rows[name]

    def as_released(self, variant: str) -> bool:
        """Whether a row is evaluated as released: it stands in the table quirks alone."""
        return self.row(variant).evaluation == "as_released"

    @property
    def shown_rows(self) -> list[str]:
        """The variants that tables and figures show where they name no rows."""
        return [name for name in self.variants if not self.as_released(name)]

    def row_of_model(self, variant: str) -> str:
        """The row whose model a row is about: its own, but for one evaluated as released, that of the row with the same
        method and settings, if there is one on all its targets."""
        if not self.as_released(variant):
            return variant
        targets, method = self.targets_of(variant), self.row(variant).method
        wanted = [self.method_settings(variant, target) for target in targets]
        for other in self.shown_rows:
            is_same = self.row(other).method == method and set(targets) <= set(self.targets_of(other))
            if is_same and [self.method_settings(other, target) for target in targets] == wanted:
                return other
        return variant

    def title(self, variant: str) -> str:
        return self.row(variant).title or self.method(variant).card.title


CLASS_BASES = {"trained": BaseSettings, "given": GivenBaseSettings}
ClassBase = Annotated[
    Annotated[BaseSettings, Tag("trained")] | Annotated[GivenBaseSettings, Tag("given")],
    Discriminator(lambda base: "given" if "given" in (base if isinstance(base, dict) else dir(base)) else "trained"),
]


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
        is_given = isinstance(self.base, GivenBaseSettings)
        for name in self.rows:
            method = self.method(name)
            if is_given and isinstance(method, Control) and method.made_by == "base":
                raise ValueError(
                    f"variants.{name}: {self.row(name).method} trains the base again without the target, but "
                    f"base.given is a model that others have trained; leave the row out"
                )
            for target in self.targets_of(name) if not is_given else ():
                if getattr(self.method_settings(name, target), "augmentation", False):
                    raise ValueError(
                        f"variants.{name}.settings.augmentation: a base that is trained here has not learned it; "
                        "leave it out, or give a base that has (base.given)"
                    )


def kind_of_base(base: Any) -> str:
    """Which of the bases of a text study is meant: Stable Diffusion, trained here, where nothing is said."""
    said = base if isinstance(base, dict) else {name: getattr(base, name) for name in type(base).model_fields}
    pipeline = said.get("pipeline", "stable_diffusion")
    return f"given_{pipeline}" if "given" in said else pipeline


BASES = {
    "stable_diffusion": StableDiffusionSettings,
    "stable_diffusion_3": StableDiffusion3Settings,
    "given_stable_diffusion": GivenStableDiffusionSettings,
    "given_stable_diffusion_3": GivenStableDiffusion3Settings,
}
TextBase = Annotated[
    Annotated[StableDiffusionSettings, Tag("stable_diffusion")]
    | Annotated[StableDiffusion3Settings, Tag("stable_diffusion_3")]
    | Annotated[GivenStableDiffusionSettings, Tag("given_stable_diffusion")]
    | Annotated[GivenStableDiffusion3Settings, Tag("given_stable_diffusion_3")],
    Discriminator(kind_of_base),
]


class TextStudy(Settings, StudyRows):
    """A text-to-image base model with its data, and which concepts and styles are to be forgotten in which ways."""

    kind: Literal["text"] = Field(description="What is forgotten: a concept or a style.")
    judged_by: Name | None = Field(
        None,
        description="Another text study whose data and judges this one shares; it has then no data and judges of its "
        "own. null: it has.",
    )
    data: TextDataSettings | None = Field(
        default_factory=TextDataSettings,
        description="The captioned images that base and judges are trained on; null where none is.",
    )
    base: TextBase = Field(default_factory=StableDiffusionSettings, description="The model that is to forget.")
    judges: TextJudgeSettings | None = Field(default_factory=TextJudgeSettings, description="What judges images.")
    unlearn: UnlearnSettings = Field(default_factory=UnlearnSettings, description="What all methods share.")
    sampling: TextSamplingSettings = Field(default_factory=TextSamplingSettings, description="The image sets.")
    measures: TextMeasureSettings = Field(
        default_factory=TextMeasureSettings, description="Thresholds, minimum sizes and intervals."
    )
    targets: dict[Name, Concept] = Field(min_length=1, description="The concepts to forget, each on its own, by name.")
    seeds: Seeds = Field((0,), description="Training seeds: of batches and noise of the unlearning.")
    variants: dict[Name, Variant] = Field(description="The rows of the tables, by name, in their order.")

    @property
    def family(self) -> Family:
        return self.base.pipeline

    def target_names(self) -> tuple[str, ...]:
        return tuple(self.targets)

    @model_validator(mode="before")
    @classmethod
    def _shares_what_it_does_not_have(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("judged_by") is None:
            return values
        for key in ("data", "judges"):
            if values.get(key) is not None:
                raise ValueError(f"{key}: this study has those of {values['judged_by']} (judged_by); leave them out")
        return {**values, "data": None, "judges": None}

    @model_validator(mode="after")
    def _has_what_it_does_not_share(self) -> TextStudy:
        if self.judged_by is not None:
            return self
        if self.judges is None:
            raise ValueError("judges: null, and no judged_by names the study whose judges these are; give either")
        if self.data is None and (self.judges.trained or is_given(self.base) == "trained"):
            trained = [f"judges.{name}" for name in self.judges.trained] or ["base"]
            raise ValueError(
                f"data: null, but {', '.join(trained)} {'is' if len(trained) == 1 else 'are'} trained on it; give it, "
                "name given ones instead, or name in judged_by the study whose data these are"
            )
        return self

    @model_validator(mode="after")
    def _rows_are_possible(self) -> TextStudy:
        for target in self.targets:
            if target in RESERVED:
                raise ValueError(f"targets.{target}: this name is taken; choose another")
        self.check_rows()
        self._check_pipeline()
        bases = {variant.evaluation for variant in self.variants.values() if variant.method == "base"}
        if "fixed" not in bases:
            raise ValueError(
                "variants: no row is the base, which the others are compared with; add base: {method: base}"
            )
        for name in self.variants:
            if self.as_released(name) and "as_released" not in bases:
                raise ValueError(
                    f"variants.{name}: it is evaluated as released, but no row of the base is, to compare it with; "
                    "add base_released: {method: base, evaluation: as_released}"
                )
        for name in self.variants:
            for target in self.targets_of(name):
                settings = self.method_settings(name, target)
                if getattr(settings, "strategy", None) == "anchored" and self.targets[target].anchor is None:
                    raise ValueError(
                        f"variants.{name}: it learns from anchor prompts, but targets.{target} has no anchor; give it "
                        "one, or leave this target out of the row's targets"
                    )
                pairs = getattr(settings, "pairs", None)
                if pairs is not None and pairs > self.targets[target].train_pairs:
                    raise ValueError(
                        f"variants.{name}.settings.pairs: {pairs}, but targets.{target}.train_pairs is "
                        f"{self.targets[target].train_pairs}; ask for fewer, or draw more prompts"
                    )
        return self

    def check_judges(self, place: str, judges: TextJudgeSettings) -> None:
        """Raise ValueError where the judges that look at this study's images cannot see what is asked of them."""
        for name, concept in self.targets.items():
            if concept.attribute and judges.attributes is None:
                raise ValueError(
                    f"{place}.targets.{name}.attribute: '{concept.attribute}', but there is no judge of attributes; "
                    "leave it out, or give judges.attributes"
                )
        if is_given(judges.detector) == "given":
            for key, low in (("threshold", self.measures.threshold), ("curve", min(self.measures.curve))):
                if low < NUDENET_FLOOR:
                    raise ValueError(
                        f"{place}.measures.{key}: {low:g}, but nudenet keeps nothing below {NUDENET_FLOOR:g}; ask "
                        "for that or more"
                    )

    def _check_pipeline(self) -> None:
        if self.sampling.sampler not in SAMPLERS[self.family]:
            raise ValueError(
                f"sampling.sampler: {self.sampling.sampler} cannot draw from {self.family}; "
                f"say {' or '.join(SAMPLERS[self.family])}"
            )
        for name in self.variants if self.family != "stable_diffusion" else ():
            for target in self.targets_of(name):
                if getattr(self.method_settings(name, target), "as_released", False):
                    raise ValueError(
                        f"variants.{name}.settings.as_released: the released code is for stable_diffusion, not for "
                        f"{self.family}; leave it out"
                    )


Study = Annotated[ClassStudy | TextStudy, Field(discriminator="kind")]
