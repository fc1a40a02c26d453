"""Seconds of jobs that have never run, from the model of ``lethe.costs``."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from lethe.watch.forecast import Ledger


class CostModel:
    """``configfiles``: what the run was configured by. The model counts networks, which takes PyTorch and some seconds
    of a processor, so it is asked in a process of its own, with the lowest priority, and at most once."""

    def __init__(self, configfiles: Sequence[str]) -> None:
        self._command = [sys.executable, "-m", "lethe.costs.seconds", *configfiles]
        self.process: subprocess.Popen[str] | None = None

    def ask(self, then: Callable[[Ledger], None]) -> None:
        """Returns at once; ``then`` is called from another thread, or never where there is no answer."""
        if self.process is None:
            quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdout": subprocess.PIPE}
            self.process = subprocess.Popen(["nice", "-n", "19", *self._command], text=True, **quiet)
            threading.Thread(target=self._wait, args=(self.process, then), name="lethe-costs", daemon=True).start()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()

    @staticmethod
    def _wait(process: subprocess.Popen[str], then: Callable[[Ledger], None]) -> None:
        answer, _ = process.communicate()
        if process.returncode == 0:
            with contextlib.suppress(ValueError):
                then(json.loads(answer))
