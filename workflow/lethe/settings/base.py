"""Settings of the base stage: the model that is to forget."""

from __future__ import annotations

from pydantic import Field

from lethe.settings.common import Settings
from lethe.settings.network import NetworkSettings


class GivenBaseSettings(Settings):
    """A base model of classes that others have trained."""

    given: str = Field(
        "edm_cifar10",
        min_length=1,
        description="A DDPM++ checkpoint of EDM: the name of an asset, or the path of a file of your own.",
    )


class BaseSettings(Settings):
    """How the base model is trained."""

    network: NetworkSettings = Field(default_factory=NetworkSettings, description="The network.")
    steps: int = Field(1500, ge=1, description="Optimiser steps.")
    batch: int = Field(64, ge=1, description="Images a step.")
    learning_rate: float = Field(6e-3, gt=0, description="Peak of the one-cycle schedule (AdamW).")
    ema: float = Field(
        0.99, ge=0, lt=1, description="Decay of the exponential moving average of the weights, which is what is saved."
    )
    seed: int = Field(0, ge=0, description="Seed of initialisation, batches and noise.")
