"""What the two rows of DoCo share: which of its two codes they follow is in their settings and their rule."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from lethe.gradients import Rule
from lethe.methods.method import Recipe
from lethe.objectives import denoise, domain_correction
from lethe.settings.common import Settings
from lethe.settings.method import Adversarial, Anchored, Decaying, TextMethodSettings

PAPER = "Wu et al., AAAI 2025, arXiv 2405.15304"
CODE = "https://github.com/yongliang-wu/DoCo"
NOT_FOR_CLASSES = "it turns target prompts into anchor prompts, and its paper has no experiment without prompts"
DIFFERENCES = (
    "as_released: the discriminator's own step also takes the gradients that the network's loss has left in it, so "
    "that predictions under target prompts count half as anchors; ours are zeroed first.",
    "Anchor images are kept as posteriors of the autoencoder: not flipped, and not shrunk or enlarged, as the released "
    "recipes do for instances and offensive content (with 'very small' or 'zoomed in' in the target prompt only).",
    "Which of the two codes made the paper's tables is not known; neither is called the paper's.",
)


class DoCoSettings(TextMethodSettings, Anchored, Decaying, Adversarial):
    """What both codes share: batches of 8, AdamW, one anchor image and two prompts for each row."""

    batch: int = Field(8, ge=1, description="Anchor images a step.")


def doco(settings: type[DoCoSettings], combine: Callable[[Settings], Rule]) -> Recipe:
    return Recipe(
        settings=settings,
        forget=domain_correction,
        retain=denoise,
        combine=combine,
        trainable="kv",
        frozen_teacher=True,
        adversarial=True,
        first_token_fixed=True,
        released_objective=True,
    )
