"""Control: the base model itself. Nothing is unlearned; what the other rows have cost is the distance to this one."""

from __future__ import annotations

from lethe.methods.method import Card, Control
from lethe.settings.method import NoSettings

METHOD = Control(
    card=Card(title="Base", paper="", code="", commit="", licence=""),
    made_by="nothing",
    per_target=False,
    seeded=False,
    settings=NoSettings,
)
