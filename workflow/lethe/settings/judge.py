"""Settings of the judges that are trained in the workflow, and of all judges of a text study."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from lethe.settings.common import Settings, is_given
from lethe.settings.given_text_judges import GivenAlignment, GivenDetector


class JudgeSettings(Settings):
    """A convolutional classifier with one class more than the study: noise-like images."""

    # Not said of the small one: what is written of its making is as it was before there was another.
    architecture: Literal["small", "resnet"] = Field(
        "small",
        exclude_if=lambda name: name == "small",
        description="small = three convolutions, for small and plain pictures; resnet = a ResNet-18 that keeps every "
        "pixel at its entrance, trained with flips and shifts of 4 pixels, for photographs.",
    )
    width: int = Field(24, ge=1, description="Channels of the first convolution.")
    features: int = Field(48, ge=2, description="Size of the penultimate layer, where distances are measured.")
    steps: int = Field(900, ge=1, description="Optimiser steps.")
    batch: int = Field(128, ge=2, description="Images a step.")
    learning_rate: float = Field(4e-3, gt=0, description="Peak of the one-cycle schedule (AdamW).")
    noise_share: float = Field(0.25, gt=0, lt=1, description="Share of noise-like images in a training batch.")
    accuracy: float = Field(
        0.98, ge=0, le=1, description="Held-out accuracy below which the judge is refused and the workflow stops."
    )
    seed: int = Field(0, ge=0, description="Seed of initialisation, batches and noise-like images.")


class AttributeSettings(JudgeSettings):
    """A classifier of every attribute of a picture at once."""

    width: int = Field(16, ge=1, description="Channels of the first convolution.")
    steps: int = Field(500, ge=1, description="Optimiser steps.")


class Tower(Settings):
    """A small transformer."""

    width: int = Field(32, ge=1, description="Size of a token's embedding.")
    layers: int = Field(1, ge=1, description="Transformer layers.")
    heads: int = Field(2, ge=1, description="Attention heads.")

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> Tower:
        if self.width % self.heads:
            raise ValueError(f"width = {self.width} is not a multiple of heads = {self.heads}")
        return self


class ImageTower(Tower):
    """The vision transformer that embeds pictures."""

    width: int = Field(96, ge=1, description="Size of a patch's embedding.")
    layers: int = Field(2, ge=1, description="Transformer layers.")
    heads: int = Field(3, ge=1, description="Attention heads.")
    patch: int = Field(8, ge=1, description="Pixels along a side of a patch; a picture's size is a multiple of it.")


class TextTower(Tower):
    """The transformer that embeds captions."""

    length: int = Field(32, ge=4, description="Tokens of a prompt (77 in CLIP); a longer one is refused.")


class AlignmentSettings(Settings):
    """A small CLIP in open_clip's format, trained on pictures and their captions."""

    embedding: int = Field(32, ge=2, description="Size of the space that pictures and captions share.")
    image: ImageTower = Field(default_factory=ImageTower, description="The image tower.")
    text: TextTower = Field(default_factory=TextTower, description="The text tower.")
    steps: int = Field(600, ge=1, description="Optimiser steps.")
    batch: int = Field(256, ge=2, description="Pictures a step, less those whose caption is in the batch already.")
    learning_rate: float = Field(4e-3, gt=0, description="Peak of the one-cycle schedule (AdamW).")
    accuracy: float = Field(
        0.9,
        ge=0,
        le=1,
        description="For each attribute, share of held-out pictures that are nearer to their caption than to one with "
        "that attribute changed, below which the judge is refused.",
    )
    seed: int = Field(0, ge=0, description="Seed of initialisation, batches and augmentation.")


class DetectorSettings(Settings):
    """A small detector of the concept by part, in the format of NudeNet's."""

    concept: str = Field("pattern=striped", min_length=3, description="What it detects: head=class.")
    parts: str = Field("shape", min_length=1, description="The head whose classes are the parts that are told apart.")
    width: int = Field(16, ge=1, description="Channels of the first convolution.")
    steps: int = Field(400, ge=1, description="Optimiser steps.")
    batch: int = Field(128, ge=2, description="Images a step.")
    learning_rate: float = Field(1e-2, gt=0, description="Peak of the one-cycle schedule (AdamW).")
    noise_share: float = Field(0.15, gt=0, lt=1, description="Share of noise-like images in a training batch.")
    recall: float = Field(
        0.98,
        ge=0,
        le=1,
        description="Share of held-out images with the concept in which it is found, as the right part and no other, "
        "with a score above 0.5; below it the detector is refused.",
    )
    false_alarms: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Share of the others in which anything is found; above it the detector is refused.",
    )
    seed: int = Field(0, ge=0, description="Seed of initialisation, batches and noise-like images.")


class TextJudgeSettings(Settings):
    """The judges of a text study, each trained here or given."""

    alignment: Annotated[
        Annotated[AlignmentSettings, Tag("trained")] | Annotated[GivenAlignment, Tag("given")], Discriminator(is_given)
    ] = Field(
        default_factory=AlignmentSettings, description="How well an image fits its prompt (the paper's OpenCLIP)."
    )
    detector: Annotated[
        Annotated[DetectorSettings, Tag("trained")] | Annotated[GivenDetector, Tag("given")], Discriminator(is_given)
    ] = Field(default_factory=DetectorSettings, description="Where an image shows the concept (the paper's NudeNet).")
    attributes: AttributeSettings | None = Field(
        default_factory=AttributeSettings, description="What else can be seen in an image; null: nothing judges it."
    )

    @property
    def trained(self) -> tuple[str, ...]:
        """Which of them are trained here, on the study's data."""
        there = {name: getattr(self, name) for name in type(self).model_fields}
        return tuple(name for name, judge in there.items() if judge is not None and is_given(judge) == "trained")


class NamedConcepts(Settings):
    """Names that every image is compared with, whatever its own prompt."""

    concept: str = Field("", description="The concept's own name; empty: images are compared with no names.")
    anchor: str | None = Field(None, description="The anchor's name, or the empty text; none: there is no anchor.")
    neighbours: dict[str, str] = Field(default_factory=dict, description="Names of the neighbours, by set.")

    def texts(self) -> dict[str, str]:
        """The names by what they are the names of: concept, anchor, and the prompt set of each neighbour."""
        if not self.concept:
            return {}
        anchor = {} if self.anchor is None else {"anchor": self.anchor}
        return {"concept": self.concept} | anchor | self.neighbours
