"""ESD-x: cross-attention only; for concepts that a prompt names, such as styles."""

from __future__ import annotations

from lethe.methods._esd import CODE, DIFFERENCES, NOT_FOR_CLASSES, PAPER, esd
from lethe.methods.method import Card, Method

METHOD = Method(
    card=Card(title="ESD-x", paper=PAPER, code=CODE, commit="a2189e9", licence="MIT", differences=DIFFERENCES),
    classes=NOT_FOR_CLASSES,
    text=esd("xattn"),
)
