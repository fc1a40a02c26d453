"""A method = forget objective x retain objective x combination rule x trainable weights x retain schedule.

A method has one recipe for each kind of study: for classes, and for text. No torch is imported here or by a method's
file: the workflow reads them when it plans.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from lethe.errors import LetheError
from lethe.gradients import SUM, Rule
from lethe.settings.common import Settings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lethe.adversary import Adversary
    from lethe.models.denoiser import Denoiser

Kind = Literal["class", "text"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Batch:
    """What an objective sees: ``clean`` (B, C, H, W), ``conditions`` (B, ...), and the step's generator of noise.

    The rest is there where a recipe or a study has it: ``partners`` are the conditions of the retain prompts that the
    batch's prompts are paired with, ``empty`` (1, ...) is the condition that says nothing, ``teacher`` the frozen base,
    ``adversary`` the discriminator that learns beside the network.
    A recipe that learns from the concept's own prompt has no ``clean``; its ``conditions`` are that prompt's.
    """

    clean: Tensor
    conditions: Tensor
    generator: torch.Generator
    partners: Tensor | None = None
    empty: Tensor | None = None
    teacher: Denoiser | None = None
    adversary: Adversary | None = None


# An objective turns a batch into the loss that is descended, averaged over all elements.
Objective = Callable[["Denoiser", Batch, Any], "Tensor"]
# A mask is worked out once, before the first step: which weights may move, a tensor of truth values for each trainable
# one; None for no mask.
Mask = Callable[["Denoiser", Callable[[int], Batch], int, Any], "list[Tensor] | None"]


@dataclass(frozen=True)
class Card:
    """Where a method comes from, and where paper, released code and Lethe differ."""

    title: str
    paper: str
    code: str
    commit: str
    licence: str
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """An update rule. ``forget`` and ``retain`` are None where it has no such loss.

    ``forget_from`` says what the forget loss sees: D_f, or the concept's own prompt without images. ``retain_schedule``
    says which part of D_r a step sees: a batch of its own, all of it, or the partners of the forget batch.
    ``combine`` may depend on the settings. ``frozen_teacher`` asks for a copy of the base beside the network,
    ``adversarial`` for a discriminator that learns with it. ``first_token_fixed``: no gradient goes through what the
    trainable key and value weights make of a prompt's first token. ``as_released`` is allowed where
    ``released_loader`` names what the released code's data loader did wrong (see
    :class:`lethe.randomness.BatchStream`), or where ``released_objective`` says that the objective itself knows.
    """

    settings: type[Settings]
    forget: Objective | None = None
    retain: Objective | None = None
    combine: Rule | Callable[[Any], Rule] = SUM
    trainable: str = "all"
    mask: Mask | None = None
    forget_from: Literal["D_f", "the concept's prompt"] = "D_f"
    retain_schedule: Literal["one batch", "all of D_r", "paired batch"] = "one batch"
    frozen_teacher: bool = False
    adversarial: bool = False
    first_token_fixed: bool = False
    released_loader: Literal["frozen order", "first batch only", "in order"] | None = None
    released_objective: bool = False

    def rule(self, settings: Settings) -> Rule:
        """The combination rule under these settings."""
        return self.combine if isinstance(self.combine, Rule) else self.combine(settings)

    @property
    def needs_conflict(self) -> bool:
        """Whether two gradients meet, so that the trajectory has a cosine."""
        return self.forget is not None and self.retain is not None

    @property
    def needs_sets(self) -> bool:
        """Whether it sees images of D_f or D_r."""
        return self.retain is not None or self.forget_from == "D_f"

    @property
    def has_released_defects(self) -> bool:
        return self.released_loader is not None or self.released_objective


@dataclass(frozen=True)
class Method:
    """An update rule with its card: what it does to a model of classes, and to one of text; a kind of study for which
    it has no meaning gets the reason instead of a recipe."""

    card: Card
    classes: Recipe | str
    text: Recipe | str

    def recipe(self, kind: Kind) -> Recipe:
        """The recipe for a kind of study; LetheError with the reason where there is none."""
        found = self.classes if kind == "class" else self.text
        if isinstance(found, str):
            raise LetheError(f"{self.card.title} is not for studies of kind {kind}: {found}", "choose another method")
        return found


@dataclass(frozen=True)
class Control:
    """A row that unlearns nothing here: it bounds the metrics, or others have made its model.

    ``made_by`` says which stage makes its model; ``per_target`` whether there is one for each target, ``seeded``
    whether its model depends on the training seed. ``kinds`` are the kinds of study that have it.
    """

    card: Card
    made_by: Literal["nothing", "base", "unlearn", "import"]
    per_target: bool
    seeded: bool
    settings: type[Settings]
    prepare: Callable[[Denoiser, int], None] | None = None
    kinds: tuple[Kind, ...] = KINDS

    @property
    def bounds(self) -> bool:
        """Whether tables set the row apart and let it not compete; an imported model was unlearned, and competes."""
        return self.made_by != "import"


def settings_of(method: Method | Control, kind: Kind) -> type[Settings]:
    """The class of a method's settings for a kind of study; LetheError where it has no meaning there."""
    if isinstance(method, Method):
        return method.recipe(kind).settings
    if kind not in method.kinds:
        raise LetheError(f"{method.card.title} is not for studies of kind {kind}", "leave the row out")
    return method.settings
