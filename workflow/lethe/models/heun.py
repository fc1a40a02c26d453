"""EDM's deterministic Heun sampler as a pure function (Karras et al. 2022, Algorithm 1)."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor


def noise_levels(steps: int, sigma_min: float, sigma_max: float, rho: float) -> list[float]:
    """The ``steps`` noise levels from sigma_max down to sigma_min, then 0 (Eq. 5), in float64."""
    ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
    ends = sigma_max ** (1 / rho), sigma_min ** (1 / rho)
    return [*((ends[0] + ramp * (ends[1] - ends[0])) ** rho).tolist(), 0.0]


def heun(denoise: Callable[[Tensor, float], Tensor], noise: Tensor, levels: list[float]) -> Tensor:
    """Integrate the probability-flow ODE from ``noise`` (standard normal) through ``levels``.

    ``denoise(x, sigma)`` takes and returns (B, C, H, W) in float32; the state is float64. It is called
    2 * (len(levels) - 1) - 1 times. Returns float64.
    """
    state = noise.to(torch.float64) * levels[0]
    for level, following in itertools.pairwise(levels):
        slope = (state - denoise(state.float(), level)) / level
        euler = state + (following - level) * slope
        if following > 0:
            end_slope = (euler - denoise(euler.float(), following)) / following
            euler = state + (following - level) * (slope + end_slope) / 2
        state = euler
    return state
