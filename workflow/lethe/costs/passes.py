"""What a method's step takes, in passes of one example through the network, known from its recipe and settings."""

from __future__ import annotations

from typing import Any, NamedTuple

from lethe.methods.method import Recipe


class Passes(NamedTuple):
    """``backward`` passes with a gradient, ``forward`` those without, of each example of a batch."""

    backward: float
    forward: float = 0.0

    def __add__(self, other: Passes) -> Passes:  # type: ignore[override]
        return Passes(self.backward + other.backward, self.forward + other.forward)

    def times(self, count: float) -> Passes:
        return Passes(self.backward * count, self.forward * count)


_WITH_A_TEACHER = ("relabel", "relabel_as_partner", "domain_correction")
_ALONE = ("denoise", "ascent", "truncated_ascent", "gated_ascent")


def passes_of_objective(name: str, settings: Any) -> Passes:
    """Of an objective of :mod:`lethe.objectives`; one that is not known here is taken to have a teacher."""
    if name in _ALONE or (name == "ablate" and settings.towards == "noise"):
        return Passes(1)
    if name == "negative_guidance":
        return Passes(1, 2 + 2 * _sampled_steps(settings.start_steps, settings.as_released))
    return Passes(1, 1)


def _sampled_steps(steps: int, as_released: bool) -> float:
    """Mean steps of ESD's partial sampling, which ends at a step drawn uniformly."""
    if as_released:
        return sum(steps - 1 - max(stop - 1, 0) for stop in range(steps)) / steps
    return (steps - 1) / 2


def passes_of_run(recipe: Recipe, settings: Any, forget_images: int, retain_images: int) -> Passes:
    """Of a whole unlearning with its mask, in examples; D_f and D_r have so many images."""
    total = Passes(0)
    batch = min(settings.batch, forget_images) if recipe.forget_from == "D_f" else settings.batch
    if recipe.forget is not None:
        total += passes_of_objective(recipe.forget.__name__, settings).times(settings.steps * batch)
    learning = settings.steps
    if recipe.adversarial:
        warm_up = min(settings.warm_up + 1, settings.steps)  # the first step is number 0
        learning -= warm_up
        total += Passes(-1, 1).times(warm_up * batch)  # no gradient goes through the network
    if recipe.retain is not None:
        images = retain_images if recipe.retain_schedule == "all of D_r" else min(settings.batch, retain_images)
        total += passes_of_objective(recipe.retain.__name__, settings).times(learning * images)
    if recipe.mask is not None and not getattr(settings, "mask_as_released", False):
        guided = recipe.mask.__name__ == "guided_saliency"
        total += Passes(2 if guided else 1).times(forget_images)
    return total
