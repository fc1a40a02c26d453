"""SalUn's mask against a ranking of all weights, one by one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from lethe.masks import saliency
from lethe.methods import method_named
from lethe.methods.method import Batch
from lethe.models.edm import EDM
from lethe.randomness import step_generator
from lethe.sets import Sets
from lethe.unlearn.loop import Unlearning

SIZES = [16, 16, 8]  # 40 images of D_f, the last batch short


def batches(model: EDM, sets: Sets, number: int) -> Batch:
    start = sum(SIZES[:number])
    rows = slice(start, start + SIZES[number])
    clean = model.clean(torch.from_numpy(sets.forget_clean[rows]))
    return Batch(clean, torch.from_numpy(sets.forget_conditions[rows]), step_generator(9, number))


def mask_of(model: EDM, sets: Sets, fraction: float) -> list[Tensor]:
    settings = SimpleNamespace(mask_fraction=fraction)
    return saliency(model, lambda number: batches(model, sets, number), len(SIZES), settings)


def flat(tensors) -> np.ndarray:
    return np.concatenate([tensor.detach().double().numpy().ravel() for tensor in tensors])


def summed_gradients(model: EDM, sets: Sets) -> np.ndarray:
    """The gradient of the loss summed over every element of every image of D_f, by float64 addition."""
    weights = [weight for weight in model.network.parameters() if weight.requires_grad]
    total = np.zeros(sum(weight.numel() for weight in weights))
    for number in range(len(SIZES)):
        batch = batches(model, sets, number)
        corrupted = model.corrupt(batch.clean, batch.generator)
        loss = corrupted.squared_error(model.predict(corrupted, batch.conditions)).sum()
        found = torch.autograd.grad(loss, weights, allow_unused=True)
        total += flat(torch.zeros_like(w) if g is None else g for g, w in zip(found, weights, strict=True))
    return total


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.5, 0.9])
def test_the_mask_is_the_brute_force_ranking(base, sets, fraction):
    found = flat(mask_of(base, sets, fraction))
    assert set(found) == {0.0, 1.0}
    size = np.abs(summed_gradients(base, sets))
    threshold = np.sort(size)[-int(fraction * len(size))]
    clear = np.abs(size - threshold) > 1e-4 * threshold
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(found[clear], (size >= threshold)[clear])


@pytest.mark.parametrize("fraction", [1e-4, 0.29, 0.5, 1.0])
def test_the_number_of_ones_is_exact_and_shapes_are_those_of_the_weights(base, sets, fraction):
    mask = mask_of(base, sets, fraction)
    weights = list(base.network.parameters())
    assert [part.shape for part in mask] == [weight.shape for weight in weights]
    assert sum(int(part.sum()) for part in mask) == int(fraction * sum(weight.numel() for weight in weights))


def test_weights_that_are_frozen_are_not_ranked(base, sets):
    trainable = [weight for name, weight in base.network.named_parameters() if name.startswith("mid_block")]
    for weight in base.network.parameters():
        weight.requires_grad_(False)
    for weight in trainable:
        weight.requires_grad_(True)
    mask = mask_of(base, sets, 0.5)
    assert [part.shape for part in mask] == [weight.shape for weight in trainable]
    assert sum(int(part.sum()) for part in mask) == sum(weight.numel() for weight in trainable) // 2


def test_ranking_leaves_no_trace(base, sets, weights_of):
    before = weights_of(base)
    mask_of(base, sets, 0.5)
    assert all(torch.equal(before[name], weight) for name, weight in weights_of(base).items())
    assert all(weight.grad is None for weight in base.network.parameters())


def test_the_loop_shows_the_mask_each_image_once_without_dropout(base, sets):
    shown: list[Batch] = []

    def watch(model, forget_batch, count, settings) -> list[Tensor]:
        assert not model.network.training
        shown.extend(forget_batch(number) for number in range(count))
        return [torch.ones_like(weight) for weight in model.network.parameters()]

    recipe = replace(method_named("salun").recipe("class"), mask=watch)
    loop = Unlearning(base, recipe, recipe.settings(batch=16), sets, seed=3)
    base.network.train()
    loop.prepare()
    assert base.network.training
    images = torch.cat([batch.clean for batch in shown])
    assert sorted(image.numpy().tobytes() for image in images) == sorted(
        image.numpy().tobytes() for image in base.clean(torch.from_numpy(sets.forget_clean))
    )
    # Each batch has noise of its own.
    draws = {float(torch.randn((), generator=batch.generator)) for batch in shown}
    assert len(draws) == len(shown) == 3
