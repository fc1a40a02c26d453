"""ESD-u: all weights but cross-attention, time embedding and output; for concepts that any prompt may bring up."""

from __future__ import annotations

from lethe.methods._esd import CODE, DIFFERENCES, NOT_FOR_CLASSES, PAPER, esd
from lethe.methods.method import Card, Method

METHOD = Method(
    card=Card(title="ESD-u", paper=PAPER, code=CODE, commit="a2189e9", licence="MIT", differences=DIFFERENCES),
    classes=NOT_FOR_CLASSES,
    text=esd("noxattn"),
)
