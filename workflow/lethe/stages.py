"""The stages of a run, in the order of the way of the data, and the stage of each rule."""

from __future__ import annotations

STAGES = {
    "assets": "downloads",
    "data": "data",
    "base": "training of the base models",
    "judges": "training of the judges",
    "sets": "forget and retain sets",
    "unlearn": "unlearning",
    "sample": "sampling",
    "judge": "judging",
    "measure": "measuring and model cards",
    "artefacts": "tables and figures",
    "other": "other jobs",
}

WITH_A_NETWORK = frozenset({"base", "judges", "unlearn", "sample", "judge"})
"""Stages all of whose jobs run a network; of the sets, some do."""

TARGETS = frozenset({"all", "tables", "figures"})
"""Rules that only name what others make."""

_RULES = {
    "assets": ("fetch",),
    "data": ("data",),
    "base": (
        *("base", "base_stable_diffusion", "base_stable_diffusion_3", "retrained"),
        *("given_base", "given_base_edm", "given_base_stable_diffusion_3"),
    ),
    "judges": ("judge_train", "alignment", "detector", "attributes"),
    "sets": ("sets", "similarity", "prompts", "embeddings", "imported_embeddings", "training_images", "encode"),
    "unlearn": ("unlearn", "unlearn_stable_diffusion", "unlearn_stable_diffusion_3"),
    "sample": ("sample",),
    "judge": ("judge_data", "judge_images", "judge_images_text", "judge_captions", "real_images_text"),
    "measure": ("measure", "measure_text", "caption_distances", "image_metrics", "card"),
    "other": ("imported", "imported_stable_diffusion", "imported_stable_diffusion_3"),
}
_STAGES_OF_RULES = {rule: stage for stage, rules in _RULES.items() for rule in rules}


def stage_of_rule(rule: str) -> str:
    """The stage of a rule; one that is not named here makes a table, a figure, or the report."""
    return _STAGES_OF_RULES.get(rule, "artefacts")
