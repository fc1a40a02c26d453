"""How the forget gradient g_f and the retain gradient g_r become one: the combination rules.

Each rule for two objectives is a * g_f + b * g_r, where a and b depend only on the 2x2 Gram matrix of the
gradients and on ``retain_weight`` (the paper's lambda). Both losses are descended: g_f is the gradient of the
forget loss with its sign already turned. All numbers stay on their device, so that no rule waits for it. This
module does not import torch when it runs: the files of the methods are read while the workflow is parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Coefficients = Callable[["Gram", float], "tuple[Tensor, Tensor]"]


class Gram(NamedTuple):
    """<g_f, g_f>, <g_f, g_r>, <g_r, g_r> in float64: 0-dim of a network, or (n,) of n tensors."""

    forget: Tensor
    cross: Tensor
    retain: Tensor

    def total(self) -> Gram:
        """That of the whole network, from those of its tensors."""
        return Gram(*(entries.sum() for entries in self))


@dataclass(frozen=True)
class Rule:
    """A combination rule. ``coefficients(gram, retain_weight)`` returns a and b, as many as ``gram`` has.

    A ``per_tensor`` rule sees one Gram matrix for each parameter tensor, the others see the whole network's.
    ``source`` names the paper and the place in it.
    """

    name: str
    coefficients: Coefficients
    source: str
    per_tensor: bool = False


def _sum(gram: Gram, retain_weight: float) -> tuple[Tensor, Tensor]:
    one = gram.forget.new_ones(gram.forget.shape)
    return one, one * retain_weight


def _restricted(gram: Gram, retain_weight: float) -> tuple[Tensor, Tensor]:
    conflict = gram.cross.clamp(max=0)
    forget = 1 - retain_weight * _ratio(conflict, gram.forget)
    retain = retain_weight - _ratio(conflict, gram.retain)
    return forget, retain


def _minimum_norm(gram: Gram) -> tuple[Tensor, Tensor]:
    difference = gram.forget - 2 * gram.cross + gram.retain  # ||g_f - g_r||^2
    forget = _ratio(gram.retain - gram.cross, difference, otherwise=0.5).clamp(0, 1)
    retain = _ratio(gram.forget - gram.cross, difference, otherwise=0.5).clamp(0, 1)
    return forget, retain


CAGRAD_RADIUS = 0.5


def _conflict_averse(gram: Gram) -> tuple[Tensor, Tensor]:
    # The dual problem has one unknown, the weight w of g_f in g_w = w g_f + (1 - w) g_r: minimise <g_w, mean>
    # + radius ||mean|| ||g_w||. Since ||g_w||^2 = difference (w - nearest)^2 + offset, its derivative has one
    # zero if ``turning`` is positive and none otherwise.
    mean = (gram.forget + 2 * gram.cross + gram.retain) / 4
    difference = gram.forget - 2 * gram.cross + gram.retain
    slope = (gram.forget - gram.retain) / 2
    nearest = _ratio(gram.retain - gram.cross, difference, otherwise=0.5)
    offset = _ratio((gram.forget * gram.retain - gram.cross**2).clamp(min=0), difference)
    turning = CAGRAD_RADIUS**2 * mean.clamp(min=0) * difference - slope**2
    stationary = nearest - slope * _ratio(offset, difference * turning).sqrt()
    endpoint = (1 - slope.sign()) / 2
    forget = stationary.where(turning > 0, endpoint).clamp(0, 1)

    retain = 1 - forget
    square = forget**2 * gram.forget + 2 * forget * retain * gram.cross + retain**2 * gram.retain
    pull = CAGRAD_RADIUS * _ratio(mean, square).clamp(min=0).sqrt()
    return 0.5 + pull * forget, 0.5 + pull * retain


# Nearer to opposite than this, 1 + cosine is the rounding of float32 dot products, and a step of the full
# norm sqrt(2) would be noise: with the floor the step shrinks to nothing instead.
NASH_FLOOR = 1e-6


def _bargained(gram: Gram) -> tuple[Tensor, Tensor]:
    cosine = _ratio(gram.cross, gram.forget.sqrt() * gram.retain.sqrt())
    agreement = (1 + cosine).clamp(min=NASH_FLOOR)
    return _ratio(1, (gram.forget * agreement).sqrt()), _ratio(1, (gram.retain * agreement).sqrt())


DOCO_NORM = 1.0


def _one_sided(removed: float) -> Coefficients:
    """DoCo's figure and first upload: g_f loses ``removed`` of what conflicts; g_r itself is never applied."""

    def coefficients(gram: Gram, retain_weight: float) -> tuple[Tensor, Tensor]:
        one = gram.forget.new_ones(gram.forget.shape)
        return one, -removed * _ratio(gram.cross.clamp(max=0), gram.retain)

    return coefficients


def _cosine_subtracted(removed: float) -> Coefficients:
    """DoCo's release: both gradients are clipped to DOCO_NORM over the whole network; then the *cosine* times the unit
    vector of g_r is subtracted, without the factor ||g_f|| that would make it a projection."""

    def coefficients(gram: Gram, retain_weight: float) -> tuple[Tensor, Tensor]:
        norms = (gram.forget * gram.retain).sqrt()
        clip = (DOCO_NORM / (gram.forget.sum().sqrt() + 1e-6)).clamp(max=1)
        cosine = _ratio(gram.cross.clamp(max=0), norms)
        return clip.expand_as(gram.forget), -removed * _ratio(cosine, gram.retain.sqrt())

    return coefficients


def _ratio(numerator: Tensor | float, denominator: Tensor, otherwise: float = 0.0) -> Tensor:
    """``numerator / denominator``, but ``otherwise`` where the denominator is not positive; NaN stays NaN."""
    return (numerator / denominator).where((denominator > 0) | denominator.isnan(), otherwise)


def _with_scaled_retain(coefficients: Callable[[Gram], tuple[Tensor, Tensor]]) -> Coefficients:
    """Let lambda enter a rule that has none of its own: the rule sees lambda g_r in the place of g_r."""

    def scaled(gram: Gram, retain_weight: float) -> tuple[Tensor, Tensor]:
        seen = Gram(gram.forget, retain_weight * gram.cross, retain_weight**2 * gram.retain)
        forget, retain = coefficients(seen)
        return forget, retain_weight * retain

    return scaled


SUM = Rule("sum", _sum, source="the weighted sum: g_f + lambda g_r")

# Each gradient is replaced by the nearest vector that, to first order, does not raise the other loss; the
# second is multiplied by lambda and the two are added. Scaling g_r by lambda > 0 before the projections gives
# the same.
#
# What Theorem 4 is and is not (tested by brute force): each projection is the steepest direction of its own
# problem, as Lemma 5 says, and their sum descends on both losses, as Definition 3 asks. It is the steepest
# such direction for L_f + lambda L_r only where ||g_f|| = lambda ||g_r|| or nothing conflicts: the proof
# bounds a step v by the best v and the best w of equal norms, then takes v + w, whose norm is another. In
# general the steepest is the plain sum while that descends on both losses, and otherwise the projection of
# the longer gradient alone.
RESTRICTED = Rule(
    "restricted",
    _restricted,
    source="Ko et al. 2024, Theorem 4; else the sum. It is two-task PCGrad (Yu et al. 2020, Algorithm 1)",
)

PCGRAD_PER_TENSOR = Rule(
    "pcgrad_per_tensor",
    _restricted,
    source="the restricted rule on each parameter tensor by itself",
    per_tensor=True,
)

# A zero gradient is itself the point of minimum norm, so there the other loss gets no step either.
MGDA = Rule(
    "mgda",
    _with_scaled_retain(_minimum_norm),
    source="Desideri 2012; Sener & Koltun 2018: the shortest vector between g_f and lambda g_r",
)

CAGRAD = Rule(
    "cagrad",
    _with_scaled_retain(_conflict_averse),
    source="Liu et al. 2021, Algorithm 1, c = 0.5: the best for the worse-off loss near the mean gradient",
)

# The bargain does not see the norms of the gradients, so lambda > 0 has no effect. A zero gradient leaves the
# game.
NASH = Rule(
    "nash",
    _with_scaled_retain(_bargained),
    source="Navon et al. 2022, Algorithm 1: G^T G x = 1/x; for two, x_i = 1 / (||g_i|| sqrt(1 + cosine))",
)


def doco_first_upload(removed: float = 1.0) -> Rule:
    """The rule of DoCo's first upload and of the figure in its paper. ``removed`` is its lambda: 1 removes all of what
    conflicts, 0.5 half of it. The retain weight has no effect: only the direction of g_r matters."""
    return Rule(
        "doco_first_upload",
        _one_sided(removed),
        source="DoCo, first upload of its code (9214ec4): one-sided projection on each parameter tensor",
        per_tensor=True,
    )


def doco_release(removed: float = 1.0) -> Rule:
    """The rule of DoCo's released code, as coded. ``removed`` is its lambda; the retain weight has no effect."""
    return Rule(
        "doco_release",
        _cosine_subtracted(removed),
        source="DoCo, code since 1a36e61 (gradient_clip.py): clipped, cosine in the place of the inner product",
        per_tensor=True,
    )


DOCO_FIRST_UPLOAD, DOCO_RELEASE = doco_first_upload(), doco_release()

RULES = {
    rule.name: rule
    for rule in (SUM, RESTRICTED, PCGRAD_PER_TENSOR, MGDA, CAGRAD, NASH, DOCO_FIRST_UPLOAD, DOCO_RELEASE)
}
