"""Which device a command runs on; on a machine with several GPUs, a lease so that two jobs never share one."""

from __future__ import annotations

import fcntl
import functools
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import torch

from lethe.errors import LetheError

# A lease lasts as long as its open file: the kernel releases it when the process ends, however it ends.
_held: list[IO[str]] = []


@functools.cache  # a second lease of this process would wait for the first
def choose_device(requested: str) -> torch.device:
    """The device named ``requested``; ``auto`` is a GPU of our own when there is one, else the CPU.

    Snakemake counts GPUs but does not hand them out, so with ``auto`` each process takes a lock on one of the visible
    GPUs, by its UUID (under a scheduler that gives each job its own GPU this never waits).
    """
    # TF32 would move pixels by more than the batch size does; RGD trained without it too.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    if requested == "auto":
        if not torch.cuda.is_available():
            return torch.device("cpu")
        names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(torch.cuda.device_count())]
        return torch.device("cuda", lease(names))
    try:
        device = torch.device(requested)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise LetheError(f"device '{requested}' cannot be used: {reason}", "use --device auto or cpu") from None
    return device


def lease(names: Sequence[str], folder: Path | None = None, patience: float = 0.5) -> int:
    """Lock one of the devices ``names`` for the life of this process and return its index; wait while all are taken."""
    folder = folder or Path(tempfile.gettempdir()) / f"lethe-devices-{os.getuid()}"
    folder.mkdir(parents=True, exist_ok=True)
    told = False
    while True:
        for index, name in enumerate(names):
            stream = (folder / f"{name}.lock").open("w")
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.close()
                continue
            _held.append(stream)
            return index
        if not told:
            print(f"waiting: all {len(names)} GPUs are leased by other Lethe jobs", file=sys.stderr, flush=True)
            told = True
        time.sleep(patience)
