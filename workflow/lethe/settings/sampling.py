"""Settings of the sample stage."""

from __future__ import annotations

from pydantic import Field, model_validator

from lethe.settings.common import Settings


class SamplingSettings(Settings):
    """How many images are drawn from each model, and by which sampler (EDM's deterministic Heun)."""

    forget_images: int = Field(100, ge=1, description="Images conditioned on the forgotten class, for UA.")
    retain_images: int = Field(
        50,
        ge=1,
        description="Images of each remaining class, for RA and the distances.",
    )
    steps: int = Field(18, ge=2, description="Steps of the Heun sampler; 2 * steps - 1 network calls an image.")
    sigma_min: float = Field(0.002, gt=0, description="Lowest noise level.")
    sigma_max: float = Field(80.0, gt=0, description="Highest noise level.")
    rho: float = Field(7.0, gt=0, description="Curvature of the noise schedule.")
    unseeded: bool = Field(
        False,
        description="Draw what is measured from seeds of the operating system, other ones in every run, as RGD's "
        "evaluation does; they are kept with the images.",
    )
    # Not said where it is off: what is written of images is then as it was before there was the choice.
    tf32: bool = Field(
        False,
        exclude_if=lambda is_on: not is_on,
        description="Convolutions in TF32 on GPUs that have it, about five times as fast; EDM's own sampler does so.",
    )
    kernel_batch: int = Field(
        64, ge=1, description="Images in one network call; the last call is padded, so bytes do not depend on the rest."
    )
    shard_images: int = Field(
        5000,
        ge=1,
        description="Images in one job: a larger set is drawn, and judged, by several jobs and read as one. A multiple "
        "of kernel_batch leaves every call of the network as it is in one job.",
    )

    @model_validator(mode="after")
    def _levels_descend(self) -> SamplingSettings:
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min = {self.sigma_min} is not below sigma_max = {self.sigma_max}")
        return self
