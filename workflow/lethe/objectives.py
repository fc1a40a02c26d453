"""Forget and retain objectives: losses to descend, each the mean over all elements of a batch.

They use a Denoiser and tensor methods only, so that a method's file can name them without importing torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lethe.methods.method import Batch
from lethe.settings.method import Ablating, Adversarial, Gated, GuidedMask, NegativelyGuided, Relabelled, Truncated

if TYPE_CHECKING:
    from torch import Tensor

    from lethe.models.denoiser import Corrupted, Denoiser, LatentDenoiser


def denoise(model: Denoiser, batch: Batch, settings: object) -> Tensor:
    """The model's own training loss l (RGD, section 3): the weighted squared error of denoising."""
    corrupted = model.corrupt(batch.clean, batch.generator)
    return corrupted.squared_error(model.predict(corrupted, batch.conditions)).mean()


def ascent(model: Denoiser, batch: Batch, settings: object) -> Tensor:
    """-l: gradient ascent without a bound."""
    return -denoise(model, batch, settings)


def truncated_ascent(model: Denoiser, batch: Batch, settings: Truncated) -> Tensor:
    """-weight * min(error, alpha), element by element: where the error exceeds alpha, nothing ascends (RGD, 4.1)."""
    corrupted = model.corrupt(batch.clean, batch.generator)
    prediction = model.predict(corrupted, batch.conditions)
    return -corrupted.squared_error(prediction, truncation=settings.truncation).mean()


def gated_ascent(model: Denoiser, batch: Batch, settings: Gated) -> Tensor:
    """-l, but a batch whose l is above the truncation has a gradient of exactly zero: the rule of RGD's script for
    Stable Diffusion, which writes it as l / |l|."""
    loss = denoise(model, batch, settings)
    return -loss.where(loss.detach() <= settings.truncation, loss.detach())


def relabel(model: Denoiser, batch: Batch, settings: Relabelled) -> Tensor:
    """Towards what the current model predicts under another class c' (SalUn, Eq. 6; random label without a mask)."""
    corrupted = model.corrupt(batch.clean, batch.generator)
    if settings.relabel == "next":
        other = model.next_condition(batch.conditions)
    else:
        other = model.random_condition(batch.conditions, batch.generator)
    return _towards(model, batch, corrupted, other)


def relabel_as_partner(model: Denoiser, batch: Batch, settings: object) -> Tensor:
    """Towards what the current model predicts under the retain prompt that each forget prompt is paired with (SalUn's
    script for Stable Diffusion: "a photo of a person wearing clothes")."""
    return _towards(model, batch, model.corrupt(batch.clean, batch.generator), batch.partners)


def ablate(model: Denoiser, batch: Batch, settings: Ablating) -> Tensor:
    """On anchor images under their target prompts: towards what the current network predicts under the anchor prompts,
    or towards the noise (Concept Ablation, Eqs. 5 and 4: model-based, noise-based)."""
    return (relabel_as_partner if settings.towards == "prediction" else denoise)(model, batch, settings)


def _towards(model: Denoiser, batch: Batch, corrupted: Corrupted, other: Tensor) -> Tensor:
    teacher = model.teach(corrupted, other)
    return corrupted.squared_error(model.predict(corrupted, batch.conditions), target=teacher).mean()


def negative_guidance(model: LatentDenoiser, batch: Batch, settings: NegativelyGuided) -> Tensor:
    """Towards e(empty) - eta * (e(concept) - e(empty)) of the frozen base, at latents that the current model has drawn
    part of the way from noise under the concept (ESD, Eq. 7)."""
    latents = model.partly_sampled(
        batch.conditions,
        batch.empty,
        guidance=settings.start_guidance,
        steps=settings.start_steps,
        generator=batch.generator,
        as_released=settings.as_released,
    )
    nothing = batch.teacher.teach(latents, batch.empty.expand_as(batch.conditions))
    concept = batch.teacher.teach(latents, batch.conditions)
    target = nothing - settings.negative_guidance * (concept - nothing)
    return latents.squared_error(model.predict(latents, batch.conditions), target=target).mean()


def domain_correction(model: LatentDenoiser, batch: Batch, settings: Adversarial) -> Tensor:
    """Deceive a discriminator into taking what the network makes of an anchor image under its target prompt for what
    the frozen base makes of it under its anchor prompt (DoCo, concept domain correction)."""
    corrupted = model.corrupt(batch.clean, batch.generator)
    seen = model.noise_estimate if settings.discriminator_sees == "noise" else model.clean_estimate
    anchor = seen(corrupted, batch.teacher.teach(corrupted, batch.partners))
    target = seen(corrupted, model.predict(corrupted, batch.conditions))
    return batch.adversary.deceived(anchor, target)


def guided_denoise(model: LatentDenoiser, batch: Batch, settings: GuidedMask) -> Tensor:
    """The squared error of the guided prediction (1 + g) e(c) - g e(empty): what SalUn's mask differentiates."""
    corrupted = model.corrupt(batch.clean, batch.generator)
    g = settings.mask_guidance
    prediction = (1 + g) * model.predict(corrupted, batch.conditions)
    prediction = prediction - g * model.predict(corrupted, batch.empty.expand_as(batch.conditions))
    return corrupted.squared_error(prediction).mean()
