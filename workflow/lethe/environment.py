"""The environment: what jobs inherit from the process that plans them, and what they may use of the machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from lethe.errors import LetheError


def put_this_python_first() -> None:
    """Let jobs run the Python that runs Snakemake, also where its virtual environment was not activated."""
    folder = str(Path(sys.executable).parent)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != folder:
        os.environ["PATH"] = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])


def keep_freed_memory() -> None:
    """Let jobs keep the memory they free, on machines with glibc, unless the user has set these variables.

    By default each large tensor is taken from the system and given back, page by page: a tenth of the time of a small
    network on a CPU (benchmarks/README.md).
    """
    os.environ.setdefault("MALLOC_MMAP_THRESHOLD_", "1000000000")
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", "2000000000")


def allowed_threads() -> int:
    """CPU threads of this process: OMP_NUM_THREADS, which Snakemake sets to the rule's, else all of the machine."""
    text = os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count() or 1)
    if not text.isdecimal() or int(text) < 1:
        raise LetheError(f"OMP_NUM_THREADS = '{text}' is no number of threads", "set it to 1 or more, or unset it")
    return int(text)
