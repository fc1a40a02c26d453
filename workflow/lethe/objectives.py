"""Forget and retain objectives: losses to descend, each the mean over all elements of a batch.

They use a Denoiser and tensor methods only, so that a method's file can name them without importing torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lethe.methods.method import Batch
from lethe.settings.method import Relabelled, Truncated

if TYPE_CHECKING:
    from torch import Tensor

    from lethe.models.denoiser import Denoiser


def denoise(model: Denoiser, batch: Batch, settings: object) -> Tensor:
    """The model's own training loss l (RGD, section 3): the weighted squared error of denoising."""
    corrupted = model.corrupt(batch.clean, batch.generator)
    return model.squared_error(model.predict(corrupted, batch.conditions), corrupted).mean()


def ascent(model: Denoiser, batch: Batch, settings: object) -> Tensor:
    """-l: gradient ascent without a bound."""
    return -denoise(model, batch, settings)


def truncated_ascent(model: Denoiser, batch: Batch, settings: Truncated) -> Tensor:
    """-weight * min(error, alpha), element by element: where the error exceeds alpha, nothing ascends (RGD, 4.1)."""
    corrupted = model.corrupt(batch.clean, batch.generator)
    prediction = model.predict(corrupted, batch.conditions)
    return -model.squared_error(prediction, corrupted, truncation=settings.truncation).mean()


def relabel(model: Denoiser, batch: Batch, settings: Relabelled) -> Tensor:
    """Towards what the current model predicts under another class c' (SalUn, Eq. 6; random label without a mask)."""
    corrupted = model.corrupt(batch.clean, batch.generator)
    if settings.relabel == "next":
        other = model.next_condition(batch.conditions)
    else:
        other = model.random_condition(batch.conditions, batch.generator)
    teacher = model.teach(corrupted, other)
    return model.squared_error(model.predict(corrupted, batch.conditions), corrupted, target=teacher).mean()
