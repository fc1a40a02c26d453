"""Unlearning EDM's own network: RGD's setting for CIFAR-10, its released arithmetic, augmentation, dropout."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from edm_pickle import small_network

from lethe.methods import method_named
from lethe.models.edm import EDM
from lethe.randomness import BatchStream, step_generator
from lethe.sets import Sets
from lethe.settings.network import PreconditioningSettings
from lethe.settings.sets import SetsSettings
from lethe.unlearn.loop import Unlearning

TARGET = 3
RGD = method_named("rgd").recipe("class")


def model(dropout: float = 0.0) -> EDM:
    return EDM(small_network(dropout=dropout), PreconditioningSettings(sigma_data=0.5))


def sets_of(forget: int, retain: int) -> Sets:
    generator = np.random.default_rng(0)

    def images(count: int) -> np.ndarray:
        return generator.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)

    others = np.array([label for label in range(10) if label != TARGET])
    return Sets(
        target=TARGET,
        forget_clean=images(forget),
        forget_conditions=np.full(forget, TARGET),
        retain_clean=images(retain),
        retain_conditions=others[np.arange(retain) % 9],
    )


def loop_of(recipe=RGD, dropout: float = 0.0, sets: Sets | None = None, **settings) -> Unlearning:
    loop = Unlearning(model(dropout), recipe, recipe.settings(**settings), sets or sets_of(100, 45), 0)
    loop.prepare()
    return loop


def weights(loop: Unlearning) -> np.ndarray:
    return np.concatenate([weight.detach().double().numpy().ravel() for weight in loop.weights])


def test_rgd_has_its_papers_setting_by_default():
    settings = RGD.settings()
    assert (settings.steps, settings.batch, settings.learning_rate) == (math.ceil(50_000 / 64), 64, 1e-5)
    assert (settings.retain_weight, settings.truncation, settings.clip_norm) == (5, 0.1, None)
    assert (settings.augmentation, settings.as_released, settings.strategy) == (False, False, "balanced")
    loop = loop_of(sets=sets_of(100, 450))
    options = loop.optimiser.param_groups[0]
    assert (options["lr"], tuple(options["betas"]), options["eps"], options["weight_decay"]) == (
        1e-5,
        (0.9, 0.999),
        1e-8,
        0,
    )
    assert len(loop.weights) == len(list(loop.model.network.parameters()))  # all of them
    seen = []
    loop.model.network.register_forward_hook(lambda network, given, out: seen.append(len(given[0])))
    loop.step(0)
    assert seen == [64, *[64] * 7, 2]
    assert loop.passes.counts == [64 + 450, 0]
    # 1 % of each class of CIFAR-10 is 50 images of nine classes.
    assert "50 in the paper" in SetsSettings.model_fields["retain_per_class"].description


@pytest.mark.parametrize(("retain_weight", "truncation"), [(5.0, 0.1), (0.5, 0.01)])
def test_as_released_is_the_released_arithmetic(retain_weight, truncation):
    """RGD's training_loop.py as its description says: sums over pixels divided by 64, the accumulated gradient of all
    of D_r averaged over its batches, one flat projection both ways, lambda after it, Adam. Only the draws are ours."""
    sets, steps, batch = sets_of(100, 45), 4, 20
    chosen = {"batch": batch, "retain_weight": retain_weight, "truncation": truncation, "learning_rate": 1e-3}
    ours = loop_of(sets=sets, as_released=True, **chosen)

    theirs = model()
    network = theirs.network.train()
    parameters = list(network.parameters())
    adam = torch.optim.Adam(parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8)
    stream = BatchStream(100, batch, 0, "forget")

    def summed(images: np.ndarray, labels: np.ndarray, generator: torch.Generator, alpha: float | None) -> torch.Tensor:
        corrupted = theirs.corrupt(theirs.clean(torch.from_numpy(images)), generator)
        error = (theirs.predict(corrupted, torch.from_numpy(labels)) - corrupted.truth) ** 2
        loss = corrupted.weight * (error if alpha is None else error.clamp(max=alpha))
        return loss.sum() / batch

    def taken() -> torch.Tensor:
        found = [parameter.grad for parameter in parameters]  # none where no augmentation is told
        gradient = torch.cat(
            [torch.zeros(p.numel()) if g is None else g.flatten() for p, g in zip(parameters, found, strict=True)]
        )
        adam.zero_grad()
        return gradient

    def without(gradient: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        along = gradient @ other / other.norm() ** 2
        return gradient - along * other if along < 0 else gradient

    for number in range(steps):
        generator, rows = step_generator(0, number), stream(number)
        (-summed(sets.forget_clean[rows], sets.forget_conditions[rows], generator, truncation)).backward()
        forget = taken()
        starts = range(0, 45, batch)
        for start in starts:
            part = slice(start, start + batch)
            summed(sets.retain_clean[part], sets.retain_conditions[part], generator, None).backward()
        retain = taken() / len(starts)
        combined = without(forget, retain) + retain_weight * without(retain, forget)
        for parameter, part in zip(parameters, combined.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)
        adam.step()
        adam.zero_grad()
        ours.step(number)

    begun = np.concatenate([p.detach().double().numpy().ravel() for p in model().network.parameters()])
    expected = np.concatenate([p.detach().double().numpy().ravel() for p in parameters])
    moved = np.abs(expected - begun)
    assert np.median(moved) > 5e-4
    # Adam steps by the sign of a gradient near 0; but for such rounding, every weight goes the same way as far.
    assert np.quantile(np.abs(weights(ours) - expected), 0.999) < 1e-5


@pytest.mark.parametrize("method", ["rgd", "rg", "graddiff", "finetune", "gradient_ascent", "salun", "random_label"])
def test_every_method_augments_all_that_it_sees(method):
    recipe = method_named(method).recipe("class")
    seen, silent = [], []
    loops = [loop_of(recipe, batch=16, augmentation=augmentation) for augmentation in (True, False)]
    for loop, told in zip(loops, (seen, silent), strict=True):
        loop.model.network.register_forward_pre_hook(
            lambda network, given, named, told=told: told.append(named.get("augment_labels")), with_kwargs=True
        )
        loop.step(0)
    assert seen
    assert all(labels is not None and labels.shape[1] == 9 for labels in seen)
    assert any(bool((labels != 0).any()) for labels in seen)
    assert all(labels is None for labels in silent)
    assert not np.array_equal(weights(loops[0]), weights(loops[1]))


def test_an_augmented_step_is_a_function_of_its_seed():
    one, again = (loop_of(augmentation=True, batch=16) for _ in range(2))
    for loop in (one, again):
        loop.step(0)
        loop.step(1)
    assert np.array_equal(weights(one), weights(again))


def test_the_networks_own_dropout_is_active_while_it_unlearns():
    recipe = replace(RGD, forget=None)
    with_dropout, without = (loop_of(recipe, dropout=dropout, batch=16) for dropout in (0.13, 0.0))
    for loop in (with_dropout, without):
        assert loop.model.network.training
        loop.step(0)
    assert not np.array_equal(weights(with_dropout), weights(without))


def test_the_destroyed_control_keeps_no_weight_of_the_network():
    destroyed = model()
    before = {name: weight.clone() for name, weight in destroyed.network.named_parameters()}
    method_named("destroyed").prepare(destroyed, 0)
    for name, weight in destroyed.network.named_parameters():
        assert not (weight == before[name]).any(), name
