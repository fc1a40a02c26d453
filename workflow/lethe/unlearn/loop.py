"""One training loop for all methods."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lethe.adversary import Adversary
from lethe.errors import LetheError, nearest
from lethe.methods.method import Batch, Method, Objective, Recipe
from lethe.models.denoiser import Denoiser
from lethe.randomness import BatchStream, step_generator
from lethe.sets import Sets
from lethe.settings.common import Settings
from lethe.surgery import combine_, take_gradients
from lethe.training import ResumableState, restore_training_state, run_steps, training_state
from lethe.unlearn.cost import PassCounter
from lethe.unlearn.sides import ConceptPrompt, Side, check_shapes
from lethe.unlearn.trajectory import Trajectory


class Unlearning:
    """One training loop for all methods: two losses, two gradients, one rule, one optimiser step."""

    def __init__(self, model: Denoiser, recipe: Recipe, settings: Any, sets: Sets, seed: int) -> None:
        self.model, self.recipe, self.settings, self.seed = model, recipe, settings, seed
        check_shapes(model, sets)
        if settings.as_released and not recipe.has_released_defects:
            raise LetheError(
                "as_released, but there is no defect of released code to reproduce", "leave as_released at false"
            )
        if getattr(settings, "augmentation", False):
            model.augment()
        self.weights = trainable_weights(model, recipe.trainable)
        self.tensor_names = [name for name, weight in model.network.named_parameters() if weight.requires_grad]
        self.teacher = model.frozen() if recipe.frozen_teacher else None
        if recipe.first_token_fixed:
            fix_first_token(model, recipe.trainable)
        self.adversary = Adversary(model, settings, seed) if recipe.adversarial else None
        self.rule = recipe.rule(settings)
        loader = recipe.released_loader if settings.as_released else None
        table = torch.from_numpy(sets.table) if sets.table is not None else None
        self._empty = table[sets.empty : sets.empty + 1].to(model.device) if table is not None else None
        if recipe.forget_from == "D_f":
            self._forget = Side(model, table, sets.forget_clean, sets.forget_conditions, sets.retain_conditions)
        else:
            self._forget = ConceptPrompt(table[sets.concept].to(model.device), settings.batch)
        self._retain = Side(model, table, sets.retain_clean, sets.retain_conditions)
        if recipe.retain_schedule == "paired batch" and len(self._forget) != len(self._retain):
            raise LetheError(
                f"D_f has {len(self._forget)} examples and D_r {len(self._retain)}, but the method pairs them",
                "give sets of one size",
            )
        first_only = loader == "first batch only"
        self._forget_stream = BatchStream(
            len(self._forget),
            settings.batch,
            seed,
            "forget",
            first_batch_only=first_only or recipe.forget_from != "D_f",
            in_order=loader == "in order",
        )
        self._retain_stream = BatchStream(
            len(self._retain),
            settings.batch,
            seed,
            "retain",
            frozen_order=loader == "frozen order",
            first_batch_only=first_only,
        )
        # The released loop divides by the full batch size, also where the batch is short.
        self._full_batch = settings.batch if loader == "frozen order" else None
        # The released loss of classes is the sum over an image's values, ours their mean: Adam's eps has to follow.
        eps = getattr(settings, "adam_eps", 1e-8)
        eps = min(eps, 1e-8 / math.prod(model.clean_shape)) if loader == "frozen order" else eps
        decay = getattr(settings, "weight_decay", 0.0)
        self.optimiser = torch.optim.AdamW(
            self.weights, lr=settings.learning_rate, eps=eps, weight_decay=decay, fused=True
        )
        self.trajectory = Trajectory()
        self.passes = PassCounter(model, self.teacher)
        self.seconds_before = 0.0
        self._begun = time.monotonic()
        self.mask: list[Tensor] | None = None
        self.passes_for_mask = [0, 0]
        self.training_seconds = 0.0

    def prepare(self) -> None:
        """Work out the mask, if the method has one; the same for every start, so it is not part of the state."""
        if self.recipe.mask is not None:
            parts = self._forget.parts(self.settings.batch)
            self.model.network.eval()
            self.mask = self.recipe.mask(
                self.model,
                lambda number: self._batch(self._forget, parts[number], step_generator(self.seed, -1 - number)),
                len(parts),
                self.settings,
            )
            self.passes_for_mask = list(self.passes.counts)
        self.model.network.train()

    def step(self, number: int) -> Tensor:
        """One optimiser step; the sum of the losses. Nothing here waits for the device."""
        generator = step_generator(self.seed, number)
        if self.adversary is not None and number <= self.settings.warm_up:
            return self._only_the_adversary_learns(number, generator)
        nothing = torch.full((), torch.nan, device=self.model.device)
        forget_loss = retain_loss = nothing
        forget = gram = None
        if self.recipe.forget is not None:
            forget_loss = self._descend(self.recipe.forget, self._forget, self._forget_stream(number), generator)
            forget = take_gradients(self.weights)
        if self.recipe.retain is not None:
            retain_loss = self._retain_gradient(self.recipe.retain, number, generator)
        if forget is not None and self.recipe.retain is not None:
            weight = getattr(self.settings, "retain_weight", 1.0)
            gram = combine_(self.weights, forget, take_gradients(self.weights), self.rule, weight)
        elif forget is not None:
            for parameter, gradient in zip(self.weights, forget, strict=True):
                parameter.grad = gradient
        if self.settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.weights, self.settings.clip_norm, foreach=True)
        if self.mask is not None:
            for parameter, mask in zip(self.weights, self.mask, strict=True):
                if parameter.grad is not None:
                    parameter.grad.mul_(mask)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        scores = self.adversary.learn() if self.adversary is not None else None
        self.trajectory.add(forget_loss, retain_loss, gram, scores)
        losses = (forget_loss, self.recipe.forget), (retain_loss, self.recipe.retain)
        return torch.stack([loss for loss, objective in losses if objective is not None]).sum()

    def _only_the_adversary_learns(self, number: int, generator: torch.Generator) -> Tensor:
        """A step of the warm-up: the network stays as it is."""
        batch = self._batch(self._forget, self._forget_stream(number), generator)
        with torch.no_grad():
            loss = self.recipe.forget(self.model, batch, self.settings)
        self.trajectory.add(loss, loss.new_full((), torch.nan), None, self.adversary.learn())
        return loss

    def _retain_gradient(self, objective: Objective, number: int, generator: torch.Generator) -> Tensor:
        schedule = self.recipe.retain_schedule
        if schedule != "all of D_r":
            rows = self._forget_stream(number) if schedule == "paired batch" else self._retain_stream(number)
            share = len(rows) / self._full_batch if self._full_batch else 1.0
            return self._descend(objective, self._retain, rows, generator, share)
        parts = self._retain.parts(self.settings.batch)
        losses = []
        for rows in parts:
            share = len(rows) / self._full_batch / len(parts) if self._full_batch else len(rows) / len(self._retain)
            losses.append(share * self._descend(objective, self._retain, rows, generator, share))
        return torch.stack(losses).sum()

    def _descend(
        self,
        objective: Objective,
        side: Side | ConceptPrompt,
        rows: Any,
        generator: torch.Generator,
        share: float = 1.0,
    ) -> Tensor:
        loss = objective(self.model, self._batch(side, rows, generator), self.settings)
        (loss * share).backward()
        return loss.detach()

    def _batch(self, side: Side | ConceptPrompt, rows: np.ndarray, generator: torch.Generator) -> Batch:
        shared = {"teacher": self.teacher, "empty": self._empty, "adversary": self.adversary}
        return Batch(generator=generator, **shared, **side.rows(rows))

    def collect(self) -> dict[str, Tensor]:
        return training_state(self.model.network, self.optimiser) | {
            **self.trajectory.collect(len(self.weights)),
            **(self.adversary.collect() if self.adversary is not None else {}),
            "passes": torch.tensor(self.passes.counts),
            "seconds": torch.tensor(self.seconds_so_far(), dtype=torch.float64),
        }

    def seconds_so_far(self) -> float:
        """Of training, before and after a kill."""
        return self.seconds_before + time.monotonic() - self._begun

    def restore(self, tensors: dict[str, Tensor]) -> None:
        restore_training_state(tensors, self.model.network, self.optimiser)
        self.trajectory.restore(tensors, self.model.device)
        if self.adversary is not None:
            self.adversary.restore(tensors)
        self.passes.counts = tensors["passes"].tolist()
        self.seconds_before = float(tensors["seconds"])


def unlearn(
    model: Denoiser, method: Method, recipe: Recipe, settings: Settings, sets: Sets, seed: int, state: ResumableState
) -> Unlearning:
    """Make ``model`` forget, in place; returns the finished loop."""
    loop = Unlearning(model, recipe, settings, sets, seed)
    loop.prepare()
    run_steps(
        settings.steps,
        loop.step,
        collect=loop.collect,
        restore=loop.restore,
        state=state,
        title=f"{method.card.title} on {sets.target}",
        remedy="lower learning_rate, or truncation where the method has one",
    )
    loop.training_seconds = loop.seconds_so_far()
    return loop


def trainable_weights(model: Denoiser, group: str) -> list[torch.nn.Parameter]:
    """The weights of a parameter group, which alone get gradients from now on."""
    known = model.groups()
    if group not in known:
        raise LetheError(f"there is no parameter group '{group}' in this kind of model", nearest(group, known))
    weights = []
    for name, weight in model.network.named_parameters():
        weight.requires_grad_(known[group](name))
        if weight.requires_grad:
            weights.append(weight)
    return weights


def fix_first_token(model: Denoiser, group: str) -> None:
    """Let no gradient through what the layers of ``group`` make of a prompt's first token.

    Custom Diffusion's attention does so, and Concept Ablation and DoCo, which are built on it: the token that begins
    every prompt then serves other prompts as before.
    """
    chosen = model.groups()[group]
    for name, layer in model.network.named_modules():
        if isinstance(layer, torch.nn.Linear) and chosen(f"{name}.weight"):
            layer.register_forward_hook(lambda _, __, made: torch.cat([made[:, :1].detach(), made[:, 1:]], 1))
