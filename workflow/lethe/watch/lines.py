"""Progress as plain lines, for a file or a pipe: one when a stage ends, and else one now and then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO

from lethe.stages import STAGES
from lethe.watch.forecast import Estimate
from lethe.watch.progress import StageCount
from lethe.watch.state import Watch
from lethe.watch.words import about, exactly

_QUIET_SECONDS = 300.0
"""After so long without a change there is a line all the same."""


class LinesView:
    """``interval``: least seconds between two lines, but where a stage ends."""

    def __init__(
        self, stream: TextIO, watch: Watch, interval: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._watch, self._interval, self._clock = stream, watch, interval, clock
        self._told_at, self._told_done = clock(), -1
        self._ended: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="lethe-watch", daemon=True)

    def begin(self) -> None:
        counts = self._watch.progress.by_stage()
        jobs = ", ".join(f"{count.total:,} {STAGES[count.stage]}" for count in counts)
        self.say(f"{self._watch.progress.jobs_planned:,} jobs: {jobs}")
        self._ticker.start()

    def say(self, text: str) -> None:
        self._stream.write(f"{text}\n")
        self._stream.flush()

    def pause(self) -> None: ...

    def go_on(self) -> None: ...

    def changed(self) -> None:
        """To be called after every change and now and then."""
        with self._lock:
            with self._watch.lock:
                counts, left, elapsed = self._watch.progress.by_stage(), self._watch.left(), self._watch.elapsed()
            done = sum(count.done for count in counts)
            ended = {count.stage for count in counts if count.done == count.total}
            since = self._clock() - self._told_at
            due = since >= (_QUIET_SECONDS if done == self._told_done else self._interval)
            if not self._stop.is_set() and (due or ended - self._ended):
                self._told_at, self._told_done, self._ended = self._clock(), done, ended
                self.say(line(counts, left, elapsed))

    def end(self) -> None:
        self._stop.set()
        if self._ticker.is_alive():
            self._ticker.join()

    def _tick(self) -> None:
        while not self._stop.wait(max(1.0, min(self._interval, 5.0))):
            self.changed()


def line(counts: list[StageCount], left: Estimate | None, elapsed: float) -> str:
    """``12:31  412 of 703 jobs, about 6 min left: sampling 88/126 (1 running), judging 60/126``"""
    total, done = sum(count.total for count in counts), sum(count.done for count in counts)
    stages = [_stage(count) for count in counts if count.running or count.failed or 0 < count.done < count.total]
    words = f"{exactly(elapsed):>8}  {done:,} of {total:,} jobs"
    if done < total:
        words += f", {left_in_words(left)}"
    return words + (f": {', '.join(stages)}" if stages else "")


def _stage(count: StageCount) -> str:
    more = [f"{number} {word}" for number, word in ((count.running, "running"), (count.failed, "failed")) if number]
    return f"{STAGES[count.stage]} {count.done}/{count.total}" + (f" ({', '.join(more)})" if more else "")


def left_in_words(left: Estimate | None) -> str:
    if left is None:
        return "time left not known yet"
    if left.is_guess:
        return f"{about(left.seconds)} left (a guess: no job like {left.unmeasured} of {left.to_end} has ended yet)"
    return f"{about(left.seconds)} left"
