"""Settings of the report: how many images it shows, and how large."""

from __future__ import annotations

from pydantic import Field

from lethe.settings.common import Settings


class ReportSettings(Settings):
    """The report is one file that holds its images, so their number and size decide how large it is."""

    prompts: int = Field(
        8, ge=1, description="Prompts of each set whose images are shown, evenly spread; in a class study, images."
    )
    pixels: int = Field(256, ge=16, description="Height of the images; higher ones are made smaller.")
    quality: int = Field(
        80, ge=1, le=100, description="Quality (WebP) of images above 64 pixels; smaller ones are stored exactly."
    )
