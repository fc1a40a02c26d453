"""EDM's sampler against closed forms, scipy and a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import Tensor

from lethe.models.heun import heun, noise_levels

# Printed by the official sampler (18 steps, sigma 0.002 .. 80, rho 7), to ten digits.
PRINTED = [
    80,
    57.58598472,
    40.7855738,
    28.3745846,
    19.35245298,
    12.91008238,
    8.400935309,
    5.315194522,
    3.25682152,
    1.923339837,
    1.088170637,
    0.5853481232,
    0.2964422845,
    0.1395164687,
    0.05994731124,
    0.02293451837,
    0.007528019963,
    0.002,
    0,
]
SPREAD = 0.5


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """The ideal denoiser of data N(0, SPREAD^2)."""
    return x * SPREAD**2 / (SPREAD**2 + sigma**2)


def two_points(x, sigma):
    """The ideal denoiser of data that is -1 or 1: nonlinear, without a closed form for the flow."""
    return torch.tanh(x / sigma**2) if isinstance(x, Tensor) else np.tanh(x / sigma**2)


def noise(count: int = 64) -> Tensor:
    return torch.randn(count, 1, 1, 1, generator=torch.Generator().manual_seed(0))


def test_noise_levels_are_those_of_the_official_sampler():
    levels = noise_levels(18, 0.002, 80.0, 7.0)
    assert levels == pytest.approx(PRINTED, rel=5e-10, abs=0)


@pytest.mark.parametrize("steps", [2, 3, 18, 50])
@pytest.mark.parametrize("rho", [1.0, 3.0, 7.0])
def test_noise_levels_fall_from_end_to_end(steps, rho):
    levels = np.array(noise_levels(steps, 0.01, 10.0, rho))
    assert len(levels) == steps + 1
    assert levels[[0, -2, -1]] == pytest.approx([10.0, 0.01, 0.0], rel=1e-12)
    # Eq. 5: equal steps in sigma^(1/rho).
    assert np.diff(levels[:-1] ** (1 / rho)) == pytest.approx((0.01 ** (1 / rho) - 10 ** (1 / rho)) / (steps - 1))


@pytest.mark.parametrize("steps", [2, 5, 18])
def test_the_network_is_called_twice_a_step_but_for_the_last(steps):
    asked = []

    def denoise(x: Tensor, sigma: float) -> Tensor:
        assert x.dtype == torch.float32
        asked.append(sigma)
        return gaussian(x, sigma)

    levels = noise_levels(steps, 0.002, 80.0, 7.0)
    heun(denoise, noise(), levels)
    assert len(asked) == 2 * steps - 1
    # Algorithm 1: at t_i, then at t_(i+1); never at 0.
    assert asked == [level for i in range(steps) for level in levels[i : i + 2] if level > 0]


def by_a_plain_loop(denoise, z: np.ndarray, levels: list[float]) -> np.ndarray:
    """Algorithm 1 with S_churn = 0, line by line, all in float64."""
    x = z * levels[0]
    for i in range(len(levels) - 1):
        d = (x - denoise(x, levels[i])) / levels[i]
        following = x + (levels[i + 1] - levels[i]) * d
        if levels[i + 1] != 0:
            d_prime = (following - denoise(following, levels[i + 1])) / levels[i + 1]
            following = x + (levels[i + 1] - levels[i]) * (0.5 * d + 0.5 * d_prime)
        x = following
    return x


@pytest.mark.parametrize("denoise", [gaussian, two_points])
@pytest.mark.parametrize("steps", [2, 7, 18])
def test_it_is_algorithm_1(denoise, steps):
    levels = noise_levels(steps, 0.02, 40.0, 7.0)
    ours = heun(denoise, noise(), levels)
    assert ours.dtype == torch.float64
    expected = by_a_plain_loop(denoise, noise().double().numpy(), levels)
    # The denoiser is asked in float32; its rounding at a noise level t comes back magnified by no more than t.
    np.testing.assert_allclose(ours.numpy(), expected, rtol=2e-5, atol=2e-5)


def gaussian_error(steps: int) -> float:
    """Largest relative distance to the closed form x(0) = x(T) SPREAD / sqrt(SPREAD^2 + T^2)."""
    start = noise().double() * 20
    exact = start * SPREAD / (SPREAD**2 + 20**2) ** 0.5
    found = heun(lambda x, sigma: gaussian(x.double(), sigma), noise(), noise_levels(steps, 1e-4, 20.0, 7.0))
    return float(((found - exact) / exact).abs().max())


def test_it_converges_to_the_closed_form_with_order_2():
    errors = [gaussian_error(steps) for steps in (16, 32, 64)]
    assert errors[-1] < 3e-3
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx([2, 2], abs=0.25)


def test_it_solves_the_probability_flow_of_a_nonlinear_denoiser():
    z = noise().double().flatten().numpy()
    solution = solve_ivp(
        lambda sigma, x: (x - two_points(x, sigma)) / sigma, (10.0, 0.02), z * 10.0, rtol=1e-9, atol=1e-11
    )
    # At 0.02 every image is at -1 or 1 to within that level; the last step takes it there.
    assert np.abs(np.abs(solution.y[:, -1]) - 1).max() < 0.1
    found = heun(two_points, noise(), noise_levels(200, 0.02, 10.0, 7.0)).flatten().numpy()
    np.testing.assert_allclose(found, two_points(solution.y[:, -1], 0.02), atol=1e-3)
