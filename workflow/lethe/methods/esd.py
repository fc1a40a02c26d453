"""ESD on all weights of the U-Net: the row ESD of RGD's tables."""

from __future__ import annotations

from lethe.methods._esd import CODE, DIFFERENCES, NOT_FOR_CLASSES, PAPER, esd
from lethe.methods.method import Card, Method

METHOD = Method(
    card=Card(title="ESD", paper=PAPER, code=CODE, commit="a2189e9", licence="MIT", differences=DIFFERENCES),
    classes=NOT_FOR_CLASSES,
    text=esd("all"),
)
