"""EDM's preconditioning against Karras et al. 2022, its classes and its groups of weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from lethe.errors import LetheError
from lethe.methods import method_named
from lethe.models.edm import EDM
from lethe.settings.network import NetworkSettings

SIGMAS = [0.002, 0.05, 0.5, 3.0, 80.0]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_at(sigma: float, count: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    noisy = torch.randn(count, 1, 8, 8, generator=generator()) * (sigma**2 + 0.36) ** 0.5
    return noisy, torch.full((count, 1, 1, 1), sigma), torch.arange(count)


def seen_by_the_network(model: EDM, noisy, sigma, conditions) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the network is given (its input and its time), and what it gives, in one call of ``denoise``."""
    seen = []
    hook = model.network.register_forward_hook(lambda module, given, out: seen.append((*given[:2], out.sample)))
    with torch.no_grad():
        model.denoise(noisy, sigma, conditions)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_preconditioning_is_that_of_table_1(base, sigma):
    noisy, level, conditions = batch_at(sigma)
    data = base.settings.sigma_data
    given, time, inside = seen_by_the_network(base, noisy, level, conditions)
    c_skip = data**2 / (sigma**2 + data**2)
    c_out = sigma * data / np.sqrt(data**2 + sigma**2)
    c_in = 1 / np.sqrt(sigma**2 + data**2)
    c_noise = np.log(sigma) / 4
    torch.testing.assert_close(given, c_in * noisy)
    # UNet2DModel's embedding is made for times of 0 .. 1000, so it is told 1000 c_noise.
    torch.testing.assert_close(time, torch.full((4,), 1000 * c_noise), rtol=1e-5, atol=1e-3)
    with torch.no_grad():
        torch.testing.assert_close(base.denoise(noisy, level, conditions), c_skip * noisy + c_out * inside)


def test_at_no_noise_the_denoiser_changes_nothing(base):
    noisy, _, conditions = batch_at(0.0)
    with torch.no_grad():
        changes = [
            (base.denoise(noisy, torch.full((4, 1, 1, 1), sigma), conditions) - noisy).abs().max().item()
            for sigma in (1e-2, 1e-3, 1e-4)
        ]
    assert changes[0] < 0.1
    assert changes[2] < 1e-3
    assert changes[0] > changes[1] > changes[2]


def test_the_weighted_error_is_the_plain_error_of_the_network(base, digits):
    """Eq. 8: lambda(sigma) c_out^2 = 1, so that F has the effective target (clean - c_skip noisy) / c_out."""
    clean = base.clean(torch.from_numpy(digits.images[:64]))
    conditions = torch.from_numpy(digits.conditions[:64])
    corrupted = base.corrupt(clean, generator())
    error = corrupted.squared_error(base.predict(corrupted, conditions)).detach()
    *_, inside = seen_by_the_network(base, corrupted.noisy, corrupted.level, conditions)
    sigma, data = corrupted.level.double(), base.settings.sigma_data
    c_skip, c_out = data**2 / (sigma**2 + data**2), sigma * data / (sigma**2 + data**2).sqrt()
    effective_target = (corrupted.truth.double() - c_skip * corrupted.noisy.double()) / c_out
    torch.testing.assert_close(error.double(), (inside.double() - effective_target).square(), rtol=1e-3, atol=1e-4)


def test_noise_levels_and_noise_are_drawn_as_in_table_1():
    settings = NetworkSettings(widths=(8,), p_mean=-0.7, p_std=0.9, sigma_data=0.3)
    model = EDM.new(settings, channels=1, size=4, classes=2)
    clean = torch.rand(3000, 1, 4, 4, generator=generator(1)) * 2 - 1
    corrupted = model.corrupt(clean, generator())
    assert corrupted.level.shape == corrupted.weight.shape == (3000, 1, 1, 1)
    normal = (corrupted.level.log().flatten().numpy() + 0.7) / 0.9
    assert stats.kstest(normal, "norm").pvalue > 1e-3
    noise = ((corrupted.noisy - clean) / corrupted.level)[corrupted.level.flatten() > 0.1]
    assert stats.kstest(noise.flatten().numpy(), "norm").pvalue > 1e-3
    level = corrupted.level.double()
    torch.testing.assert_close(corrupted.weight.double(), (level**2 + 0.09) / (0.3 * level) ** 2, rtol=1e-5, atol=0)
    torch.testing.assert_close(corrupted.truth, clean)


def test_corruption_is_a_function_of_the_generator(base, digits):
    clean = base.clean(torch.from_numpy(digits.images[:8]))
    one, again, other = (base.corrupt(clean, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(one.noisy, again.noisy)
    assert torch.equal(one.level, again.level)
    assert not torch.isclose(one.noisy, other.noisy).any()


def test_estimates_undo_the_corruption(base, digits):
    """A perfect prediction gives the clean images and the noise back; any other is one of the two, by the algebra."""
    clean = base.clean(torch.from_numpy(digits.images[:8]))
    corrupted = base.corrupt(clean, generator())
    perfect = base.clean_estimate(corrupted, corrupted.truth), base.noise_estimate(corrupted, corrupted.truth)
    torch.testing.assert_close(perfect[0], clean)
    drawn = generator()
    torch.randn((8, 1, 1, 1), generator=drawn)
    torch.testing.assert_close(perfect[1], torch.randn(clean.shape, generator=drawn), rtol=1e-3, atol=1e-3)
    prediction = torch.randn(clean.shape, generator=generator(1))
    behind, noise = base.clean_estimate(corrupted, prediction), base.noise_estimate(corrupted, prediction)
    torch.testing.assert_close(behind + corrupted.level * noise, corrupted.noisy)


def test_bytes_become_the_pixels_of_minus_one_to_one(base):
    every_byte = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)
    pixels = base.clean(every_byte)
    assert pixels.dtype == torch.float32
    assert (pixels.min(), pixels.max()) == (-1, 1)
    # The sampler's way back, (127.5 x + 128) truncated, undoes it.
    assert torch.equal((pixels.double() * 127.5 + 128).to(torch.uint8), every_byte)


@pytest.mark.parametrize("truncation", [None, 0.1, 1e-6])
def test_errors_are_truncated_before_they_are_weighted(base, digits, truncation):
    corrupted = base.corrupt(base.clean(torch.from_numpy(digits.images[:16])), generator())
    prediction = torch.randn(corrupted.truth.shape, generator=generator(1))
    found = corrupted.squared_error(prediction, truncation=truncation)
    error = (prediction.double().numpy() - corrupted.truth.double().numpy()) ** 2
    limit = np.inf if truncation is None else truncation
    np.testing.assert_allclose(found, corrupted.weight.double().numpy() * np.minimum(error, limit), rtol=1e-5)
    other = torch.zeros_like(prediction)
    np.testing.assert_allclose(
        corrupted.squared_error(prediction, target=other, truncation=truncation),
        corrupted.weight.double().numpy() * np.minimum(prediction.double().numpy() ** 2, limit),
        rtol=1e-5,
    )


def test_the_next_condition_is_the_following_class(base):
    assert base.next_condition(torch.tensor([0, 4, 9])).tolist() == [1, 5, 0]


def test_a_random_condition_is_any_other_class(base):
    own = torch.arange(10).repeat(900)
    other = base.random_condition(own, generator())
    assert not (other == own).any()
    table = np.zeros((10, 10))
    np.add.at(table, (own.numpy(), other.numpy()), 1)
    assert stats.chisquare(table[~np.eye(10, dtype=bool)]).pvalue > 1e-3
    assert torch.equal(other, base.random_condition(own, generator()))


def test_groups_name_what_the_class_goes_through(base):
    names = [name for name, _ in base.network.named_parameters()]
    groups = {group: [name for name in names if chosen(name)] for group, chosen in base.groups().items()}
    assert groups["all"] == names
    # Brute force: the modules whose output depends on the class, of those that see the embedding or make it.
    embedding = base.network.class_embedding
    noisy, level, _ = batch_at(0.5)

    def outputs(condition: int) -> dict[str, torch.Tensor]:
        seen = {}
        hooks = [
            module.register_forward_hook(lambda module, given, out, name=name: seen.update({name: out}))
            for name, module in base.network.named_modules()
            if module is embedding or name.endswith("time_emb_proj")
        ]
        with torch.no_grad():
            base.denoise(noisy, level, torch.full((4,), condition))
        for hook in hooks:
            hook.remove()
        return seen

    one, other = outputs(0), outputs(1)
    dependent = {name for name in one if not torch.equal(one[name], other[name])}
    assert {name.rpartition(".")[0] for name in groups["condition"]} == dependent
    assert 0 < len(groups["condition"]) < len(names)


def test_a_frozen_copy_stays_as_the_model_was(base, weights_of):
    base.network.train()
    copy, before = base.frozen(), weights_of(base)
    with torch.no_grad():
        for weight in base.network.parameters():
            weight.add_(1)
    assert all(torch.equal(weight, before[name]) for name, weight in weights_of(copy).items())
    assert not any(weight.requires_grad for weight in copy.network.parameters())
    assert (base.network.training, copy.network.training) == (True, False)


@pytest.mark.parametrize("widths", [(8,), (12, 24), (6, 9), (3, 5)])
def test_any_widths_make_a_network(widths):
    model = EDM.new(NetworkSettings(widths=widths), channels=2, size=8, classes=3)
    noisy = torch.zeros(1, 2, 8, 8)
    with torch.no_grad():
        assert model.denoise(noisy, torch.ones(1, 1, 1, 1), torch.tensor([2])).shape == noisy.shape


def test_more_levels_than_the_image_has_halves_are_refused():
    with pytest.raises(LetheError, match=r"network\.widths.*\n.*fewer widths"):
        EDM.new(NetworkSettings(widths=(4, 4, 4)), channels=1, size=6, classes=2)


def test_the_destroyed_control_keeps_no_weight_of_the_base(base, base_folder, weights_of):
    before = weights_of(base)
    draw_new_weights = method_named("destroyed").prepare
    draw_new_weights(base, 0)
    after = weights_of(base)
    for name, weight in after.items():
        trivial = weight.numel() == 0 or weight.unique().numel() == 1  # a norm starts at ones and zeros
        assert trivial or not (weight == before[name]).any(), name
    assert sum(weight.unique().numel() > 1 for weight in after.values()) > 20

    # It is a function of the seed, not of the base.
    fresh = EDM.load(base_folder)
    with torch.no_grad():
        for weight in fresh.network.parameters():
            weight.zero_()
    draw_new_weights(fresh, 0)
    assert all(torch.equal(weight, after[name]) for name, weight in weights_of(fresh).items())
    draw_new_weights(fresh, 1)
    assert not torch.equal(fresh.network.conv_in.weight, after["conv_in.weight"])
