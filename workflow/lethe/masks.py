"""Which single weights may move."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lethe.methods.method import Batch, Objective
from lethe.objectives import denoise, guided_denoise
from lethe.settings.method import GuidedMask, Masked

if TYPE_CHECKING:
    from torch import Tensor

    from lethe.models.denoiser import Denoiser


def saliency(model: Denoiser, forget_batch: Callable[[int], Batch], batches: int, settings: Masked) -> list[Tensor]:
    """SalUn's mask (Eq. 4): true for the ``mask_fraction`` of all weights with the largest |sum of gradients| of the
    denoising loss over one pass of D_f, one ranking over the whole network, exactly int(fraction * P) of them.

    Returns one tensor of truth values for each trainable weight tensor, a byte each: as float32 the mask would take the
    memory of another copy of the network through the whole training.
    """
    return _most_salient(denoise, model, forget_batch, batches, settings)


def guided_saliency(
    model: Denoiser, forget_batch: Callable[[int], Batch], batches: int, settings: GuidedMask
) -> list[Tensor] | None:
    """The same for a model with an empty condition, as SalUn's released code for Stable Diffusion does it: of the error
    of the guided prediction. None, which masks nothing, where ``mask_as_released``."""
    if settings.mask_as_released:
        return None
    return _most_salient(guided_denoise, model, forget_batch, batches, settings)


def _most_salient(
    loss: Objective, model: Denoiser, forget_batch: Callable[[int], Batch], batches: int, settings: Masked
) -> list[Tensor]:
    import torch  # here, since the workflow imports this module when it plans

    weights = [weight for weight in model.network.parameters() if weight.requires_grad]
    for number in range(batches):
        batch = forget_batch(number)
        (loss(model, batch, settings) * len(batch.clean)).backward()  # a mean: a short batch counts for less
    magnitudes = [weight.grad.abs_() if weight.grad is not None else torch.zeros_like(weight) for weight in weights]
    model.network.zero_grad(set_to_none=True)
    ranking = torch.cat([magnitude.flatten() for magnitude in magnitudes])
    chosen = torch.zeros_like(ranking, dtype=torch.bool)
    chosen[ranking.topk(int(settings.mask_fraction * len(ranking)), sorted=False).indices] = True
    parts = chosen.split([magnitude.numel() for magnitude in magnitudes])
    return [part.view_as(magnitude) for part, magnitude in zip(parts, magnitudes, strict=True)]
