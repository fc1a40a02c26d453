"""The methods' defaults on Stable Diffusion are the published ones."""

from __future__ import annotations

import pytest

from lethe.methods import method_named

SCRIPTED = {"steps": 100, "batch": 8, "learning_rate": 1e-5, "clip_norm": None}
RGD = SCRIPTED | {"retain_weight": 1.6, "truncation": 1.5}
SALUN = SCRIPTED | {"retain_weight": 0.1, "strategy": "uniform"}
ESD = {"steps": 1000, "batch": 1, "learning_rate": 1e-5, "start_guidance": 3, "start_steps": 50, "negative_guidance": 1}
# Of RGD's paper, appendix C, and of the released scripts: one pass over 800 pairs; SalUn's and ESD's as in their own.
PUBLISHED = {
    "rgd": ("all", RGD | {"strategy": "diversified"}),
    "graddiff": ("all", RGD | {"strategy": "diversified"}),
    "rg": ("all", RGD | {"strategy": "uniform"}),
    "salun": ("all", SALUN | {"mask_fraction": 0.5, "mask_guidance": 7.5, "mask_as_released": False}),
    "esd": ("all", ESD),
    "esd_u": ("noxattn", ESD),
    "esd_x": ("xattn", ESD),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_defaults_on_stable_diffusion(name):
    group, published = PUBLISHED[name]
    recipe = method_named(name).recipe("text")
    assert recipe.trainable == group
    assert {key: getattr(recipe.settings(), key) for key in published} == published
    assert getattr(recipe.settings(), "weight_decay", 0) == 0  # Adam


def test_concept_ablation_has_the_rate_of_two_gpus():
    recipe = method_named("concept_ablation").recipe("text")
    settings = recipe.settings()
    assert recipe.trainable == "kv"
    assert (settings.steps, settings.weight_decay) == (100, 1e-2)
    assert settings.learning_rate == pytest.approx(2e-6 * 4 * 2)
