"""Concept Ablation: under the target prompt predict what the network predicts under the anchor prompt."""

from __future__ import annotations

from pydantic import Field

from lethe.methods.method import Card, Method, Recipe
from lethe.objectives import ablate
from lethe.settings.method import Ablating, Anchored, Decaying, TextMethodSettings


class ConceptAblationSettings(TextMethodSettings, Anchored, Decaying, Ablating):
    """The recipe for styles and objects; nudity takes 400 steps at twice the rate."""

    learning_rate: float = Field(1.6e-5, gt=0, description="AdamW's learning rate, constant: 2e-6 x 4 images x 2 GPUs.")


METHOD = Method(
    card=Card(
        title="Concept Ablation",
        paper="Kumari et al., ICCV 2023, arXiv 2303.13516",
        code="https://github.com/nupurkmr9/concept-ablation (diffusers)",
        commit="as of 2026-11",
        licence="MIT",
        differences=(
            "Anchor images are kept as posteriors of the autoencoder: neither augmented nor masked.",
            "The optional loss on the anchor prompts is left out, as in the recipes for styles and objects.",
        ),
    ),
    classes="it turns target prompts into anchor prompts, and its paper has no experiment without prompts",
    text=Recipe(settings=ConceptAblationSettings, forget=ablate, trainable="kv", first_token_fixed=True),
)
