"""The objectives against their formulas, written out element by element."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from lethe.methods.method import Batch
from lethe.models.denoiser import Corrupted
from lethe.models.edm import EDM
from lethe.objectives import ascent, denoise, gated_ascent, relabel, truncated_ascent

COUNT = 12
ALPHA = 0.02


class Watched(EDM):
    """An EDM that keeps what it is asked and what it answers."""

    def corrupt(self, clean: Tensor, generator: torch.Generator) -> Corrupted:
        self.corrupted = super().corrupt(clean, generator)
        return self.corrupted

    def predict(self, corrupted: Corrupted, conditions: Tensor) -> Tensor:
        answer = super().predict(corrupted, conditions)
        if answer.requires_grad:
            answer.retain_grad()
            self.answer, self.asked = answer, conditions
        return answer


@pytest.fixture
def model(base) -> Watched:
    return Watched(base.network, base.settings)


@pytest.fixture
def batch(model, digits):
    """A function that makes the same batch again: the generator of its noise is used up by an objective."""
    clean = model.clean(torch.from_numpy(digits.images[:COUNT]))
    conditions = torch.from_numpy(digits.conditions[:COUNT])
    return lambda: Batch(clean, conditions, torch.Generator().manual_seed(4))


def errors_and_weights(model: Watched) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors (B, C, H, W) and weights (B, 1, 1, 1) of the model's last answer, in float64."""
    difference = model.answer.detach().double().numpy() - model.corrupted.truth.double().numpy()
    sigma, data = model.corrupted.level.double().numpy(), model.settings.sigma_data
    return difference**2, (sigma**2 + data**2) / (sigma * data) ** 2


def gradients(model: EDM, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.network.parameters())))


def test_denoise_is_the_mean_weighted_squared_error(model, batch):
    loss = denoise(model, batch(), None)
    errors, weights = errors_and_weights(model)
    assert loss.item() == pytest.approx((weights * errors).mean(), rel=1e-5)
    assert torch.equal(model.asked, batch().conditions)


def test_ascent_is_the_opposite_of_denoise(model, batch):
    up, down = ascent(model, batch(), None), denoise(model, batch(), None)
    assert up.item() == -down.item()
    for one, other in zip(gradients(model, up), gradients(model, down), strict=True):
        assert torch.equal(one, -other)


def test_truncated_ascent_stops_element_by_element(model, batch):
    loss = truncated_ascent(model, batch(), SimpleNamespace(truncation=ALPHA))
    loss.backward()
    errors, weights = errors_and_weights(model)
    assert loss.item() == pytest.approx(-(weights * np.minimum(errors, ALPHA)).mean(), rel=1e-5)
    # What is not cut off ascends as without the truncation; what is, does not move at all.
    difference = model.answer.detach().double() - model.corrupted.truth.double()
    untruncated = -2 * torch.from_numpy(weights) * difference / difference.numel()
    above = torch.from_numpy(errors > ALPHA)
    assert 0 < above.sum() < above.numel()
    assert (model.answer.grad[above] == 0).all()
    torch.testing.assert_close(model.answer.grad[~above].double(), untruncated[~above], rtol=1e-4, atol=1e-9)


def test_a_truncation_out_of_reach_is_ascent(model, batch):
    truncated = truncated_ascent(model, batch(), SimpleNamespace(truncation=1e9))
    assert truncated.item() == ascent(model, batch(), None).item()


def test_gated_ascent_is_ascent_up_to_the_truncation_and_beyond_it_nothing(model, batch):
    loss = denoise(model, batch(), None).item()
    below = gated_ascent(model, batch(), SimpleNamespace(truncation=loss * 1.001))
    assert below.item() == -loss
    for one, other in zip(gradients(model, below), gradients(model, ascent(model, batch(), None)), strict=True):
        assert torch.equal(one, other)
    above = gated_ascent(model, batch(), SimpleNamespace(truncation=loss * 0.999))
    assert above.item() == -loss
    assert all((gradient == 0).all() for gradient in gradients(model, above))


@pytest.mark.parametrize("which", ["next", "random"])
def test_relabel_is_the_distance_to_a_teacher_that_does_not_learn(model, base_folder, batch, which):
    settings = SimpleNamespace(relabel=which)
    found = gradients(model, loss := relabel(model, batch(), settings))
    own = model.asked

    # Brute force: another network of the same weights is the teacher, so that no gradient can pass through it.
    teacher = EDM.load(base_folder)
    corrupted = model.corrupted
    if which == "next":
        other = (own + 1) % 10
    else:
        generator = batch().generator
        model.corrupt(batch().clean, generator)
        other = model.random_condition(own, generator)
    assert not (other == own).any()
    with torch.no_grad():
        wanted = teacher.denoise(corrupted.noisy, corrupted.level, other)
    student = model.denoise(corrupted.noisy, corrupted.level, own)
    expected = (corrupted.weight * (student - wanted).square()).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    for one, reference in zip(found, gradients(model, expected), strict=True):
        torch.testing.assert_close(one, reference, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("objective", [denoise, ascent, truncated_ascent, gated_ascent, relabel])
def test_a_loss_is_a_mean_so_that_its_scale_is_not_that_of_the_batch(model, batch, objective):
    """A batch twice over has the same loss up to its noise; a sum would double it."""
    settings = SimpleNamespace(truncation=1.0, relabel="next")
    once = batch()
    twice = Batch(once.clean.repeat(40, 1, 1, 1), once.conditions.repeat(40), once.generator)
    many = Batch(once.clean.repeat(80, 1, 1, 1), once.conditions.repeat(80), once.generator)
    with torch.no_grad():
        ratio = objective(model, many, settings).item() / objective(model, twice, settings).item()
    assert ratio == pytest.approx(1, abs=0.25)
