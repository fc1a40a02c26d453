"""Settings of the judge that is trained in the workflow."""

from __future__ import annotations

from pydantic import Field

from lethe.settings.common import Settings


class JudgeSettings(Settings):
    """A small convolutional classifier with one class more than the study: noise-like images."""

    width: int = Field(24, ge=1, description="Channels of the first convolution.")
    features: int = Field(48, ge=2, description="Size of the penultimate layer, where distances are measured.")
    steps: int = Field(900, ge=1, description="Optimiser steps.")
    batch: int = Field(128, ge=2, description="Images a step.")
    learning_rate: float = Field(4e-3, gt=0, description="Peak of the one-cycle schedule (AdamW).")
    noise_share: float = Field(0.25, gt=0, lt=1, description="Share of noise-like images in a training batch.")
    accuracy: float = Field(
        0.98, ge=0, le=1, description="Held-out accuracy below which the judge is refused and the workflow stops."
    )
    seed: int = Field(0, ge=0, description="Seed of initialisation, batches and noise-like images.")
