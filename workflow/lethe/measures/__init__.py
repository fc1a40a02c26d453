"""Measures: from a judge's raw outputs to numbers with their uncertainty (numpy alone, no torch)."""

from __future__ import annotations

from lethe.measures.frechet import (
    Gaussian,
    fit_gaussian,
    frechet_between,
    frechet_distance,
    frechet_distance_from_statistics,
    gaussian_from_moments,
)
from lethe.measures.kernel import (
    KernelDistance,
    SubsetKernelDistance,
    kernel_distance,
    kernel_distance_by_subsets,
)
from lethe.measures.rates import Rate, remaining_accuracy, unlearning_accuracy, wilson
from lethe.measures.summary import MeanInterval, Paired, Summary, compare_paired, mean_interval, summarise

__all__ = [
    "Gaussian",
    "KernelDistance",
    "MeanInterval",
    "Paired",
    "Rate",
    "SubsetKernelDistance",
    "Summary",
    "compare_paired",
    "fit_gaussian",
    "frechet_between",
    "frechet_distance",
    "frechet_distance_from_statistics",
    "gaussian_from_moments",
    "kernel_distance",
    "kernel_distance_by_subsets",
    "mean_interval",
    "remaining_accuracy",
    "summarise",
    "unlearning_accuracy",
    "wilson",
]
