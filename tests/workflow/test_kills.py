"""kill -9 loses nothing: the final bytes are those of an undisturbed run, and nothing half-written stays."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors import safe_open

pytestmark = pytest.mark.workflow

BASE = "results/smoke/digits/base/model/diffusion_pytorch_model.safetensors"
IMAGES = "results/smoke/digits/3/retrained/seed0/images/shard0000.safetensors"


def _start(checkout, target: str) -> subprocess.Popen[bytes]:
    command = ["snakemake", target, "--cores", "2", "--configfile", "workflow/presets/smoke.yaml"]
    return subprocess.Popen(
        command,
        cwd=checkout.path,
        env=checkout.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _kill_when(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """SIGKILL Snakemake and all its jobs as soon as ``condition`` holds."""
    limit = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < limit, "the moment to kill the run never came"
        time.sleep(0.02)
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


def test_killed_in_the_middle_of_base_training(finished, fresh):
    state = fresh.path / "results/smoke/state/digits/base.safetensors"
    process = _start(fresh, BASE)
    _kill_when(process, state.is_file)
    assert not (fresh.path / BASE).exists()
    with safe_open(str(state), framework="numpy") as stream:
        assert 0 < int(stream.metadata()["step"]) < 150, "the state was not written in the middle of the training"
    _finish(fresh, BASE)
    assert (fresh.path / BASE).read_bytes() == (finished.path / BASE).read_bytes()
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
