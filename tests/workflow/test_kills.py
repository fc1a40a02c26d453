"""kill -9 loses nothing: the final bytes are those of an undisturbed run, and nothing half-written stays."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open

pytestmark = pytest.mark.workflow

BASE = "results/smoke/digits/base/model/diffusion_pytorch_model.safetensors"
TEXT_BASE = "results/smoke/shapes/base/model"
TEXT_UNLEARNED = "results/smoke/shapes/stripes/rgd_400/seed0"
IMAGES = "results/smoke/digits/3/retrained/seed0/images/shard0000.safetensors"


def _start(checkout, target: str, state_seconds: float = 0.2) -> subprocess.Popen[bytes]:
    command = ["snakemake", target, "--cores", "2", "--configfile", "workflow/presets/smoke.yaml"]
    return subprocess.Popen(
        command,
        cwd=checkout.path,
        env={**checkout.environment, "LETHE_STATE_SECONDS": str(state_seconds)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _kill_when(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """SIGKILL Snakemake and all its jobs as soon as ``condition`` holds."""
    limit = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < limit, "the moment to kill the run never came"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _running(module: str, words: str) -> bool:
    """Whether a command of Lethe runs whose command line has ``words``."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().decode(errors="ignore").split("\0")
                if line[1:3] == ["-m", module] and words in line:
                    return True
    return False


def _finish(checkout, target: str) -> None:
    checkout.run("--unlock")
    checkout.run(target)


def _steps_done(state: Path) -> int:
    with safe_open(str(state), framework="numpy") as stream:
        return int(stream.metadata()["step"])


def _contents(folder: Path) -> dict[str, bytes]:
    """Of every file below a folder but the card, which is another job's."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "README.md")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_killed_in_the_middle_of_base_training(finished, fresh):
    state = fresh.path / "results/smoke/state/digits/base.safetensors"
    process = _start(fresh, BASE)
    _kill_when(process, state.is_file)
    assert not (fresh.path / BASE).exists()
    assert 0 < _steps_done(state) < 150, "the state was not written in the middle of the training"
    _finish(fresh, BASE)
    assert (fresh.path / BASE).read_bytes() == (finished.path / BASE).read_bytes()
    assert not state.exists(), "the state is removed at the end"


def test_killed_in_both_trainings_of_a_text_base(finished, made):
    """First in the autoencoder's, then in the networks'."""
    folder = made.path / TEXT_BASE
    target = f"{TEXT_BASE}/model_index.json"
    states = [made.path / f"results/smoke/state/shapes/base.{ending}" for ending in ("vae", "safetensors")]
    shutil.rmtree(folder)
    for state, steps in zip(states, (30, 40), strict=True):
        _kill_when(_start(made, target, state_seconds=0), state.is_file)
        assert 0 < _steps_done(state) < steps, "the state was not written in the middle of the training"
        assert not (made.path / target).exists()
        made.run("--unlock")
    made.run(target)
    assert _contents(folder) == _contents(finished.path / TEXT_BASE)
    assert [state for state in states if state.exists()] == [], "the states are removed at the end"


def test_killed_in_the_middle_of_a_text_unlearning(made):
    model, state = made.path / TEXT_UNLEARNED / "model", made.path / "results/smoke/state/shapes/stripes/rgd_400/seed0"
    state = state.with_suffix(".safetensors")
    target = f"{TEXT_UNLEARNED}/trajectory.csv"
    made.edit("workflow/presets/smoke.yaml", lambda text: text.replace("{pairs: 2}", "{pairs: 2, steps: 30}"))
    made.run(target)
    undisturbed, trajectory = _contents(model), (made.path / target).read_bytes()
    shutil.rmtree(model)
    (made.path / target).unlink()
    _kill_when(_start(made, target, state_seconds=0), state.is_file)
    assert 0 < _steps_done(state) < 30, "the state was not written in the middle of the training"
    assert not (made.path / target).exists()
    _finish(made, target)
    assert _contents(model) == undisturbed
    assert (made.path / target).read_bytes() == trajectory
    assert not state.exists(), "the state is removed at the end"


def test_killed_in_the_middle_of_sampling(finished, made):
    images = made.path / IMAGES
    undisturbed = images.read_bytes()
    images.unlink()
    process = _start(made, IMAGES)
    _kill_when(process, lambda: _running("lethe.sample", IMAGES))
    assert not images.exists()
    _finish(made, IMAGES)
    assert images.read_bytes() == undisturbed == (finished.path / IMAGES).read_bytes()
    assert [path.name for path in images.parent.iterdir() if path.name.startswith(".")] == []
