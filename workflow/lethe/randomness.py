"""Randomness as a function of names and counters, so that a run can stop anywhere and go on with the same draws."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derived_seed(seed: int, *names: object) -> int:
    """A 63-bit seed for the draw called ``names`` of the run with ``seed``."""
    text = "/".join(str(name) for name in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def step_generator(seed: int, step: int) -> torch.Generator:
    """The CPU generator of one training step; seeds torch's global generators alike, which dropout draws from."""
    import torch

    torch.manual_seed(derived_seed(seed, "dropout", step))
    return torch.Generator().manual_seed(derived_seed(seed, "noise", step))


class BatchStream:
    """Which elements of a set of ``size`` a step sees: shuffled passes, one after another, without gaps.

    Step k takes positions k * batch ... (k + 1) * batch - 1 of the endless stream of permutations, so every element is
    seen once before any is seen twice, every batch is full, and the batch of step k depends on (seed, name, k) alone.

    ``frozen_order`` is the quirk of RGD's released retain loader (a cycled DataLoader): the first permutation is used
    in every pass and its last batch is short. ``first_batch_only`` is that of SalUn's released loop before 2026-02,
    ``next(iter(loader))`` in each step over an unshuffled set: the first elements for ever. ``in_order`` is RGD's
    loader for Stable Diffusion, which does not shuffle.
    """

    def __init__(
        self,
        size: int,
        batch: int,
        seed: int,
        name: str,
        *,
        frozen_order: bool = False,
        first_batch_only: bool = False,
        in_order: bool = False,
    ) -> None:
        self.size = size
        self.batch = min(batch, size)
        self._key = (seed, "batches", name)
        self._frozen_order = frozen_order
        self._first_batch_only = first_batch_only
        self._in_order = in_order
        self._passes: dict[int, np.ndarray] = {}

    def __call__(self, step: int) -> np.ndarray:
        """Indices (batch,) of step ``step``, counted from 0."""
        if self._first_batch_only:
            return np.arange(self.batch)
        if self._frozen_order:
            within = step % -(-self.size // self.batch) * self.batch
            return self._permutation(0)[within : within + self.batch]
        positions = np.arange(step * self.batch, (step + 1) * self.batch)
        first, last = positions[0] // self.size, positions[-1] // self.size
        self._passes = {number: order for number, order in self._passes.items() if number >= first}
        return np.concatenate(
            [
                self._permutation(number)[positions[positions // self.size == number] % self.size]
                for number in range(first, last + 1)
            ]
        )

    def _permutation(self, number: int) -> np.ndarray:
        if self._in_order:
            return np.arange(self.size)
        if number not in self._passes:
            generator = np.random.default_rng(derived_seed(*self._key, number))
            self._passes[number] = generator.permutation(self.size)
        return self._passes[number]
