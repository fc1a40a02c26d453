"""One step of the loop against gradients worked out by hand."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lethe.errors import LetheError
from lethe.methods import method_named
from lethe.methods.method import Batch, Objective, Recipe
from lethe.models.denoiser import Corrupted
from lethe.models.edm import EDM
from lethe.sets import Sets
from lethe.sets.classes import make_sets
from lethe.settings.network import NetworkSettings
from lethe.settings.sets import SetsSettings
from lethe.training import ResumableState
from lethe.unlearn.loop import Unlearning, unlearn

NAMES = ("rg", "rgd", "salun", "graddiff", "finetune")
RG, RGD, SALUN, GRADDIFF, FINETUNE = (method_named(name).recipe("class") for name in NAMES)


def with_noise_of_the_image(model: EDM, batch: Batch) -> Corrupted:
    """Corrupt each image by a noise that depends on its pixels alone, so that any split into batches sees the same."""
    noise, levels = [], []
    for image in batch.clean:
        generator = torch.Generator().manual_seed(zlib.crc32(image.numpy().tobytes()))
        noise.append(torch.randn(batch.clean.shape[1:], generator=generator))
        levels.append(torch.rand((1, 1, 1), generator=generator) + 0.1)
    level = torch.stack(levels)
    weight = (level**2 + 0.36) / (0.6 * level) ** 2
    return Corrupted(batch.clean, batch.clean + level * torch.stack(noise), level, weight)


def steady(model: EDM, batch: Batch, settings: Any) -> Tensor:
    """``denoise`` with that noise."""
    corrupted = with_noise_of_the_image(model, batch)
    return corrupted.squared_error(model.predict(corrupted, batch.conditions)).mean()


def steady_ascent(model: EDM, batch: Batch, settings: Any) -> Tensor:
    return -steady(model, batch, settings)


def flat(tensors) -> np.ndarray:
    return np.concatenate([tensor.detach().double().numpy().ravel() for tensor in tensors])


def applied(loop: Unlearning) -> np.ndarray:
    """The gradient that Adam was given in its first step: its first moment is then a tenth of it."""
    return flat(loop.optimiser.state[weight]["exp_avg"] for weight in loop.weights) / (1 - 0.9)


def gradient_of(model: EDM, objective: Objective, images: np.ndarray, conditions: np.ndarray) -> np.ndarray:
    """The gradient of the mean over all of ``images``, in one batch."""
    batch = Batch(model.clean(torch.from_numpy(images)), torch.from_numpy(conditions), torch.Generator())
    return flat(torch.autograd.grad(objective(model, batch, None), list(model.network.parameters())))


def first_step(base_folder: Path, recipe: Recipe, sets: Sets, seed: int = 0, **settings: Any) -> Unlearning:
    loop = Unlearning(EDM.load(base_folder), recipe, recipe.settings(**settings), sets, seed)
    loop.prepare()
    loop.step(0)
    return loop


def retained(base: EDM, sets: Sets) -> np.ndarray:
    return gradient_of(base, steady, sets.retain_clean, sets.retain_conditions)


def assert_near(found: np.ndarray, expected: np.ndarray) -> None:
    assert np.linalg.norm(found - expected) < 1e-4 * np.linalg.norm(expected)


@pytest.fixture(scope="module")
def sets_of_126(digits) -> Sets:
    """As in the miniature: 14 images of each of nine classes."""
    return make_sets(digits, 3, SetsSettings(retain_per_class=14), seed=0)


@pytest.mark.parametrize("batch", [7, 18, 64])
def test_all_of_d_r_gives_the_gradient_of_its_mean(base, base_folder, sets, batch):
    """18 images in batches of 7 (7 + 7 + 4), in one of 18, and in one that is not full."""
    recipe = replace(RGD, forget=None, retain=steady)
    assert_near(applied(first_step(base_folder, recipe, sets, batch=batch)), retained(base, sets))


def test_as_released_divides_short_batches_by_the_full_size(base, base_folder, sets_of_126):
    """RGD's loop divides 64 + 62 images by 64 each and averages the two: 126/128 of the mean."""
    recipe = replace(RGD, forget=None, retain=steady)
    loop = first_step(base_folder, recipe, sets_of_126, batch=64, as_released=True)
    assert_near(applied(loop), 126 / 128 * retained(base, sets_of_126))


@pytest.mark.parametrize("as_released", [False, True])
def test_one_batch_of_d_r_is_one_batch(base, base_folder, sets, as_released):
    """Batches of 16 of 18 images: the stream's second is full; the released loader's has 2, divided by 16."""
    seen: list[Batch] = []

    def watched(model: EDM, batch: Batch, settings: Any) -> Tensor:
        seen.append(batch)
        return steady(model, batch, settings)

    recipe, settings = replace(RG, forget=None, retain=watched), RG.settings(batch=16, as_released=as_released)
    loop = Unlearning(EDM.load(base_folder), recipe, settings, sets, 0)
    loop.prepare()
    loop.step(1)
    (batch,) = seen
    assert len(batch.clean) == (2 if as_released else 16)
    mean = torch.autograd.grad(steady(base, batch, None), list(base.network.parameters()))
    assert_near(applied(loop), flat(mean) * (2 / 16 if as_released else 1))


@pytest.mark.parametrize("retain_weight", [0.5, 5.0])
@pytest.mark.parametrize("recipe", [GRADDIFF, RG], ids=["sum", "restricted"])
def test_lambda_multiplies_the_retain_gradient_after_the_projection(base, base_folder, sets, recipe, retain_weight):
    """Against flattening both gradients and Theorem 4, in float64; the sets are one batch each.

    D_r holds some of D_f, so that the two conflict.
    """
    images = np.concatenate([sets.retain_clean, sets.forget_clean[:20]])
    conditions = np.concatenate([sets.retain_conditions, sets.forget_conditions[:20]])
    sets = replace(sets, retain_clean=images, retain_conditions=conditions)
    watched = replace(recipe, forget=steady_ascent, retain=steady)
    loop = first_step(base_folder, watched, sets, batch=64, retain_weight=retain_weight)
    g_f = gradient_of(base, steady_ascent, sets.forget_clean, sets.forget_conditions)
    g_r = retained(base, sets)
    assert g_f @ g_r < 0
    d_f, d_r = g_f, g_r
    if recipe is RG:
        d_f = g_f - (g_f @ g_r) / (g_r @ g_r) * g_r
        d_r = g_r - (g_f @ g_r) / (g_f @ g_f) * g_f
        assert np.linalg.norm(g_f - d_f) > 0.3 * np.linalg.norm(g_f)
    assert_near(applied(loop), d_f + retain_weight * d_r)

    (row,) = loop.trajectory.table()
    assert row["forget_norm"] == pytest.approx(np.linalg.norm(g_f), rel=1e-4)
    assert row["retain_norm"] == pytest.approx(np.linalg.norm(g_r), rel=1e-4)
    assert row["cosine"] == pytest.approx(g_f @ g_r / np.linalg.norm(g_f) / np.linalg.norm(g_r), rel=1e-3)
    assert row["conflict"] == 1


def test_the_step_is_adams(base, base_folder, sets):
    """After one step Adam has moved each weight by its learning rate against the sign of the gradient."""
    loop = first_step(base_folder, replace(FINETUNE, retain=steady), sets, batch=64, learning_rate=1e-3)
    moved = flat(loop.model.network.parameters()) - flat(base.network.parameters())
    gradient = retained(base, sets)
    clear = np.abs(gradient) > 1e-5
    assert clear.mean() > 0.5
    np.testing.assert_allclose(moved[clear], -1e-3 * np.sign(gradient[clear]), rtol=0.02)


@pytest.mark.parametrize(
    ("recipe", "batch", "examples"),
    [(RG, 16, 16 + 16), (RGD, 16, 16 + 18), (RGD, 5, 5 + 18), (RGD, 18, 18 + 18), (FINETUNE, 16, 16)],
)
def test_passes_are_those_of_the_retain_schedule(base_folder, sets, recipe, batch, examples):
    loop = first_step(base_folder, recipe, sets, batch=batch)
    assert loop.passes.counts == [examples, 0]
    loop.step(1)
    assert loop.passes.counts == [2 * examples, 0]


def test_a_teachers_passes_are_without_gradient_and_a_masks_are_known(base_folder, sets):
    loop = first_step(base_folder, SALUN, sets, batch=16)
    assert loop.passes_for_mask == [40, 0]
    assert loop.passes.counts == [40 + 16 + 16, 16]


@pytest.mark.parametrize("as_released", [False, True])
def test_a_paired_batch_is_the_same_rows_of_both_sets(base_folder, sets, as_released):
    """As a released loader does, in the order of the sets; ours shuffles."""
    seen: dict[str, list[Batch]] = {"forget": [], "retain": []}

    def watched(side: str) -> Objective:
        return lambda model, batch, settings: seen[side].append(batch) or steady(model, batch, settings)

    recipe = replace(
        RG,
        forget=watched("forget"),
        retain=watched("retain"),
        retain_schedule="paired batch",
        released_loader="in order",
    )
    with pytest.raises(LetheError, match="D_f has 40 examples and D_r 18"):
        Unlearning(EDM.load(base_folder), recipe, recipe.settings(), sets, 0)
    sets = replace(sets, forget_clean=sets.forget_clean[:18], forget_conditions=sets.forget_conditions[:18])
    loop = Unlearning(EDM.load(base_folder), recipe, recipe.settings(batch=6, as_released=as_released), sets, 0)
    for step in range(3):
        loop.step(step)
    places = {}
    for side, images in (("forget", sets.forget_clean), ("retain", sets.retain_clean)):
        of = {image.numpy().tobytes(): row for row, image in enumerate(loop.model.clean(torch.from_numpy(images)))}
        places[side] = [of[image.numpy().tobytes()] for batch in seen[side] for image in batch.clean]
    assert places["forget"] == places["retain"]
    assert sorted(places["forget"]) == list(range(18))
    assert (places["forget"] == list(range(18))) == as_released


def test_the_gradient_is_clipped_as_a_whole_and_then_masked(base, base_folder, sets):
    unclipped = first_step(base_folder, SALUN, sets, batch=16, clip_norm=None, mask_fraction=0.5)
    mask = flat(unclipped.mask)
    full = first_step(base_folder, replace(SALUN, mask=None), sets, batch=16, clip_norm=None)
    whole = applied(full)
    assert_near(applied(unclipped), mask * whole)
    limit = float(np.linalg.norm(whole)) / 10
    clipped = first_step(base_folder, SALUN, sets, batch=16, clip_norm=limit, mask_fraction=0.5)
    # Before masking: the norm of what is left is below the limit, by the share that the mask took.
    assert_near(applied(clipped), mask * whole / 10)


def test_a_method_moves_only_the_group_it_names(base, base_folder, sets, weights_of):
    recipe = replace(GRADDIFF, trainable="condition")
    loop = first_step(base_folder, recipe, sets, batch=16, learning_rate=1e-2)
    chosen = base.groups()["condition"]
    after, before = weights_of(loop.model), weights_of(base)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(chosen(name) for name in moved)


def test_a_group_that_the_model_lacks_is_refused(base, sets):
    with pytest.raises(LetheError, match=r"no parameter group 'al'.*\n.*did you mean 'all'"):
        Unlearning(base, replace(RG, trainable="al"), RG.settings(), sets, 0)


def test_as_released_is_refused_where_it_would_change_nothing(base, sets):
    with pytest.raises(LetheError, match="as_released, but there is no defect"):
        Unlearning(base, FINETUNE, FINETUNE.settings(as_released=True), sets, 0)


def test_sets_of_another_study_are_refused(base, base_folder, sets):
    for side in ("forget", "retain"):
        clean = np.zeros((5, 3, 8, 8), np.uint8)
        wrong = replace(sets, **{f"{side}_clean": clean, f"{side}_conditions": np.zeros(5, np.int64)})
        with pytest.raises(LetheError, match=rf"D_{side[0]} holds examples \(3, 8, 8\), .* makes \(1, 8, 8\)"):
            Unlearning(base, RG, RG.settings(), wrong, 0)
    wrong = replace(sets, forget_conditions=np.full(40, 10))
    with pytest.raises(LetheError, match="D_f is of class 10, but the model has 10 classes"):
        Unlearning(base, RG, RG.settings(), wrong, 0)


def test_a_run_that_diverges_stops(base, sets):
    method = method_named("gradient_ascent")
    recipe = method.recipe("class")
    settings = recipe.settings(steps=30, batch=16, learning_rate=1e8)
    with pytest.raises(LetheError, match=r"Gradient ascent on 3: the loss of step \d+ is not finite"):
        unlearn(base, method, recipe, settings, sets, 0, ResumableState(None, ""))


def test_dropout_is_on_in_training_and_follows_the_step(tmp_path, sets):
    torch.manual_seed(0)
    model = EDM.new(NetworkSettings(widths=(8,), dropout=0.5), channels=1, size=8, classes=10)
    model.save(tmp_path / "model", {})
    recipe = replace(FINETUNE, retain=steady)  # whose noise is that of the images: all that changes is the dropout
    one, again, other = (first_step(tmp_path / "model", recipe, sets, seed, batch=64) for seed in (0, 0, 1))
    np.testing.assert_array_equal(applied(one), applied(again))
    assert np.linalg.norm(applied(one) - applied(other)) > 0.1 * np.linalg.norm(applied(one))
