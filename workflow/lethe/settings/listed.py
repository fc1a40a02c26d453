"""Settings of prompts that somebody else has listed: which rows of which file, and what of a row is taken."""

from __future__ import annotations

from pydantic import Field

from lethe.settings.common import Settings


class ListedPrompts(Settings):
    """A csv file of prompts, as I2P is (Schramowski et al. 2023): taken in its order, repetitions too."""

    given: str = Field(min_length=1, description="The csv file: an asset of the catalogue, or a path of your own.")
    count: int = Field(ge=1, description="How many prompts are taken from it, known before it is read.")
    column: str = Field("prompt", min_length=1, description="The column with the prompts.")
    above: dict[str, float] = Field(
        default_factory=dict, description="Take only rows with a number above this one, by column."
    )
    own_seeds: bool = Field(False, description="Draw each prompt's image from the seed in its row.")
    seed_column: str = Field("sd_seed", min_length=1, description="The column with that seed.")
    own_guidance: bool = Field(False, description="Draw each prompt's image with the guidance in its row.")
    guidance_column: str = Field("sd_guidance_scale", min_length=1, description="The column with that guidance.")
