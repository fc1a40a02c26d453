"""Control: a model trained like the base, from the beginning, without the target: what unlearning tries to reach."""

from __future__ import annotations

from lethe.methods.method import Card, Control
from lethe.settings.method import NoSettings

METHOD = Control(
    card=Card(title="Retrained", paper="", code="", commit="", licence=""),
    made_by="base",
    per_target=True,
    seeded=False,
    settings=NoSettings,
    kinds=("class",),
)
