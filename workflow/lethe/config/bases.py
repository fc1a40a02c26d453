"""The bases of a study: trained in the workflow, or given."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from lethe.config.given_base import GivenBaseSettings, GivenStableDiffusion3Settings, GivenStableDiffusionSettings
from lethe.settings.base import BaseSettings
from lethe.settings.common import is_given
from lethe.settings.stable_diffusion import StableDiffusionSettings
from lethe.settings.stable_diffusion3 import StableDiffusion3Settings

CLASS_BASES = {"trained": BaseSettings, "given": GivenBaseSettings}
ClassBase = Annotated[
    Annotated[BaseSettings, Tag("trained")] | Annotated[GivenBaseSettings, Tag("given")],
    Discriminator(is_given),
]


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
