"""What every training has in common: one seeded step after another, a state to resume from, a NaN stops it."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from lethe.environment import allowed_threads
from lethe.errors import LetheError
from lethe.files import temporary_beside, written_whole

_BETWEEN_WRITES = 20
"""How many times as long as a write of its state a training goes on before the next."""


@dataclass
class ResumableState:
    """Where a training keeps what it needs to go on after a kill: outside the declared outputs, written whole.

    ``fingerprint`` names the training; a state of another one is ignored. ``seconds`` is the least time between two
    writes (0: none is too soon): it changes no result.
    """

    path: Path | None
    fingerprint: str
    seconds: float = 20.0
    _last: float = field(default_factory=time.monotonic, init=False)
    _took: float = field(default=0.0, init=False)

    def load(self) -> tuple[int, dict[str, Tensor]] | None:
        """The number of steps done and the tensors, or None when there is no usable state."""
        if self.path is None or not self.path.is_file():
            return None
        try:
            with safe_open(str(self.path), framework="pt") as stream:
                metadata = stream.metadata() or {}
                if metadata.get("fingerprint") != self.fingerprint:
                    return None
                return int(metadata["step"]), {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118
        except SafetensorError:
            return None

    def due(self) -> bool:
        # That of Stable Diffusion is 10 GB: writing takes no more than a twentieth of the time, however slow the disk.
        pause = max(self.seconds, _BETWEEN_WRITES * self._took) if self.seconds else 0.0
        return self.path is not None and time.monotonic() - self._last >= pause

    def write(self, step: int, tensors: dict[str, Tensor]) -> None:
        if self.path is None:
            return
        begun = time.monotonic()
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        with written_whole(self.path) as temporary:
            save_file(contiguous, temporary, metadata={"step": str(step), "fingerprint": self.fingerprint})
        self._last = time.monotonic()
        self._took = self._last - begun

    def remove(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)
            temporary_beside(self.path).unlink(missing_ok=True)


def run_steps(
    steps: int,
    step: Callable[[int], Tensor],
    *,
    collect: Callable[[], dict[str, Tensor]],
    restore: Callable[[dict[str, Tensor]], None],
    state: ResumableState,
    title: str,
    remedy: str,
) -> None:
    """Run ``step(k)`` for k = 0 .. steps - 1, resuming from ``state`` and writing it now and then.

    ``step`` returns its loss as a tensor on the device. Losses are looked at in blocks, so that no step waits for the
    device; a loss that is not finite raises LetheError naming the step, with ``remedy``.
    """
    begin = 0
    if (saved := state.load()) is not None:
        begin, tensors = saved
        restore(tensors)
        print(f"{title}: going on after step {begin} of {steps}, from {state.path}", file=sys.stderr, flush=True)
    pending: list[Tensor] = []
    for number in tqdm(range(begin, steps), initial=begin, total=steps, desc=title, unit="step", disable=None):
        pending.append(step(number).detach())
        if len(pending) == 50 or number == steps - 1 or state.due():
            _refuse_not_finite(pending, number, title, remedy)
            pending = []
            if state.due() and number < steps - 1:
                state.write(number + 1, collect())


def _refuse_not_finite(losses: list[Tensor], last: int, title: str, remedy: str) -> None:
    finite = torch.isfinite(torch.stack(losses)).tolist()
    if not all(finite):
        step = last - len(losses) + 1 + finite.index(False)
        raise LetheError(f"{title}: the loss of step {step} is not finite", remedy)


def training_state(network: torch.nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights and optimiser state as named tensors."""
    tensors = {f"network/{name}": tensor for name, tensor in network.state_dict().items()}
    for index, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{name}": torch.as_tensor(value) for name, value in slots.items()}
    return tensors


def restore_training_state(
    tensors: dict[str, Tensor], network: torch.nn.Module, optimiser: torch.optim.Optimizer
) -> None:
    """Undo :func:`training_state`."""
    network.load_state_dict(_under("network/", tensors))
    slots: dict[int, dict[str, Any]] = {}
    for key, tensor in _under("optimiser/", tensors).items():
        index, name = key.split("/")
        slots.setdefault(int(index), {})[name] = tensor
    optimiser.load_state_dict({"state": slots, "param_groups": optimiser.state_dict()["param_groups"]})


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}


class OneCycleTraining:
    """AdamW under a one-cycle schedule, with an exponential moving average of the weights where ``ema`` is given.

    ``average`` has the averaged weights by name (the live ones without ``ema``).
    """

    def __init__(
        self,
        network: torch.nn.Module,
        steps: int,
        peak: float,
        ema: float | None = None,
        parameters: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]] | None = None,
        **adamw: Any,
    ) -> None:
        """``parameters`` are those of ``network``, or groups of them with AdamW options of their own."""
        self.network, self.steps, self.peak, self.ema = network, steps, peak, ema
        self.optimiser = torch.optim.AdamW(
            network.parameters() if parameters is None else parameters, lr=peak, fused=True, **adamw
        )
        live = network.state_dict()
        self.average = live if ema is None else {name: tensor.detach().clone() for name, tensor in live.items()}
        self._averaged, self._live = list(self.average.values()), list(live.values())

    def run(self, loss_of: Callable[[int], Tensor], *, state: ResumableState, title: str, remedy: str) -> None:
        """All steps down ``loss_of(step)``, by :func:`run_steps`."""
        run_steps(
            self.steps,
            lambda number: self.descend(loss_of(number), number),
            collect=self.collect,
            restore=self.restore,
            state=state,
            title=title,
            remedy=remedy,
        )

    def descend(self, loss: Tensor, number: int) -> Tensor:
        """Step ``number`` down the gradient of ``loss``; returns the loss."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for group in self.optimiser.param_groups:
            group["lr"] = one_cycle(number, self.steps, self.peak)
        self.optimiser.step()
        if self.ema is not None:
            # The average follows closely at first: (1 + k) / (10 + k), as in the moving average of TensorFlow.
            torch._foreach_lerp_(self._averaged, self._live, 1 - min(self.ema, (1 + number) / (10 + number)))
        return loss

    def collect(self) -> dict[str, Tensor]:
        averages = {f"average/{name}": tensor for name, tensor in self.average.items()} if self.ema is not None else {}
        return training_state(self.network, self.optimiser) | averages

    def restore(self, tensors: dict[str, Tensor]) -> None:
        restore_training_state(tensors, self.network, self.optimiser)
        if self.ema is not None:
            for name, tensor in self.average.items():
                tensor.copy_(tensors[f"average/{name}"])


def one_cycle(step: int, steps: int, peak: float) -> float:
    """Learning rate of step ``step``: linear up over the first 10 %, cosine down to 0 (Smith & Topin 2018)."""
    warm_up = max(1, steps // 10)
    if step < warm_up:
        return peak * (step + 1) / warm_up
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


def use_threads() -> int:
    """Give torch the number of threads that the workflow (or the user) allows: OMP_NUM_THREADS, else the machine's."""
    threads = allowed_threads()
    torch.set_num_threads(threads)
    return threads
