"""Settings of the sample stage of a text study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings

SAMPLERS = {"stable_diffusion": ("pndm", "fast"), "stable_diffusion_3": ("euler",)}
"""Which of them can draw from each family of models."""


class TextSamplingSettings(Settings):
    """Which images are drawn from each model, and how. The defaults are those of RGD's evaluation (one image a prompt,
    what diffusers does with Stable Diffusion 1.4 by default)."""

    train_prompts: int | None = Field(
        None, ge=1, description="Draw images of the first so many training prompts of D_f and of D_r; null: of all."
    )
    images_per_prompt: int = Field(1, ge=1, description="Images of each prompt, each with a seed of its own.")
    sampler: Literal["pndm", "fast", "euler"] = Field(
        "pndm",
        description="pndm = as released (PNDM); fast = DPM-Solver++ with Karras noise levels; euler = Stable Diffusion "
        "3's, for that only.",
    )
    steps: int = Field(50, ge=2, description="Steps of the sampler (fast is as good with 20).")
    guidance: float = Field(7.5, ge=0, description="Weight of classifier-free guidance.")
    unseeded: bool = Field(
        False,
        description="Draw what is measured from seeds of the operating system, other ones in every run, as RGD's "
        "evaluation does; they are kept with the images.",
    )
    kernel_batch: int = Field(
        16, ge=1, description="Images in one network call; the last call is padded, so bytes do not depend on the rest."
    )
    shard_images: int = Field(
        1000,
        ge=1,
        description="Images in one job: a larger set is drawn, and judged, by several jobs and read as one. A multiple "
        "of kernel_batch leaves every call of the network as it is in one job.",
    )
