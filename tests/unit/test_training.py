"""Training stops at a NaN with its step, and goes on after a kill as if nothing had happened."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

import lethe.base.classes
import lethe.unlearn.__main__
from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.model_files import CONFIG, WEIGHTS
from lethe.training import (
    OneCycleTraining,
    ResumableState,
    one_cycle,
    restore_training_state,
    run_steps,
    training_state,
    use_threads,
)


class Counting:
    """A training of one number: step k adds k + 1 to it; its loss is NaN at step ``bad``."""

    def __init__(self, bad: int | None = None, stop: int | None = None) -> None:
        self.total = torch.zeros(())
        self.steps: list[int] = []
        self.bad, self.stop = bad, stop

    def run(self, steps: int, state: ResumableState) -> Counting:
        run_steps(
            steps,
            self.step,
            collect=lambda: {"total": self.total},
            restore=lambda tensors: self.total.copy_(tensors["total"]),
            state=state,
            title="counting",
            remedy="count slower",
        )
        return self

    def step(self, number: int) -> Tensor:
        if number == self.stop:
            raise KeyboardInterrupt
        self.steps.append(number)
        self.total += number + 1
        return torch.tensor(math.nan if number == self.bad else 1.0)


def state_at(path: Path | None, fingerprint: str = "this run", seconds: float = 0.0) -> ResumableState:
    return ResumableState(path, fingerprint, seconds)


def interrupted(path: Path, steps: int = 10, stop: int = 6) -> None:
    with pytest.raises(KeyboardInterrupt):
        Counting(stop=stop).run(steps, state_at(path))


def test_an_interrupted_run_goes_on_where_it_was_and_says_so(tmp_path, capsys):
    interrupted(tmp_path / "state")
    resumed = Counting().run(10, state_at(tmp_path / "state"))
    assert resumed.steps == [6, 7, 8, 9]
    assert f"counting: going on after step 6 of 10, from {tmp_path / 'state'}" in capsys.readouterr().err
    assert resumed.total == sum(range(1, 11))


@pytest.mark.parametrize("damage", ["another fingerprint", "cut", "empty", "text", "missing"])
def test_a_state_that_cannot_be_used_is_ignored(tmp_path, damage):
    path = tmp_path / "state"
    interrupted(path)
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": content[:-1], "empty": b"", "text": b"no state" * 20}.get(damage, content))
    fingerprint = "another" if damage == "another fingerprint" else "this run"
    fresh = Counting().run(10, state_at(path, fingerprint))
    assert fresh.steps == list(range(10))
    assert fresh.total == sum(range(1, 11))


def test_a_state_is_written_when_it_is_due_and_removed_when_told(tmp_path):
    patient = state_at(tmp_path / "state", seconds=1000)
    Counting().run(10, patient)
    assert not (tmp_path / "state").exists()
    eager = state_at(tmp_path / "state")
    Counting().run(10, eager)
    assert (tmp_path / "state").exists()
    eager.remove()
    eager.remove()
    assert list(tmp_path.iterdir()) == []
    assert Counting().run(10, state_at(None)).steps == list(range(10))


@pytest.mark.parametrize("bad", [0, 1, 48, 49, 50, 51, 99, 100, 119])
def test_a_loss_that_is_not_finite_stops_with_its_step(bad):
    with pytest.raises(LetheError, match=f"counting: the loss of step {bad} is not finite\n.*count slower"):
        Counting(bad=bad).run(120, state_at(None))


def test_the_step_is_right_after_a_resumption_and_no_bad_state_is_kept(tmp_path):
    interrupted(tmp_path / "state", steps=120, stop=37)
    for _ in range(2):
        with pytest.raises(LetheError, match="step 60 "):
            Counting(bad=60).run(120, state_at(tmp_path / "state"))
    assert Counting().run(120, state_at(tmp_path / "state")).total == sum(range(1, 121))


@pytest.mark.parametrize("optimiser", [torch.optim.Adam, torch.optim.AdamW])
def test_the_state_of_a_training_is_all_of_it(tmp_path, optimiser):
    def start() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
        network[0].bias.requires_grad_(False)
        return network, optimiser(network.parameters(), lr=0.1, fused=True)

    def descend(network: nn.Module, optimiser: torch.optim.Optimizer, steps: range) -> None:
        for step in steps:
            inputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(step))
            optimiser.zero_grad()
            network(inputs).square().mean().backward()
            optimiser.step()

    whole = start()
    descend(*whole, range(8))
    part = start()
    descend(*part, range(5))
    state = state_at(tmp_path / "state")
    state.write(5, training_state(*part))
    steps, tensors = state.load()
    resumed = start()
    restore_training_state(tensors, *resumed)
    descend(*resumed, range(steps, 8))
    for name, tensor in whole[0].state_dict().items():
        assert torch.equal(tensor, resumed[0].state_dict()[name]), name


@pytest.mark.parametrize("steps", [1, 7, 100, 1500])
def test_the_learning_rate_is_a_ramp_and_then_a_cosine(steps):
    rates = [one_cycle(step, steps, 0.3) for step in range(steps)]
    ramp = max(1, steps // 10)
    assert rates[:ramp] == pytest.approx([0.3 * (step + 1) / ramp for step in range(ramp)])
    optimiser = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=max(1, steps - ramp))
    for rate in rates[ramp:]:
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-6)
        optimiser.step()
        cosine.step()
    assert min(rates) > 0
    assert max(rates) == pytest.approx(0.3)


@pytest.mark.parametrize("ema", [None, 0.5])
def test_the_average_is_that_of_the_weights_after_each_step(ema):
    """By hand; at first it follows more closely than ``ema`` says."""
    torch.manual_seed(0)
    network = nn.Linear(3, 1)
    training = OneCycleTraining(network, 12, 0.1, ema)
    expected = network.weight.detach().clone()
    for step in range(12):
        before = network.weight.detach().clone()
        training.descend(network(torch.ones(2, 3)).square().mean(), step)
        # AdamW's first step is its learning rate (and its decay).
        assert step or (network.weight - before).abs().tolist() == [pytest.approx([one_cycle(0, 12, 0.1)] * 3, rel=0.1)]
        decay = 0 if ema is None else min(ema, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network.weight.detach()
    torch.testing.assert_close(training.average["weight"], expected)
    assert torch.equal(training.average["weight"], network.weight) == (ema is None)


def test_the_number_of_threads_is_the_one_allowed(monkeypatch):
    try:
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert use_threads() == torch.get_num_threads() == 2
        monkeypatch.delenv("OMP_NUM_THREADS")
        assert use_threads() == torch.get_num_threads() == os.cpu_count()
    finally:
        torch.set_num_threads(1)


# ------------------------------------------------------------------------------------------------ a real kill


def steps_done(state: Path) -> int:
    """How far a state file is; a state is never half-written."""
    if not state.exists():
        return 0
    with safe_open(str(state), framework="pt") as stream:
        return int(stream.metadata()["step"])


def kill_in_the_middle(module: str, words: list[str], state: Path) -> None:
    """Run a stage's command as a user does, and kill it when it has done five steps."""
    command = [sys.executable, "-m", module, *words, "--state-seconds", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and steps_done(state) < 5:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.stderr.read()
    assert 5 <= steps_done(state) < 60


@pytest.fixture
def data(tmp_path, digits) -> Path:
    arrays = {"images": digits.images[:500], "conditions": digits.conditions[:500]}
    write_arrays(tmp_path / "train", arrays, {"classes": list(digits.classes), "source": "digits"})
    return tmp_path / "train"


def base_words(data: Path, model: Path, state: Path) -> list[str]:
    settings = "--network-widths 4,8 --network-dropout 0.1 --steps 60 --batch 8 --device cpu"
    return [*settings.split(), "--data", str(data), "--model", str(model), "--state", str(state)]


def test_a_base_that_was_killed_ends_as_if_it_had_not_been(tmp_path, data, digits):
    def train(name: str, data: Path, state: Path) -> bytes:
        lethe.base.classes.main(lethe.base.classes.parser().parse_args(base_words(data, tmp_path / name, state)))
        return (tmp_path / name / WEIGHTS).read_bytes()

    state = tmp_path / "state"
    kill_in_the_middle("lethe.base", ["edm", *base_words(data, tmp_path / "model", state)], state)
    assert not (tmp_path / "model").exists()
    other_state = tmp_path / "other state"
    other_state.write_bytes(state.read_bytes())

    assert train("model", data, state) == train("whole", data, tmp_path / "no state")
    assert not state.exists()

    # The same command on other data does not go on from this state.
    write_arrays(
        tmp_path / "other",
        {"images": digits.images, "conditions": digits.conditions},
        {"classes": list(digits.classes), "source": "digits"},
    )
    fresh = train("fresh", tmp_path / "other", tmp_path / "no state")
    assert train("other model", tmp_path / "other", other_state) == fresh


def test_an_unlearning_that_was_killed_ends_as_if_it_had_not_been(tmp_path, base_folder, sets_file):
    state = tmp_path / "state"

    def words(name: str, state: Path) -> list[str]:
        settings = "class salun --steps 60 --batch 8 --device cpu"
        outputs = {key: tmp_path / name / key for key in ("model", "trajectory", "conflict", "cost")}
        inputs = {"base": base_folder, "sets": sets_file, "state": state}
        options = [word for key, value in (inputs | outputs).items() for word in (f"--{key}", str(value))]
        return [*settings.split(), *options]

    kill_in_the_middle("lethe.unlearn", words("resumed", state), state)
    for name, where in (("resumed", state), ("whole", tmp_path / "no state")):
        lethe.unlearn.__main__.main(lethe.unlearn.__main__.parser().parse_args(words(name, where)))
    for file in (f"model/{WEIGHTS}", f"model/{CONFIG}", "trajectory"):
        assert (tmp_path / "resumed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    resumed, whole = (json.loads((tmp_path / name / "cost").read_text()) for name in ("resumed", "whole"))
    for total in ("steps", "passes", "forwards", "passes_per_step", "forwards_per_step"):
        assert resumed[total] == whole[total] > 0
    assert not state.exists()


def test_a_class_that_is_not_there_cannot_be_left_out(tmp_path, data):
    words = [*base_words(data, tmp_path / "model", tmp_path / "state"), "--without", "10"]
    with pytest.raises(LetheError, match="--without 10"):
        lethe.base.classes.main(lethe.base.classes.parser().parse_args(words))


def test_a_state_that_is_slow_to_write_is_written_seldom(tmp_path):
    state = ResumableState(tmp_path / "state", "training", seconds=1e-9)
    assert state.due()
    begun = time.monotonic()
    state.write(1, {"weights": torch.zeros(2_000_000)})
    took = time.monotonic() - begun
    assert not state.due()
    time.sleep(21 * took)
    assert state.due()
