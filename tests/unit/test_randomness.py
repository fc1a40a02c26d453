"""Draws are functions of names and counters; batches are shuffled passes without gaps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from torch.utils.data import DataLoader

from lethe.randomness import BatchStream, derived_seed, step_generator

SIZES = [(10, 3), (7, 7), (5, 8), (450, 64), (1, 1), (143, 128)]


def test_seeds_are_those_of_earlier_versions():
    # Golden: a change here moves every number that Lethe has ever made.
    assert derived_seed(0, "noise", 3) == 6664519024363711163
    assert derived_seed(7, "retain set", 0) == 700178503704025374


def test_seeds_fit_torch_and_numpy_and_do_not_collide():
    seeds = {derived_seed(seed, name, step) for seed in range(10) for name in "ab" for step in range(500)}
    assert len(seeds) == 10 * 2 * 500
    assert min(seeds) >= 0
    assert max(seeds) < 2**63
    assert stats.kstest(np.array(sorted(seeds)) / 2.0**63, "uniform").pvalue > 1e-3


def test_a_step_draws_the_same_whatever_was_drawn_before():
    def draws(step: int) -> tuple[torch.Tensor, torch.Tensor]:
        generator = step_generator(0, step)
        return torch.randn(3, generator=generator), torch.nn.functional.dropout(torch.ones(100))

    first = draws(5)
    draws(6)
    torch.randn(17)
    again = draws(5)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], draws(6)[0])
    assert not torch.equal(first[1], draws(6)[1])


def stream_of(size: int, batch: int, steps: int, **quirks: bool) -> list[np.ndarray]:
    stream = BatchStream(size, batch, 0, "test", **quirks)
    return [stream(step) for step in range(steps)]


@pytest.mark.parametrize(("size", "batch"), SIZES)
def test_every_element_is_seen_once_before_any_is_seen_twice(size, batch):
    batches = stream_of(size, batch, steps=3 * size)
    assert {len(rows) for rows in batches} == {min(size, batch)}
    seen = np.concatenate(batches)
    passes = seen[: len(seen) // size * size].reshape(-1, size)
    assert len(passes) >= 3
    assert (np.sort(passes, axis=1) == np.arange(size)).all()


@pytest.mark.parametrize(
    "quirks", [{}, {"frozen_order": True}, {"first_batch_only": True}, {"in_order": True}], ids=str
)
@pytest.mark.parametrize(("size", "batch"), SIZES)
def test_any_step_can_be_asked_for_first(size, batch, quirks):
    in_order = stream_of(size, batch, steps=40, **quirks)
    backwards = BatchStream(size, batch, 0, "test", **quirks)
    for step in reversed(range(40)):
        np.testing.assert_array_equal(backwards(step), in_order[step])
        np.testing.assert_array_equal(BatchStream(size, batch, 0, "test", **quirks)(step), in_order[step])


def test_passes_names_and_seeds_are_shuffled_differently():
    size = 50
    orders = [BatchStream(size, size, seed, name)(step) for seed in (0, 1) for name in "ab" for step in (0, 1)]
    assert len({tuple(order) for order in orders}) == len(orders)


def test_every_element_comes_first_equally_often():
    first = [BatchStream(5, 1, seed, "test")(0)[0] for seed in range(1000)]
    assert stats.chisquare(np.bincount(first, minlength=5)).pvalue > 1e-3


@pytest.mark.parametrize(("size", "batch"), SIZES)
def test_the_frozen_order_is_that_of_a_cycled_loader(size, batch):
    loader = DataLoader(range(size), batch, shuffle=True, generator=torch.Generator().manual_seed(0))
    cycled = [rows.numpy() for rows in itertools.islice(itertools.cycle(loader), 20)]
    frozen = stream_of(size, batch, steps=20, frozen_order=True)
    assert [len(rows) for rows in frozen] == [len(rows) for rows in cycled]
    # The two orders differ, but an element is seen again exactly where the released loader shows it again.
    relabelled = dict(zip(np.concatenate(cycled), np.concatenate(frozen), strict=True))
    assert sorted(relabelled.values()) == list(range(size))
    for theirs, ours in zip(cycled, frozen, strict=True):
        assert [relabelled[row] for row in theirs] == ours.tolist()


@pytest.mark.parametrize(("size", "batch"), SIZES)
def test_in_order_no_pass_is_shuffled(size, batch):
    seen = np.concatenate(stream_of(size, batch, steps=3 * size, in_order=True))
    assert seen.tolist() == list(itertools.islice(itertools.cycle(range(size)), len(seen)))
    if size % batch == 0:  # else the released loader's last batch of a pass is short
        loader = [rows.tolist() for rows in DataLoader(range(size), batch)]
        assert [rows.tolist() for rows in stream_of(size, batch, len(loader), in_order=True)] == loader


@pytest.mark.parametrize(("size", "batch"), SIZES)
def test_the_first_batch_for_ever_is_that_of_an_unshuffled_loader(size, batch):
    loader = DataLoader(range(size), batch)
    for rows in stream_of(size, batch, steps=5, first_batch_only=True):
        assert rows.tolist() == next(iter(loader)).tolist()
