"""Distances on captions, as a preset asks for them: of which images, to which photographs."""

from __future__ import annotations

from pydantic import Field

from lethe.settings.captions import RealImages
from lethe.settings.given_judges import InceptionMeasures


class CaptionSettings(RealImages, InceptionMeasures):
    """The same in a preset, which also says whose images are compared with what."""

    set: str = Field(
        min_length=1, description="The captions: listed prompts of one target or more, by their name under listed."
    )
    images: str = Field(
        "coco_images",
        min_length=1,
        description="The photographs, all of them: zip archive or folder, by an asset's name or a path of your own.",
    )
    weights: str = Field(
        "inception",
        min_length=1,
        description="Inception's weights in pytorch-fid's format: an asset's name, or a path of your own.",
    )
