"""The unlearn stage: ``python -m lethe.unlearn METHOD`` makes the base model forget the target of a pair of sets."""

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

from lethe.cli import add_device, add_provenance, add_state, command, provenance
from lethe.device import choose_device
from lethe.errors import LetheError, nearest
from lethe.files import sha256_of, write_json, write_rows, write_text
from lethe.methods import method_named, method_names
from lethe.methods.method import Batch, Control, Method, Objective
from lethe.model_card import model_card
from lethe.models.denoiser import Denoiser
from lethe.models.edm import EDM
from lethe.models.folder import WEIGHTS
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

    def __init__(self, model: Denoiser, method: Method, settings: Any, sets: Sets, seed: int) -> None:
        self.model, self.method, self.settings, self.seed = model, method, settings, seed
        if sets.forget_images.shape[1:] != model.image_shape or sets.target >= model.condition_count:
            raise LetheError(
                f"the sets hold images {sets.forget_images.shape[1:]} of class {sets.target}, but the model makes "
                f"{model.image_shape} of {model.condition_count} classes",
                "give the sets of the base model's own study",
            )
        known = model.groups()
        if method.trainable not in known:
            raise LetheError(
                f"{method.card.title} trains '{method.trainable}', which this kind of model does not have",
                nearest(method.trainable, known),
            )
        self.weights: list[torch.nn.Parameter] = []
        for name, weight in model.network.named_parameters():
            weight.requires_grad_(known[method.trainable](name))
            if weight.requires_grad:
                self.weights.append(weight)
        if settings.as_released and method.released_loader is None:
            raise LetheError(
                f"{method.card.title}: as_released, but there is no defect of released code to reproduce",
                "leave as_released at false",
            )
        loader = method.released_loader if settings.as_released else None
        self._forget = _Side(model, sets.forget_images, sets.forget_conditions)
        self._retain = _Side(model, sets.retain_images, sets.retain_conditions)
        self._forget_stream = BatchStream(
            len(self._forget), settings.batch, seed, "forget", first_batch_only=loader == "first batch only"
        )
        self._retain_stream = BatchStream(
            len(self._retain),
            settings.batch,
            seed,
            "retain",
            frozen_order=loader == "frozen order",
            first_batch_only=loader == "first batch only",
        )
        # The released loop divides by the full batch size, also where the batch is short.
        self._full_batch = settings.batch if loader == "frozen order" else None
        self.optimiser = torch.optim.Adam(self.weights, lr=settings.learning_rate, fused=True)
        self.trajectory = Trajectory()
        self.passes = 0
        self.seconds_before = 0.0
        self._begun = time.monotonic()
        self.mask: list[Tensor] | None = None

    def prepare(self) -> None:
        """Work out the mask, if the method has one; the same for every start, so it is not part of the state."""
        if self.method.mask is not None:
            parts = self._forget.parts(self.settings.batch)
            self.model.network.eval()
            self.mask = self.method.mask(
                self.model,
                lambda number: self._forget.batch(parts[number], step_generator(self.seed, -1 - number)),
                len(parts),
                self.settings,
            )
            self.passes += len(parts)
        self.model.network.train()

    def step(self, number: int) -> Tensor:
        """One optimiser step; the sum of the losses. Nothing here waits for the device."""
        generator = step_generator(self.seed, number)
        nothing = torch.full((), torch.nan, device=self.model.device)
        forget_loss = retain_loss = nothing
        forget: list[Tensor | None] | None = None
        if self.method.forget is not None:
            forget_loss = self._descend(self.method.forget, self._forget, self._forget_stream(number), generator)
            forget = take_gradients(self.weights)
        if self.method.retain is not None:
            retain_loss = self._retain_gradient(self.method.retain, number, generator)
        if forget is not None and self.method.retain is not None:
            weight = getattr(self.settings, "retain_weight", 1.0)
            gram = combine_(self.weights, forget, take_gradients(self.weights), self.method.combine, weight)
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
        losses = (forget_loss, self.method.forget), (retain_loss, self.method.retain)
        return torch.stack([loss for loss, objective in losses if objective is not None]).sum()

    def _retain_gradient(self, objective: Objective, number: int, generator: torch.Generator) -> Tensor:
        if self.method.retain_schedule == "one batch":
            rows = self._retain_stream(number)
            share = len(rows) / self._full_batch if self._full_batch else 1.0
            return self._descend(objective, self._retain, rows, generator, share)
        parts = self._retain.parts(self.settings.batch)
        losses = []
        for rows in parts:
            share = len(rows) / self._full_batch / len(parts) if self._full_batch else len(rows) / len(self._retain)
            losses.append(share * self._descend(objective, self._retain, rows, generator, share))
        return torch.stack(losses).sum()

    def _descend(
        self, objective: Objective, side: _Side, rows: Any, generator: torch.Generator, share: float = 1.0
    ) -> Tensor:
        loss = objective(self.model, side.batch(rows, generator), self.settings)
        (loss * share).backward()
        self.passes += 1
        return loss.detach()

    def collect(self) -> dict[str, Tensor]:
        seconds = self.seconds_before + time.monotonic() - self._begun
        return training_state(self.model.network, self.optimiser) | {
            "trajectory": torch.stack(self.trajectory.rows),
            "passes": torch.tensor(self.passes),
            "seconds": torch.tensor(seconds, dtype=torch.float64),
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        restore_training_state(tensors, self.model.network, self.optimiser)
        self.trajectory.rows = list(tensors["trajectory"].to(self.model.device))
        self.passes = int(tensors["passes"])
        self.seconds_before = float(tensors["seconds"])


class _Side:
    """D_f or D_r, kept on the device."""

    def __init__(self, model: Denoiser, images: Any, conditions: Any) -> None:
        self._clean = model.clean(torch.from_numpy(images))
        self._conditions = torch.from_numpy(conditions).to(model.device)

    def __len__(self) -> int:
        return len(self._clean)

    def parts(self, size: int) -> list[np.ndarray]:
        """Rows of each batch of one walk over the set; the last may be short."""
        rows = np.arange(len(self))
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def batch(self, rows: np.ndarray, generator: torch.Generator) -> Batch:
        index = torch.from_numpy(rows).to(self._clean.device)
        return Batch(self._clean[index], self._conditions[index], generator)


def unlearn(
    model: Denoiser, method: Method, settings: Settings, sets: Sets, seed: int, state: ResumableState
) -> Unlearning:
    """Make ``model`` forget, in place; returns the finished loop."""
    loop = Unlearning(model, method, settings, sets, seed)
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
    return loop


def main(arguments: argparse.Namespace) -> None:
    started = time.monotonic()
    method = method_named(arguments.method)
    settings = from_options(method.settings, arguments)
    threads = use_threads()
    device = choose_device(arguments.device)
    model = EDM.load(arguments.base, device)
    state = None
    if isinstance(method, Control):
        method.prepare(model, arguments.seed)
        loop, seen = None, {}
    else:
        sets = read_sets(arguments.sets)
        state = ResumableState(arguments.state, _training_name(settings, arguments, threads), arguments.state_seconds)
        loop = unlearn(model, method, settings, sets, arguments.seed, state)
        seen = {
            "target": sets.target,
            "forget_images": len(sets.forget_images),
            "retain_images": len(sets.retain_images),
        }
    record = provenance("unlearn", settings, arguments, method=arguments.method, seed=arguments.seed, **seen)
    write_rows(arguments.trajectory, TRAJECTORY, loop.trajectory.table() if loop else [])
    write_json(arguments.cost, _cost(started, device, loop))
    write_text(arguments.model / "README.md", model_card(method, record))
    model.save(arguments.model, record)
    if state is not None:
        state.remove()


def _training_name(settings: Settings, arguments: argparse.Namespace, threads: int) -> str:
    made_from = f"{arguments.fingerprint}|{sha256_of(arguments.base / WEIGHTS)}|{sha256_of(arguments.sets)}"
    return f"{made_from}|{arguments.method}|{settings.model_dump_json()}|{arguments.seed}|{threads}"


def _cost(started: float, device: torch.device, loop: Unlearning | None) -> dict[str, Any]:
    """What the run took, before and after a kill. ``passes`` are forward-backward passes over one batch."""
    on_gpu = device.type == "cuda"
    return {
        "seconds": time.monotonic() - started + (loop.seconds_before if loop else 0.0),
        "device": torch.cuda.get_device_name(device) if on_gpu else "cpu",
        "peak_memory_bytes": torch.cuda.max_memory_allocated(device)
        if on_gpu
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "passes": loop.passes if loop else 0,
        "steps": len(loop.trajectory.rows) if loop else 0,
    }


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.unlearn", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="method", required=True, metavar="METHOD")
    for name in method_names():
        method = method_named(name)
        if isinstance(method, Control) and method.prepare is None:
            continue
        text = f"{method.card.title}. {method.card.paper}".replace("%", "%%")
        options = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        options.add_argument("--base", type=Path, required=True, help="model folder to start from")
        if not isinstance(method, Control):
            options.add_argument("--sets", type=Path, required=True, help="D_f and D_r, from the sets stage")
        options.add_argument("--model", type=Path, required=True, help="model folder to write")
        options.add_argument("--trajectory", type=Path, required=True, help="csv file: losses and gradients by step")
        options.add_argument("--cost", type=Path, required=True, help="json file: seconds, peak memory, passes")
        options.add_argument("--seed", type=int, default=0, help="training seed [0]")
        add_state(options)
        add_options(options, method.settings)
        add_device(options)
        add_provenance(options)
    return parser


if __name__ == "__main__":
    command(parser(), main)
