"""A study of concepts and styles."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from lethe.config.bases import TextBase
from lethe.config.captions import CaptionSettings
from lethe.config.rows import Name, Seeds, StudyRows, UnlearnSettings, Variant
from lethe.errors import nearest
from lethe.model_files import Family
from lethe.settings.common import Settings, is_given
from lethe.settings.concept import Concept
from lethe.settings.given_text_judges import NUDENET_FLOOR
from lethe.settings.judge import TextJudgeSettings
from lethe.settings.measures import TextMeasureSettings
from lethe.settings.metrics import MetricNames
from lethe.settings.stable_diffusion import StableDiffusionSettings
from lethe.settings.text_data import TextDataSettings
from lethe.settings.text_sampling import SAMPLERS, TextSamplingSettings

# Folders of a study that are no target's, and the token of what serves every target.
RESERVED = ("any", "base", "data", "judge")


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
    metrics: MetricNames = ()
    captions: CaptionSettings | None = Field(
        None,
        description="FID and KID of the images of listed captions to real photographs, made only when the table "
        "captions is asked for; null: there is no such table.",
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

    @model_validator(mode="after")
    def _captions_are_listed(self) -> TextStudy:
        if self.captions is None:
            return self
        name = self.captions.set
        counts = {key: listed.count for concept in self.targets.values() for key, listed in concept.listed.items()}
        if name not in counts:
            known = nearest(name, counts) if counts else "no target has any; give one some under listed"
            raise ValueError(f"captions.set: there are no listed prompts '{name}' of any target; {known}")
        for target, concept in self.targets.items():
            images = concept.listed[name].count * self.sampling.images_per_prompt if name in concept.listed else None
            if images is not None and images < self.measures.minimum_distance:
                raise ValueError(
                    f"captions.set: {images} images of '{name}' for targets.{target}, fewer than "
                    f"measures.minimum_distance = {self.measures.minimum_distance}; list more, or lower it"
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
