"""The lease of a device: real processes that want the same two."""

from __future__ import annotations

import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from lethe.device import choose_device
from lethe.errors import LetheError

PROGRAM = """
import sys
from pathlib import Path
from lethe.device import lease
print(lease(["first", "second"], Path(sys.argv[1]), patience=0.02), flush=True)
sys.stdin.read()
"""


@contextmanager
def jobs(folder: Path, count: int, program: str = PROGRAM) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that say which device they got, and hold it until their input ends or they are killed."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    running = [subprocess.Popen([sys.executable, "-c", program, folder], text=True, **pipes) for _ in range(count)]
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def first_to_wait(running: list[subprocess.Popen[str]]) -> subprocess.Popen[str]:
    """The job that says on its error stream that it has to wait; which one it will be, nobody knows before."""
    with selectors.DefaultSelector() as selector:
        for process in running:
            selector.register(process.stderr, selectors.EVENT_READ, process)
        ((key, _), *_) = selector.select(timeout=60)
    assert "waiting" in key.fileobj.readline()
    return key.data


def test_two_jobs_never_share_and_a_killed_one_makes_room(tmp_path):
    with jobs(tmp_path, 3) as running:
        waiting = first_to_wait(running)
        holders = [process for process in running if process is not waiting]
        given = [process.stdout.readline().strip() for process in holders]
        assert sorted(given) == ["0", "1"]

        holders[0].send_signal(signal.SIGKILL)
        assert waiting.stdout.readline().strip() == given[0]
        assert holders[1].poll() is None


WORKING = """
import sys, time
from pathlib import Path
from lethe.device import lease
print("ready", flush=True)
sys.stdin.readline()
device = lease(["first", "second"], Path(sys.argv[1]), patience=0.02)
begin = time.monotonic()
time.sleep(0.3)
print(device, begin, time.monotonic(), flush=True)
"""


def test_of_five_jobs_that_start_together_on_two_devices_no_two_share_one(tmp_path):
    with jobs(tmp_path, 5, WORKING) as running:
        assert [process.stdout.readline() for process in running] == ["ready\n"] * 5
        for process in running:
            process.stdin.write("go\n")
            process.stdin.flush()
        worked = [process.stdout.readline().split() for process in running]
    assert {device for device, _, _ in worked} == {"0", "1"}
    for device in ("0", "1"):
        times = sorted((float(begin), float(end)) for held, begin, end in worked if held == device)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(times))


def test_without_a_gpu_auto_is_the_cpu_and_asking_again_does_not_wait():
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert choose_device("auto") == choose_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda:99", "gpu", ""])
def test_a_device_that_cannot_be_used_is_refused_by_name(name):
    with pytest.raises(LetheError, match=f"device '{name}'.*\n.*--device auto or cpu"):
        choose_device(name)
