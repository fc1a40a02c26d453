"""Settings of the judges of a class study that are given, not trained: zero-shot CLIP and Inception."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lethe.settings.common import Settings

FrontEnd = Literal["tf1", "pytorch"]
FRONT_ENDS = (
    "tf1 = as EDM's and TensorFlow's (bilinear without half pixels, (x - 128) / 128), pytorch = as pytorch-fid's "
    "(bilinear with half pixels, 2 x / 255 - 1)"
)


def _without_repetition(names: tuple[FrontEnd, ...]) -> tuple[FrontEnd, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"{', '.join(names)}: one is there twice")
    return names


def _with_one_slot(text: str) -> str:
    if text.count("{}") != 1:
        raise ValueError(f"'{text}' has not one {{}} for the class")
    return text


class ZeroShotSettings(Settings):
    """A classifier made of CLIP and one sentence a class (RGD's evaluation)."""

    prompt: Annotated[str, AfterValidator(_with_one_slot)] = Field(
        "a photo of a {}", description="The sentence; {} is the class's name."
    )
    noise: str = Field(
        "random noise", min_length=1, description="What stands for the class in the sentence of what is no class."
    )
    batch: int = Field(256, ge=1, description="Images in one call of the network.")


class ZeroShotJudge(ZeroShotSettings):
    """The same in a preset, which also says where CLIP lies."""

    model: str = Field(
        "clip_b32",
        min_length=1,
        description="CLIP as a folder of the hub's format: an asset's name, or a path of your own.",
    )


class InceptionSettings(Settings):
    """Inception's features of images, for FID and KID."""

    front_ends: Annotated[tuple[FrontEnd, ...], Field(min_length=1), AfterValidator(_without_repetition)] = Field(
        ("tf1",),
        description=f"What stands in front of the network: {FRONT_ENDS}. Tables show the first; the records have a "
        "distance for each, and never one across two.",
    )
    batch: int = Field(64, ge=1, description="Images in one call of the network.")


class InceptionMeasures(Settings):
    """How Inception's features are compared."""

    kernel_images: int = Field(
        10000,
        ge=4,
        description="Images of a set that KID compares at most, drawn at random; FID always compares all.",
    )


class InceptionJudge(InceptionSettings, InceptionMeasures):
    """The same in a preset, which also says where the weights and the reference lie."""

    weights: str = Field(
        "inception",
        min_length=1,
        description="The weights in pytorch-fid's format: an asset's name, or a path of your own.",
    )
    reference: str | None = Field(
        None,
        min_length=1,
        description="Stored moments for FID_reference, such as EDM's (edm_fid_reference): an npz with mu and sigma, by "
        "an asset's name or a path; of the front end tf1, unless the file says another. null: none.",
    )

    @model_validator(mode="after")
    def _reference_has_a_front_end(self) -> InceptionJudge:
        if self.reference == "edm_fid_reference" and "tf1" not in self.front_ends:
            raise ValueError("front_ends: the moments of edm_fid_reference are of the front end tf1; add it")
        return self
