"""DoCo as released since November 2024: a discriminator of clean estimates, and a rule without the factor ||g_f||."""

from __future__ import annotations

from pydantic import Field

from lethe.gradients import doco_release
from lethe.methods._doco import CODE, DIFFERENCES, NOT_FOR_CLASSES, PAPER, DoCoSettings, doco
from lethe.methods.method import Card, Method


class ReleaseSettings(DoCoSettings):
    """The recipe of the released README: for an instance and offensive content; for a style the discriminator's rate is
    5e-4."""

    steps: int = Field(2000, ge=1, description="Steps, of which the first warm_up + 1 only train the discriminator.")
    learning_rate: float = Field(4.8e-5, gt=0, description="AdamW's learning rate, constant: 6e-6 x batch (one GPU).")


METHOD = Method(
    card=Card(
        title="DoCo (release)",
        paper=PAPER,
        code=CODE,
        commit="1a36e61",
        licence="none stated",
        differences=(
            *DIFFERENCES,
            "Its rule is no projection: it subtracts the cosine times the unit retain gradient, without the factor "
            "||g_f||, so that where gradients conflict a tensor mostly descends the retain loss.",
        ),
    ),
    classes=NOT_FOR_CLASSES,
    text=doco(ReleaseSettings, lambda settings: doco_release(settings.conflict_removed)),
)
