"""What every method must do to a model of classes, whichever they are: a new file in lethe/methods is tested here."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lethe.costs.passes import passes_of_run
from lethe.methods import method_named, method_names
from lethe.methods.method import Batch, Method, Objective, Recipe
from lethe.models.edm import EDM
from lethe.sets import Sets
from lethe.training import ResumableState
from lethe.unlearn.loop import Unlearning, unlearn

OF_CLASSES = {
    name: method.classes
    for name in method_names()
    if isinstance(method := method_named(name), Method) and isinstance(method.classes, Recipe)
}

# Few and large steps on the small base; whatever else a method sets stays at its defaults.
TRAINING = {"steps": 12, "batch": 16, "learning_rate": 3e-3}


def unlearned(
    folder: Path,
    name: str,
    sets: Sets,
    recipe: Recipe | None = None,
    seed: int = 0,
    state: ResumableState | None = None,
    **settings: object,
) -> Unlearning:
    """A run of a method by name, or of its ``recipe`` as it was changed."""
    recipe = recipe or OF_CLASSES[name]
    chosen = recipe.settings(**(TRAINING | settings))
    state = state or ResumableState(None, "")
    return unlearn(EDM.load(folder), method_named(name), recipe, chosen, sets, seed, state)


@pytest.fixture(scope="module")
def finished(base_folder, sets):
    """The finished run of a method by name, made once."""
    return cache(lambda name: unlearned(base_folder, name, sets))


def weights(model: EDM) -> dict[str, Tensor]:
    return dict(model.network.named_parameters())


def assert_equal(model: EDM, other: EDM) -> None:
    for name, weight in weights(model).items():
        assert torch.equal(weight, weights(other)[name]), name


class KilledError(Exception):
    """What stands for the end of the process in the middle of a step."""


def watched(recipe: Recipe, *, seen: dict[str, list[Batch]] | None = None, kill_at: int | None = None) -> Recipe:
    """The same recipe, but its batches are noted in ``seen``, or it dies in the middle of step ``kill_at``."""
    calls = 0

    def note(side: str, objective: Objective, last: bool) -> Objective:
        def noting(model, batch, settings):
            nonlocal calls
            if seen is not None:
                seen.setdefault(side, []).append(batch)
            if last and kill_at is not None:
                calls += 1
                if calls > kill_at:
                    raise KilledError
            return objective(model, batch, settings)

        return noting

    sides = {side: getattr(recipe, side) for side in ("forget", "retain") if getattr(recipe, side) is not None}
    last = [*sides][-1]
    return replace(recipe, **{side: note(side, objective, side == last) for side, objective in sides.items()})


def error_on(model: EDM, images: np.ndarray, conditions: np.ndarray) -> float:
    """The mean weighted error of denoising, over four draws of noise that are the same for every model."""
    clean, classes = model.clean(torch.from_numpy(images)), torch.from_numpy(conditions)
    model = model.frozen()  # the loop goes on counting the passes of its own
    with torch.no_grad():
        errors = []
        for draw in range(4):
            corrupted = model.corrupt(clean, torch.Generator().manual_seed(draw))
            errors.append(corrupted.squared_error(model.predict(corrupted, classes)).mean().item())
    return float(np.mean(errors))


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_model_of_classes_has_what_a_recipe_asks_for(name, base):
    recipe = OF_CLASSES[name]
    assert recipe.trainable in base.groups()
    assert recipe.forget_from == "D_f", "classes have no prompt"
    assert recipe.retain_schedule != "paired batch", "classes have no pairs"


@pytest.mark.parametrize("name", [name for name, recipe in OF_CLASSES.items() if recipe.forget is not None])
def test_the_target_is_forgotten_more_than_the_rest(name, base, sets, finished):
    """A method without a forget objective is excused: it can but hope (finetune)."""
    model = finished(name).model
    before = error_on(base, sets.forget_clean, sets.forget_conditions)
    forgotten = error_on(model, sets.forget_clean, sets.forget_conditions) / before - 1
    kept = error_on(base, sets.retain_clean, sets.retain_conditions)
    lost = error_on(model, sets.retain_clean, sets.retain_conditions) / kept - 1
    assert forgotten > 0.1
    assert forgotten > lost


@pytest.mark.parametrize("name", [name for name, recipe in OF_CLASSES.items() if recipe.retain is not None])
def test_a_retain_objective_keeps_the_rest(name, base, sets, finished):
    before = error_on(base, sets.retain_clean, sets.retain_conditions)
    assert error_on(finished(name).model, sets.retain_clean, sets.retain_conditions) < 1.5 * before


@pytest.mark.parametrize("name", OF_CLASSES)
def test_only_the_weights_of_the_group_and_of_the_mask_move(name, base, finished):
    loop, chosen = finished(name), base.groups()[OF_CLASSES[name].trainable]
    before, after = weights(base), weights(loop.model)
    trainable = [weight for weight in before if chosen(weight)]
    assert any(not torch.equal(before[weight], after[weight]) for weight in trainable)
    for weight in before.keys() - set(trainable):
        assert torch.equal(before[weight], after[weight])
    if loop.mask is not None:
        for weight, mask in zip(trainable, loop.mask, strict=True):
            frozen = mask == 0
            assert torch.equal(before[weight][frozen], after[weight][frozen])
        fraction = loop.settings.mask_fraction
        assert sum(int(mask.sum()) for mask in loop.mask) == int(fraction * sum(map(torch.numel, loop.mask)))


@pytest.mark.parametrize("name", OF_CLASSES)
def test_every_image_is_seen_and_the_same_run_ends_the_same(name, base_folder, sets, finished):
    """The first is against `next(iter(loader))` in each step, the bug of many a released loop."""
    seen: dict[str, list[Batch]] = {}
    recipe = OF_CLASSES[name]
    loop = unlearned(base_folder, name, sets, watched(recipe, seen=seen))
    assert_equal(loop.model, finished(name).model)
    for side, images in (("forget", sets.forget_clean), ("retain", sets.retain_clean)):
        if getattr(recipe, side) is None:
            assert side not in seen
            continue
        shown = {image.numpy().tobytes() for batch in seen[side] for image in batch.clean}
        assert shown == {image.numpy().tobytes() for image in loop.model.clean(torch.from_numpy(images))}
        # And each step draws noise of its own.
        assert len({batch.generator.initial_seed() for batch in seen[side]}) == TRAINING["steps"]


@pytest.mark.parametrize("name", OF_CLASSES)
def test_another_seed_is_another_run(name, base_folder, sets):
    one, other = (unlearned(base_folder, name, sets, seed=seed, steps=1).model for seed in (0, 1))
    assert any(not torch.equal(weight, weights(one)[at]) for at, weight in weights(other).items())


@pytest.mark.parametrize("name", OF_CLASSES)
def test_the_plan_of_a_run_knows_what_it_takes(name, sets, finished):
    loop = finished(name)
    passes = passes_of_run(OF_CLASSES[name], loop.settings, len(sets.forget_clean), len(sets.retain_clean))
    assert list(passes) == loop.passes.counts


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_run_that_died_within_a_step_ends_as_if_it_had_not(name, base_folder, sets, finished, tmp_path):
    def state() -> ResumableState:
        return ResumableState(tmp_path / "state", name, seconds=0)

    recipe = OF_CLASSES[name]
    with pytest.raises(KilledError):
        unlearned(base_folder, name, sets, watched(recipe, kill_at=7), state=state())
    seen: dict[str, list[Batch]] = {}
    resumed = unlearned(base_folder, name, sets, watched(recipe, seen=seen), state=state())
    whole = finished(name)
    assert_equal(resumed.model, whole.model)
    assert resumed.passes.counts == whole.passes.counts
    assert resumed.passes_for_mask == whole.passes_for_mask
    assert resumed.trajectory.table() == whole.trajectory.table()
    # It did go on, and did not begin again.
    shown = sum(len(batch.clean) for batches in seen.values() for batch in batches)
    assert 0 < shown < whole.passes.counts[0] - whole.passes_for_mask[0]


@pytest.mark.parametrize("name", [name for name, recipe in OF_CLASSES.items() if recipe.has_released_defects])
def test_the_released_defects_make_a_difference_that_runs(name, base_folder, sets, finished):
    loop = unlearned(base_folder, name, sets, as_released=True)
    assert any(not torch.equal(weight, weights(finished(name).model)[at]) for at, weight in weights(loop.model).items())
    assert all(weight.isfinite().all() for weight in weights(loop.model).values())


@pytest.mark.parametrize("name", OF_CLASSES)
def test_the_trajectory_has_what_the_method_has(name, finished):
    recipe, table = OF_CLASSES[name], finished(name).trajectory.table()
    assert len(table) == TRAINING["steps"]
    for row in table:
        assert (row["forget_loss"] != "") == (recipe.forget is not None)
        assert (row["retain_loss"] != "") == (recipe.retain is not None)
        assert (row["cosine"] != "") == recipe.needs_conflict
