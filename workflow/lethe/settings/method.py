"""What every method's settings share. A method declares its own class from these parts, with its own defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings
from lethe.settings.sets import RETAIN_STRATEGIES, RetainStrategy


class MethodSettings(Settings):
    """The training loop's settings. The defaults of each method are those of its paper or released code."""

    steps: int = Field(782, ge=1, description="Optimiser steps.")
    batch: int = Field(64, ge=1, description="Images of D_f (and of D_r, unless all of it is walked) a step.")
    learning_rate: float = Field(1e-5, gt=0, description="Adam's learning rate, constant.")
    clip_norm: float | None = Field(
        None, gt=0, description="Clip the whole gradient to this norm before masking; none."
    )
    as_released: bool = Field(
        False, description="Reproduce the defects of the released code that the method's card lists."
    )


class OnClasses(MethodSettings):
    """The same on classes."""

    augmentation: bool = Field(
        False,
        description="Augment all images as EDM does in training, and tell the network, as RGD's released code does; "
        "only for a given base that has learned it.",
    )
    adam_eps: float = Field(
        1e-8,
        gt=0,
        description="Adam's eps. RGD's released losses are sums over an image's values, ours are means: its 1e-8 is "
        "3.2552e-12 here for 3 x 32 x 32 values.",
    )


class ClassMethodSettings(OnClasses):
    """The same for a method that sees images of D_r."""

    strategy: RetainStrategy = Field(
        "balanced", description=f"How D_r is drawn, unless the study's sets.strategy says so: {RETAIN_STRATEGIES}."
    )


class TextMethodSettings(MethodSettings):
    """The same on Stable Diffusion: the released scripts take one pass over 800 pairs in batches of 8."""

    steps: int = Field(100, ge=1, description="Optimiser steps.")
    batch: int = Field(8, ge=1, description="Images of D_f and of D_r a step.")


class Paired(Settings):
    """Which generated images the method sees."""

    strategy: Literal["diversified", "uniform"] = Field(
        "diversified",
        description="D_f and D_r: diversified = aligned pairs of many prompts, uniform = one prompt each.",
    )
    pairs: int | None = Field(None, ge=1, description="Use only the first so many pairs; none: all.")


class PairedUniformly(Paired):
    """The same, without diversity unless asked for."""

    strategy: Literal["diversified", "uniform"] = Field(
        "uniform",
        description="D_f and D_r: diversified = aligned pairs of many prompts, uniform = one prompt each.",
    )


class Anchored(Settings):
    """Images of anchor prompts, seen under these and under their target prompts."""

    strategy: Literal["anchored"] = Field(
        "anchored",
        description="D_f and D_r: anchored = one set of images, with target prompts and with anchor prompts.",
    )
    pairs: int | None = Field(None, ge=1, description="Use only the first so many pairs; none: all.")


class Truncated(Settings):
    """A forget loss that is cut off."""

    truncation: float = Field(
        0.1, gt=0, description="The paper's alpha: squared errors above it no longer ascend (element by element)."
    )


class Gated(Settings):
    """A forget loss that is switched off for a whole batch."""

    truncation: float = Field(
        1.5,
        gt=0,
        description="A batch whose mean squared error is above it does not ascend (--m in the released code).",
    )


class Retaining(Settings):
    """A retain loss beside the forget loss."""

    retain_weight: float = Field(
        5.0, ge=0, description="The paper's lambda: multiplies the retain gradient, after any projection."
    )


class RetainingAsScripted(Retaining):
    """The same with the weight of RGD's script for Stable Diffusion."""

    retain_weight: float = Field(
        1.6, ge=0, description="The paper's lambda (--alpha in the script): multiplies the retain gradient."
    )


class Masked(Settings):
    """An update restricted to the weights that matter most to the forget loss."""

    mask_fraction: float = Field(0.5, gt=0, le=1, description="Share of all weights that may move (by saliency).")


class Relabelled(Settings):
    """A forget loss towards another class's prediction."""

    relabel: Literal["next", "random"] = Field("next", description="Which other class the teacher is asked for.")


class GuidedMask(Masked):
    """A mask by the gradient of the guided prediction."""

    mask_guidance: float = Field(
        7.5, ge=0, description="g in (1 + g) e(c) - g e(empty), whose error the mask differentiates."
    )
    mask_as_released: bool = Field(
        False, description="No weight is masked, as in SalUn's released code for Stable Diffusion before 2024-05-15."
    )


class NegativelyGuided(Settings):
    """A forget loss away from the concept, at noisy latents that the model itself draws from the concept's prompt."""

    negative_guidance: float = Field(1.0, gt=0, description="ESD's eta: how far the target lies from the concept.")
    start_guidance: float = Field(3.0, ge=0, description="Guidance of the partial sampling that makes the latents.")
    start_steps: int = Field(
        50, ge=2, le=500, description="DDIM steps of a whole sampling, of which a random part is done."
    )


class Decaying(Settings):
    """AdamW in the place of Adam."""

    weight_decay: float = Field(1e-2, ge=0, description="AdamW's decoupled weight decay.")


class Ablating(Settings):
    """A forget loss towards what another prompt gives."""

    towards: Literal["prediction", "noise"] = Field(
        "prediction",
        description="prediction = the network's own under the anchor prompt; noise = that on the anchor image.",
    )


class Adversarial(Settings):
    """A forget loss from a discriminator that learns beside the network."""

    warm_up: int = Field(
        1000, ge=0, description="Up to and with this step (from 0) only the discriminator learns; the network after it."
    )
    discriminator_rate: float = Field(1e-4, gt=0, description="Adam's learning rate of the discriminator.")
    discriminator_sees: Literal["noise", "clean"] = Field(
        "clean", description="What it tells apart: predicted noise, or the clean latents that it implies."
    )
    discriminator_layers: int = Field(4, ge=1, description="Layers that halve the picture (4 for 64x64 latents).")
    discriminator_width: int = Field(64, ge=8, multiple_of=8, description="Channels of its first layer.")
    discriminator_norm: Literal["batch", "group"] = Field(
        "batch",
        description="Its normalisation: batch as released (a batch's statistics tell anchors from targets), or group.",
    )
    conflict_removed: float = Field(
        1.0,
        ge=0,
        description="DoCo's lambda: how much of what conflicts with the retain gradient the forget gradient loses.",
    )


class NoSettings(Settings):
    """A control has nothing to set."""
