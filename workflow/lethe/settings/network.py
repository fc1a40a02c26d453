"""Settings of the class-conditional network and of its EDM preconditioning."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from lethe.settings.common import Settings


class PreconditioningSettings(Settings):
    """EDM's preconditioning and noise distribution (Karras et al. 2022, Table 1)."""

    sigma_data: float = Field(0.6, gt=0, description="EDM's sigma_data: standard deviation of the pixels in [-1, 1].")
    p_mean: float = Field(-1.2, description="EDM's P_mean: mean of ln(sigma) in training.")
    p_std: float = Field(1.2, gt=0, description="EDM's P_std: standard deviation of ln(sigma) in training.")


class _UNetSettings(Settings):
    widths: tuple[PositiveInt, ...] = Field(
        (16, 32), min_length=1, description="Channels of each resolution, finest first; each level halves the image."
    )
    layers: int = Field(1, ge=1, description="Residual blocks per resolution.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout inside the residual blocks, in training only.")


class NetworkSettings(PreconditioningSettings, _UNetSettings):
    """A diffusers ``UNet2DModel`` inside EDM's preconditioning."""
