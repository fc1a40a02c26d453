"""The unlearn stage: ``python -m lethe.unlearn KIND METHOD`` makes the base model forget a target."""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lethe.cli import add_device, add_provenance, add_state, command, leave, provenance
from lethe.device import choose_device
from lethe.errors import LetheError, nearest
from lethe.files import sha256_of, write_json, write_rows
from lethe.methods import method_named, method_names
from lethe.methods.method import KINDS, Batch, Control, Kind, Method, Objective, Recipe, settings_of
from lethe.model_files import weights_of
from lethe.models import load_denoiser
from lethe.models.denoiser import Denoiser
from lethe.randomness import BatchStream, step_generator
from lethe.sets import Sets, read_sets
from lethe.settings.common import Settings
from lethe.settings.options import add_options, from_options
from lethe.surgery import combine_, take_gradients
from lethe.training import ResumableState, restore_training_state, run_steps, training_state, use_threads

TRAJECTORY = ("step", "forget_loss", "retain_loss", "forget_norm", "retain_norm", "cosine", "conflict")


@dataclass
class Trajectory:
    """What happened in each step: the two losses and the Gram matrix of the two gradients, float64 on the device."""

    rows: list[Tensor] = field(default_factory=list)

    def add(self, *values: Tensor) -> None:
        self.rows.append(torch.stack([value.detach().double() for value in values]))

    def table(self) -> list[dict[str, Any]]:
        """One row a step, keyed by the names in TRAJECTORY; an absent loss or gradient is an empty cell."""
        table = []
        for step, (forget, retain, forget_square, cross, retain_square) in enumerate(
            torch.stack(self.rows).cpu().tolist() if self.rows else []
        ):
            norms = forget_square**0.5, retain_square**0.5
            known = norms[0] > 0 and norms[1] > 0  # not so where a loss is missing (NaN) or a gradient vanished
            values = (
                step,
                forget,
                retain,
                *norms,
                cross / (norms[0] * norms[1]) if known else None,
                int(cross < 0) if known else None,
            )
            empty = (value is None or math.isnan(value) for value in values)
            table.append({n: "" if e else value for n, value, e in zip(TRAJECTORY, values, empty, strict=True)})
        return table


class Unlearning:
    """One training loop for all methods: two losses, two gradients, one rule, one optimiser step."""

    def __init__(self, model: Denoiser, recipe: Recipe, settings: Any, sets: Sets, seed: int) -> None:
        self.model, self.recipe, self.settings, self.seed = model, recipe, settings, seed
        _check_shapes(model, sets)
        if settings.as_released and not recipe.has_released_defects:
            raise LetheError(
                "as_released, but there is no defect of released code to reproduce", "leave as_released at false"
            )
        self.weights = trainable_weights(model, recipe.trainable)
        self.teacher = model.frozen() if recipe.frozen_teacher else None
        loader = recipe.released_loader if settings.as_released else None
        table = torch.from_numpy(sets.table).to(model.device) if sets.table is not None else None
        self._empty = table[sets.empty : sets.empty + 1] if table is not None else None
        if recipe.forget_from == "D_f":
            self._forget = _Side(model, table, sets.forget_clean, sets.forget_conditions, sets.retain_conditions)
        else:
            self._forget = _Concept(table[sets.concept], settings.batch)
        self._retain = _Side(model, table, sets.retain_clean, sets.retain_conditions)
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
        self.optimiser = torch.optim.Adam(self.weights, lr=settings.learning_rate, fused=True)
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
        nothing = torch.full((), torch.nan, device=self.model.device)
        forget_loss = retain_loss = nothing
        forget: list[Tensor | None] | None = None
        if self.recipe.forget is not None:
            forget_loss = self._descend(self.recipe.forget, self._forget, self._forget_stream(number), generator)
            forget = take_gradients(self.weights)
        if self.recipe.retain is not None:
            retain_loss = self._retain_gradient(self.recipe.retain, number, generator)
        if forget is not None and self.recipe.retain is not None:
            weight = getattr(self.settings, "retain_weight", 1.0)
            gram = combine_(self.weights, forget, take_gradients(self.weights), self.recipe.combine, weight)
            self.trajectory.add(forget_loss, retain_loss, *gram)
        else:
            if forget is not None:
                for parameter, gradient in zip(self.weights, forget, strict=True):
                    parameter.grad = gradient
            self.trajectory.add(forget_loss, retain_loss, nothing, nothing, nothing)
        if self.settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.weights, self.settings.clip_norm, foreach=True)
        if self.mask is not None:
            for parameter, mask in zip(self.weights, self.mask, strict=True):
                if parameter.grad is not None:
                    parameter.grad.mul_(mask)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        losses = (forget_loss, self.recipe.forget), (retain_loss, self.recipe.retain)
        return torch.stack([loss for loss, objective in losses if objective is not None]).sum()

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
        self, objective: Objective, side: _Side | _Concept, rows: Any, generator: torch.Generator, share: float = 1.0
    ) -> Tensor:
        loss = objective(self.model, self._batch(side, rows, generator), self.settings)
        (loss * share).backward()
        return loss.detach()

    def _batch(self, side: _Side | _Concept, rows: np.ndarray, generator: torch.Generator) -> Batch:
        return Batch(generator=generator, teacher=self.teacher, empty=self._empty, **side.rows(rows))

    def collect(self) -> dict[str, Tensor]:
        return training_state(self.model.network, self.optimiser) | {
            "trajectory": torch.stack(self.trajectory.rows),
            "passes": torch.tensor(self.passes.counts),
            "seconds": torch.tensor(self.seconds_so_far(), dtype=torch.float64),
        }

    def seconds_so_far(self) -> float:
        return self.seconds_before + time.monotonic() - self._begun

    def restore(self, tensors: dict[str, Tensor]) -> None:
        restore_training_state(tensors, self.model.network, self.optimiser)
        self.trajectory.rows = list(tensors["trajectory"].to(self.model.device))
        self.passes.counts = tensors["passes"].tolist()
        self.seconds_before = float(tensors["seconds"])


class PassCounter:
    """How many examples went through the network: ``counts`` with a gradient, and without.

    In both, a guided prediction of B examples counts 2 B.
    """

    def __init__(self, *models: Denoiser | None) -> None:
        self.counts = [0, 0]
        for model in models:
            if model is not None:
                model.network.register_forward_hook(self._count)

    def _count(self, network: torch.nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self.counts[0 if torch.is_grad_enabled() else 1] += len(inputs[0])


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


def _check_shapes(model: Denoiser, sets: Sets) -> None:
    for side, examples in (("D_f", sets.forget_clean), ("D_r", sets.retain_clean)):
        if len(examples) and examples.shape[1:] != model.clean_shape:
            raise LetheError(
                f"{side} holds examples {examples.shape[1:]}, but the model makes {model.clean_shape}",
                "give the sets of the base model's own study",
            )
    if sets.table is not None and sets.table.shape[1:] != model.condition_shape:
        raise LetheError(
            f"the prompts' embeddings are {sets.table.shape[1:]}, but the model takes {model.condition_shape}",
            "give the embeddings made with the base model's own text encoder",
        )
    classes = getattr(model, "condition_count", None)
    if classes is not None and len(sets.forget_conditions) and sets.forget_conditions.max() >= classes:
        raise LetheError(
            f"D_f is of class {sets.forget_conditions.max()}, but the model has {classes} classes",
            "give the sets of the base model's own study",
        )


class _Side:
    """D_f or D_r, kept on the device; where conditions are prompts, they point into the ``table`` of embeddings."""

    def __init__(
        self,
        model: Denoiser,
        table: Tensor | None,
        clean: np.ndarray,
        conditions: np.ndarray,
        partners: np.ndarray | None = None,
    ) -> None:
        self._table = table
        self._clean = model.clean(torch.from_numpy(clean))
        self._conditions = torch.from_numpy(conditions).to(model.device)
        paired = table is not None and partners is not None and len(partners) == len(conditions)
        self._partners = torch.from_numpy(partners).to(model.device) if paired else None

    def __len__(self) -> int:
        return len(self._clean)

    def parts(self, size: int) -> list[np.ndarray]:
        """Rows of each batch of one walk over the set; the last may be short."""
        rows = np.arange(len(self))
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def rows(self, rows: np.ndarray) -> dict[str, Tensor | None]:
        """The fields of a Batch that these rows fill."""
        index = torch.from_numpy(rows).to(self._clean.device)
        return {
            "clean": self._clean[index],
            "conditions": self._meant(self._conditions[index]),
            "partners": self._meant(self._partners[index]) if self._partners is not None else None,
        }

    def _meant(self, conditions: Tensor) -> Tensor:
        return conditions if self._table is None else self._table[conditions]


class _Concept:
    """In the place of D_f: ``prompt`` (tokens, width), the concept's own, without images."""

    def __init__(self, prompt: Tensor, batch: int) -> None:
        self._prompt, self._batch = prompt, batch

    def __len__(self) -> int:
        return self._batch

    def rows(self, rows: np.ndarray) -> dict[str, Tensor | None]:
        return {"clean": None, "conditions": self._prompt.expand(len(rows), *self._prompt.shape)}


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


def main(arguments: argparse.Namespace) -> None:
    started = time.monotonic()
    method = method_named(arguments.method)
    settings = from_options(settings_of(method, arguments.kind), arguments)
    threads = use_threads()
    device = choose_device(arguments.device)
    model = load_denoiser(arguments.kind, arguments.base, device)
    state = None
    if isinstance(method, Control):
        method.prepare(model, arguments.seed)
        loop, seen = None, {}
    else:
        sets = read_sets(arguments.sets, arguments.embeddings, getattr(settings, "pairs", None))
        state = ResumableState(arguments.state, _training_name(settings, arguments, threads), arguments.state_seconds)
        loop = unlearn(model, method, method.recipe(arguments.kind), settings, sets, arguments.seed, state)
        seen = {
            "target": sets.target,
            "forget_images": len(sets.forget_clean),
            "retain_images": len(sets.retain_clean),
        }
    record = provenance("unlearn", settings, arguments, method=arguments.method, seed=arguments.seed, **seen)
    write_rows(arguments.trajectory, TRAJECTORY, loop.trajectory.table() if loop else [])
    model.save(arguments.model, record)
    write_json(arguments.cost, _cost(started, device, loop, arguments.model))
    if state is not None:
        state.remove()


def _training_name(settings: Settings, arguments: argparse.Namespace, threads: int) -> str:
    files = (arguments.base / weights_of(arguments.kind), arguments.sets, arguments.embeddings)
    made_from = "|".join(sha256_of(path) for path in files if path is not None)
    chosen = f"{arguments.method}|{settings.model_dump_json()}|{arguments.seed}|{threads}"
    return f"{arguments.fingerprint}|{made_from}|{chosen}"


def _cost(started: float, device: torch.device, loop: Unlearning | None, model: Path) -> dict[str, Any]:
    """What the run took, before and after a kill. ``passes`` are forward-backward passes over one batch, ``forwards``
    those without a gradient; a mask's are in both totals, but not in what a step takes. ``batch`` is that batch's size,
    so that the passes of methods with different batches can be compared; ``training_seconds`` are those of mask and
    steps, without loading and saving."""
    on_gpu = device.type == "cuda"
    cost = {
        "seconds": time.monotonic() - started + (loop.seconds_before if loop else 0.0),
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "peak_memory_bytes": torch.cuda.max_memory_allocated(device)
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "storage_bytes": sum(path.stat().st_size for path in model.rglob("*") if path.is_file()),
        **dict.fromkeys(("steps", "batch", "training_seconds"), 0),
        **dict.fromkeys(("passes", "forwards", "passes_per_step", "forwards_per_step"), 0),
    }
    if loop is not None:
        batch, steps = loop.settings.batch, loop.settings.steps
        for name, total, before in zip(("passes", "forwards"), loop.passes.counts, loop.passes_for_mask, strict=True):
            cost |= {name: total / batch, f"{name}_per_step": (total - before) / batch / steps}
        cost |= {"steps": steps, "batch": batch, "training_seconds": loop.training_seconds}
    return cost


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.unlearn", description=__doc__, allow_abbrev=False)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind in KINDS:
        text = {"class": "forget a class of a model of pixels", "text": "forget a concept of Stable Diffusion"}[kind]
        methods = kinds.add_parser(kind, help=text, description=text, allow_abbrev=False)
        commands = methods.add_subparsers(dest="method", required=True, metavar="METHOD")
        for name in method_names():
            _add_method(commands, kind, name)
    return parser


def _add_method(commands: argparse._SubParsersAction, kind: Kind, name: str) -> None:
    method = method_named(name)
    if isinstance(method, Control) and method.prepare is None:
        return
    try:
        settings = settings_of(method, kind)
    except LetheError:
        return
    text = f"{method.card.title}. {method.card.paper}".replace("%", "%%")
    options = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    options.add_argument("--base", type=Path, required=True, help="model folder to start from")
    if isinstance(method, Method):
        needs_sets = method.recipe(kind).needs_sets
        options.add_argument("--sets", type=Path, required=needs_sets, help="D_f and D_r, from the sets stage")
        options.add_argument(
            "--embeddings", type=Path, required=kind == "text", help="the prompts' embeddings, from the sets stage"
        )
    options.add_argument("--model", type=Path, required=True, help="model folder to write")
    options.add_argument("--trajectory", type=Path, required=True, help="csv file: losses and gradients by step")
    options.add_argument("--cost", type=Path, required=True, help="json file: seconds, peak memory, passes")
    options.add_argument("--seed", type=int, default=0, help="training seed [0]")
    add_state(options)
    add_options(options, settings)
    add_device(options)
    add_provenance(options)


if __name__ == "__main__":
    command(parser(), main)
    leave()
