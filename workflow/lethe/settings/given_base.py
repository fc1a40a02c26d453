"""Settings of a base of a text study that is not trained here but given, as its command takes them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings


class CheckpointSettings(Settings):
    """How a single file of the original Stable Diffusion code is read; a folder of diffusers leaves no choice."""

    weights: Literal["ema", "live"] = Field(
        "ema",
        description="Which weights of a CompVis checkpoint that has both: ema = the averaged ones, as in diffusers' "
        "release of it; live = those that training went on from. A folder of diffusers has one kind.",
    )
    configuration: str | None = Field(
        None,
        min_length=1,
        description="For a CompVis checkpoint: the folder of diffusers (an asset such as sd14, or a path) whose "
        "tokenizer, configurations and schedule it goes with, since it has weights only. null: given is a folder.",
    )
