"""DoCo as first uploaded: a projection, and a discriminator that looks at the predicted noise, as in its figure."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.gradients import doco_first_upload
from lethe.methods._doco import CODE, DIFFERENCES, NOT_FOR_CLASSES, PAPER, DoCoSettings, doco
from lethe.methods.method import Card, Method


class FirstUploadSettings(DoCoSettings):
    """The recipe of October 2024: for a style; for an instance and offensive content conflict_removed is 0.5 and the
    discriminator's rate 1e-4."""

    steps: int = Field(1000, ge=1, description="Steps, of which the first warm_up + 1 only train the discriminator.")
    learning_rate: float = Field(1.6e-5, gt=0, description="AdamW's learning rate, constant: 2e-6 x batch (one GPU).")
    warm_up: int = Field(
        200, ge=0, description="Up to and with this step (from 0) only the discriminator learns; the network after it."
    )
    discriminator_rate: float = Field(5e-4, gt=0, description="Adam's learning rate of the discriminator.")
    discriminator_sees: Literal["noise", "clean"] = Field(
        "noise", description="What it tells apart: predicted noise, or the clean latents that it implies."
    )


METHOD = Method(
    card=Card(
        title="DoCo (first upload)",
        paper=PAPER,
        code=CODE,
        commit="9214ec4",
        licence="none stated",
        differences=(*DIFFERENCES, "The first upload cannot start as published: it imports a package it lacks."),
    ),
    classes=NOT_FOR_CLASSES,
    text=doco(FirstUploadSettings, lambda settings: doco_first_upload(settings.conflict_removed)),
)
