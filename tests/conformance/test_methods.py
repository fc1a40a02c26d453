"""What every method must do, whichever they are: a new file in lethe/methods is tested here without a word more."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lethe.gradients import RULES
from lethe.methods import method_named, method_names
from lethe.methods.method import Batch, Control, Method, Objective
from lethe.models.edm import EDM
from lethe.sets import Sets
from lethe.settings.common import Settings
from lethe.settings.options import add_options, as_options, from_options
from lethe.training import ResumableState
from lethe.unlearn import Unlearning, unlearn

EVERY = method_names()
METHODS = [name for name in EVERY if isinstance(method_named(name), Method)]
CONTROLS = [name for name in EVERY if isinstance(method_named(name), Control)]

# Few and large steps on the small base; whatever else a method sets stays at its defaults.
TRAINING = {"steps": 12, "batch": 16, "learning_rate": 3e-3}


def settings_of(method: Method) -> Settings:
    return method.settings(**TRAINING)


def unlearned(folder: Path, method: Method, sets: Sets, state: ResumableState | None = None) -> Unlearning:
    return unlearn(EDM.load(folder), method, settings_of(method), sets, 0, state or ResumableState(None, ""))


@pytest.fixture(scope="module")
def finished(base_folder, sets):
    """The finished run of a method by name, made once."""
    return cache(lambda name: unlearned(base_folder, method_named(name), sets))


def weights(model: EDM) -> dict[str, Tensor]:
    return dict(model.network.named_parameters())


def assert_equal(model: EDM, other: EDM) -> None:
    for name, weight in weights(model).items():
        assert torch.equal(weight, weights(other)[name]), name


class KilledError(Exception):
    """What stands for the end of the process in the middle of a step."""


def watched(method: Method, *, seen: dict[str, list[Batch]] | None = None, kill_at: int | None = None) -> Method:
    """The same method, but its batches are noted in ``seen``, or it dies in the middle of step ``kill_at``."""
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

    sides = {side: getattr(method, side) for side in ("forget", "retain") if getattr(method, side) is not None}
    last = [*sides][-1]
    return replace(method, **{side: note(side, objective, side == last) for side, objective in sides.items()})


def error_on(model: EDM, images: np.ndarray, conditions: np.ndarray) -> float:
    """The mean weighted error of denoising, over four draws of noise that are the same for every model."""
    clean, classes = model.clean(torch.from_numpy(images)), torch.from_numpy(conditions)
    model.network.eval()
    with torch.no_grad():
        errors = []
        for draw in range(4):
            corrupted = model.corrupt(clean, torch.Generator().manual_seed(draw))
            errors.append(model.squared_error(model.predict(corrupted, classes), corrupted).mean().item())
    return float(np.mean(errors))


# --------------------------------------------------------------------------------------------- what a method says


@pytest.mark.parametrize("name", EVERY)
def test_the_card_says_where_the_method_comes_from(name):
    method = method_named(name)
    card = method.card
    assert card.title
    assert card.title == card.title.strip()
    assert all(difference.endswith(".") for difference in card.differences)
    if isinstance(method, Method):
        assert card.paper
        assert card.code, "name the authors' code, or say that there is none"
        if card.code.startswith("http"):
            assert card.commit, "name the commit that was read"
            assert card.licence, "name its licence, or say that none is stated"
        if method.released_loader is not None:
            assert any(difference.startswith("as_released: ") for difference in card.differences)


def test_no_two_rows_of_a_table_have_one_title():
    titles = [method_named(name).card.title for name in EVERY]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("name", EVERY)
def test_settings_have_defaults_descriptions_and_options(name):
    model = method_named(name).settings
    for field, info in model.model_fields.items():
        assert not info.is_required(), field
        assert info.description, field
    parser = argparse.ArgumentParser()
    add_options(parser, model)
    for settings in (model(), settings_of(method_named(name)) if name in METHODS else model()):
        assert from_options(model, parser.parse_args(shlex.split(as_options(settings)))) == settings


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_made_of_known_parts(name, base):
    method = method_named(name)
    assert method.forget is not None or method.retain is not None
    assert method.combine in RULES.values()
    assert method.trainable in base.groups()
    assert method.needs_conflict == (method.forget is not None and method.retain is not None)
    # No setting is for an objective that is not there.
    forgetting = {"retain_weight", "truncation", "relabel", "mask_fraction"} & method.settings.model_fields.keys()
    assert method.forget is not None or not forgetting
    # The loop reads these settings of every method.
    assert {"steps", "batch", "learning_rate", "clip_norm", "as_released"} <= method.settings.model_fields.keys()


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_says_who_makes_it(name):
    control = method_named(name)
    assert control.made_by in ("nothing", "base", "unlearn")
    assert (control.prepare is not None) == (control.made_by == "unlearn")
    assert not control.settings.model_fields


@pytest.mark.parametrize("name", EVERY)
def test_a_method_can_be_read_without_torch(name):
    """The workflow reads every method when it plans: on a login node, and many times."""
    program = f"import sys, lethe.methods.{name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# --------------------------------------------------------------------------------------------- what a method does


@pytest.mark.parametrize("name", [name for name in METHODS if method_named(name).forget is not None])
def test_the_target_is_forgotten_more_than_the_rest(name, base, sets, finished):
    """A method without a forget objective is excused: it can but hope (finetune)."""
    model = finished(name).model
    before = error_on(base, sets.forget_images, sets.forget_conditions)
    forgotten = error_on(model, sets.forget_images, sets.forget_conditions) / before - 1
    kept = error_on(base, sets.retain_images, sets.retain_conditions)
    lost = error_on(model, sets.retain_images, sets.retain_conditions) / kept - 1
    assert forgotten > 0.1
    assert forgotten > lost


@pytest.mark.parametrize("name", [name for name in METHODS if method_named(name).retain is not None])
def test_a_retain_objective_keeps_the_rest(name, base, sets, finished):
    before = error_on(base, sets.retain_images, sets.retain_conditions)
    assert error_on(finished(name).model, sets.retain_images, sets.retain_conditions) < 1.5 * before


@pytest.mark.parametrize("name", METHODS)
def test_only_the_weights_of_the_group_and_of_the_mask_move(name, base, finished):
    loop, chosen = finished(name), base.groups()[method_named(name).trainable]
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


@pytest.mark.parametrize("name", METHODS)
def test_every_image_is_seen_and_the_same_run_ends_the_same(name, base_folder, sets, finished):
    """The first is against `next(iter(loader))` in each step, the bug of many a released loop."""
    seen: dict[str, list[Batch]] = {}
    method = method_named(name)
    loop = unlearned(base_folder, watched(method, seen=seen), sets)
    assert_equal(loop.model, finished(name).model)
    for side, images in (("forget", sets.forget_images), ("retain", sets.retain_images)):
        if getattr(method, side) is None:
            assert side not in seen
            continue
        shown = {image.numpy().tobytes() for batch in seen[side] for image in batch.clean}
        assert shown == {image.numpy().tobytes() for image in loop.model.clean(torch.from_numpy(images))}
        # And each step draws noise of its own.
        assert len({batch.generator.initial_seed() for batch in seen[side]}) == TRAINING["steps"]


@pytest.mark.parametrize("name", METHODS)
def test_another_seed_is_another_run(name, base_folder, sets):
    method = method_named(name)
    settings = settings_of(method).model_copy(update={"steps": 1})
    one, other = (
        unlearn(EDM.load(base_folder), method, settings, sets, seed, ResumableState(None, "")).model for seed in (0, 1)
    )
    assert any(not torch.equal(weight, weights(one)[at]) for at, weight in weights(other).items())


@pytest.mark.parametrize("name", METHODS)
def test_a_run_that_died_within_a_step_ends_as_if_it_had_not(name, base_folder, sets, finished, tmp_path):
    def state() -> ResumableState:
        return ResumableState(tmp_path / "state", name, seconds=0)

    method = method_named(name)
    with pytest.raises(KilledError):
        unlearned(base_folder, watched(method, kill_at=7), sets, state())
    seen: dict[str, list[Batch]] = {}
    resumed = unlearned(base_folder, watched(method, seen=seen), sets, state())
    whole = finished(name)
    assert_equal(resumed.model, whole.model)
    assert resumed.passes == whole.passes
    assert resumed.trajectory.table() == whole.trajectory.table()
    # It did go on, and did not begin again.
    assert sum(map(len, seen.values())) < whole.passes


@pytest.mark.parametrize("name", [name for name in METHODS if method_named(name).released_loader is not None])
def test_the_released_defects_make_a_difference_that_runs(name, base_folder, sets, finished):
    settings = settings_of(method_named(name)).model_copy(update={"as_released": True})
    loop = unlearn(EDM.load(base_folder), method_named(name), settings, sets, 0, ResumableState(None, ""))
    assert any(not torch.equal(weight, weights(finished(name).model)[at]) for at, weight in weights(loop.model).items())
    assert all(weight.isfinite().all() for weight in weights(loop.model).values())


@pytest.mark.parametrize("name", METHODS)
def test_the_trajectory_has_what_the_method_has(name, finished):
    method, table = method_named(name), finished(name).trajectory.table()
    assert len(table) == TRAINING["steps"]
    for row in table:
        assert (row["forget_loss"] != "") == (method.forget is not None)
        assert (row["retain_loss"] != "") == (method.retain is not None)
        assert (row["cosine"] != "") == method.needs_conflict
