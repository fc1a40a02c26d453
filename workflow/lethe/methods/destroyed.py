"""Control: the base model's network with random weights. It has forgotten everything: UA alone proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lethe.methods.method import Card, Control
from lethe.randomness import derived_seed
from lethe.settings.method import NoSettings

if TYPE_CHECKING:
    from lethe.models.denoiser import Denoiser


def draw_new_weights(model: Denoiser, seed: int) -> None:
    """Initialise every layer again, as it was when it was made."""
    import torch  # here, since the workflow reads this file when it plans

    torch.manual_seed(derived_seed(seed, "destroyed"))
    for module in model.network.cpu().modules():  # drawn there, to be the same on every machine
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    model.network.to(model.device)


METHOD = Control(
    card=Card(title="Destroyed", paper="", code="", commit="", licence=""),
    made_by="unlearn",
    per_target=False,
    seeded=True,
    settings=NoSettings,
    prepare=draw_new_weights,
)
