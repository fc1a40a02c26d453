"""A run under way: its progress, its forecast, its failures, behind one lock."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lethe.watch.failures import diagnose, end_of
from lethe.watch.forecast import Estimate, Forecast, Ledger, read_ledger
from lethe.watch.model import CostModel
from lethe.watch.progress import Job, Progress
from lethe.watch.summary import Failure, summary_of

_STATUS = re.compile(r"returned non-zero exit status (\d+)|died with <Signals\.\w+: (\d+)>")
_MISSING = re.compile(r"Job (\d+)\s+completed successfully, but some output files are missing")
PATIENCE = 120.0
"""Seconds of a run before the model is asked: a short run is over before that pays."""


class Watch:
    """``planned``: jobs by rule; ``lanes``: jobs that may run at a time at first; ``model``: who knows what jobs take
    that have never run.

    Every method takes ``lock``; who reads several things that belong together holds it meanwhile, and draws nothing.
    """

    def __init__(
        self,
        planned: Mapping[str, int],
        lanes: float,
        clock: Callable[[], float] = time.monotonic,
        model: CostModel | None = None,
    ) -> None:
        self.lock = threading.RLock()
        self.progress = Progress(planned, clock())
        self.forecast = Forecast(self.progress, lanes, {})
        self.failures: dict[int, Failure] = {}
        self.model = model
        self._clock = clock
        self._ledger_is_read = False
        self._exceptions: list[str] = []
        self._group_logs: dict[int, tuple[str, ...]] = {}

    def elapsed(self) -> float:
        return self._clock() - self.progress.begun

    def left(self) -> Estimate | None:
        """As the forecast has it; and where that lacks too much for too long, the model is asked."""
        with self.lock:
            if self.model is not None and self.elapsed() > PATIENCE and self.forecast.lacks_a_network():
                self.model.ask(self._learn)
            return self.forecast.left(self._clock())

    def _learn(self, ledger: Ledger) -> None:
        with self.lock:
            self.forecast.learn(ledger)

    def start(self, told: Mapping[str, Any]) -> None:
        """``told``: what Snakemake says of a job that starts."""
        wildcards = {name: str(value) for name, value in (told.get("wildcards") or {}).items()}
        title = told.get("rule_msg") or " ".join([told["rule_name"], *wildcards.values()])
        logs, command = tuple(told.get("log") or ()), told.get("shellcmd")
        benchmark = told.get("benchmark")
        job = Job(told["jobid"], told["rule_name"], title, self._clock(), wildcards, logs, benchmark, command)
        with self.lock:
            self.progress.start(job)
            self._read_ledger(benchmark)
            self.forecast.start(job)

    def finish(self, number: int) -> None:
        with self.lock:
            self.failures.pop(number, None)
            job = self.progress.finish(number)
            if job is not None:
                self.forecast.finish(job, self._clock())

    def note_exception(self, text: str) -> Failure | None:
        """What Snakemake says of an exception, before it says which job failed; a job without its outputs failed."""
        if missing := _MISSING.search(text):
            return self._fail(int(missing[1]), None, "it ended, but not all of its outputs are there")
        self._exceptions.append(text)
        return None

    def note_group(self, numbers: Iterable[int], logs: Iterable[str]) -> None:
        """A scheduler's logs of a group of jobs that failed, before Snakemake says which they are."""
        self._group_logs.update(dict.fromkeys(numbers, tuple(logs)))

    def fail(self, told: Mapping[str, Any]) -> Failure | None:
        """``told``: what Snakemake says of a job that failed."""
        command = told.get("shellcmd")
        own = next((text for text in self._exceptions if command and command in text), None)
        if own is not None:
            self._exceptions.remove(own)
        found = _STATUS.search(own or "")
        status = None if found is None else int(found[1]) if found[1] else -int(found[2])
        logs = (*(told.get("log") or ()), *self._group_logs.pop(told["jobid"], ()))
        return self._fail(told["jobid"], status, told.get("rule_msg") or "", logs)

    def _fail(self, number: int, status: int | None, said: str, logs: tuple[str, ...] = ()) -> Failure | None:
        now = self._clock()
        with self.lock:
            job = self.progress.fail(number)
            if job is None:
                return None
            self.forecast.fail(job, now)
        own, *others = [end_of(log).strip() for log in logs or job.logs] or [""]
        # The first is the job's own; those after it are a scheduler's.
        job = replace(job, logs=logs or job.logs)
        failure = Failure(job, now - job.started, diagnose(own, status, said, "\n".join(others)))
        self.failures[number] = failure
        return failure

    def summary(self) -> str:
        with self.lock:
            return summary_of(list(self.failures.values()), self.progress, self.elapsed())

    def _read_ledger(self, benchmark: str | None) -> None:
        """Once, as soon as a job tells where benchmark files are."""
        if benchmark is None or self._ledger_is_read or "benchmarks" not in Path(benchmark).parts:
            return
        parts = Path(benchmark).parts
        self._ledger_is_read = True
        self.forecast.learn(read_ledger(Path(*parts[: parts.index("benchmarks") + 1])))
