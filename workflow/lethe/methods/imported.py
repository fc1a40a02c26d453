"""Not a method of Lethe's: a model that others have unlearned, measured beside the other rows (``given`` says where it
lies)."""

from __future__ import annotations

from lethe.methods.method import Card, Control
from lethe.settings.imported import ImportSettings

METHOD = Control(
    card=Card(title="Imported", paper="", code="", commit="", licence=""),
    made_by="import",
    per_target=True,
    seeded=False,
    settings=ImportSettings,
)
