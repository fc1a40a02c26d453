"""How long a run will go on, from what its jobs and those of earlier runs have taken.

    seconds left = work left / jobs at a time

**Work left** is the sum over the jobs to come and the rest of those under way. A job takes what its own benchmark file
of an earlier run says, times the pace of this run against that one; else the mean of its rule's jobs; else of its
stage's; else the median of all jobs. **Jobs at a time** is the work done so far over the time that it took, so it
accounts for processors, GPUs, a queue and Snakemake's own pauses; at first it is the number of processors. What is left
is at least what the longest job under way still takes. In a first run the model of ``lethe.costs`` stands in for the
benchmark files that there are not yet.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

from lethe.stages import WITH_A_NETWORK, stage_of_rule
from lethe.watch.progress import Job, Progress

Ledger = Mapping[str, Mapping[str, float]]
"""Seconds by rule and by benchmark file."""

_SETTLING = 60.0
"""Seconds of a run after which its own measure of jobs at a time weighs as much as the first guess."""
_STEADYING = 30.0
"""Seconds of work after which this run's pace weighs as much as that of the earlier one."""
_FORGETTING = 300.0
"""Seconds after which what a job says of the pace counts half: other users of a machine come and go."""
_OVERDUE = 0.1
"""A job that takes longer than expected is expected to take so much of its time so far again."""


class Estimate(NamedTuple):
    """Seconds that a run will go on; how many jobs have not ended, and how many of those are of rules of which none
    has ended yet."""

    seconds: float
    to_end: int
    unmeasured: int

    @property
    def is_guess(self) -> bool:
        return self.unmeasured > 0.1 * self.to_end


def read_ledger(folder: Path) -> dict[str, dict[str, float]]:
    """What the benchmark files below ``folder`` say that name their rule (``benchmark-extended: true``)."""
    ledger: dict[str, dict[str, float]] = defaultdict(dict)
    for path in sorted(folder.rglob("*.jsonl")):
        try:
            line = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
            ledger[line["rule_name"]][str(path)] = float(line["s"])
        except (OSError, ValueError, IndexError, KeyError, TypeError):
            continue  # being written, or of a run that does not name rules: a forecast can do without
    return dict(ledger)


class Forecast:
    """``lanes``: how many jobs may run at a time, as far as is known at first."""

    def __init__(self, progress: Progress, lanes: float, earlier: Ledger) -> None:
        self.progress, self.lanes = progress, lanes
        self.pace = 1.0
        """Seconds of this run for one of those that were known before."""
        self._known: Ledger = earlier
        self._measured: dict[str, list[float]] = defaultdict(list)
        self._begun_files: dict[str, set[str]] = defaultdict(set)
        self._ended: list[tuple[Job, float]] = []
        self._ended_work = 0.0

    def learn(self, ledger: Ledger) -> None:
        """Seconds that are worth less than those known already: an estimate, not a measurement."""
        rules = {*ledger, *self._known}
        self._known = {rule: {**ledger.get(rule, {}), **self._known.get(rule, {})} for rule in rules}
        self._find_pace()

    def start(self, job: Job) -> None:
        if job.benchmark is not None:
            self._begun_files[job.rule].add(job.benchmark)

    def finish(self, job: Job, now: float) -> None:
        self._measured[job.rule].append(now - job.started)
        self._ended.append((job, now))
        self._ended_work += now - job.started
        self._find_pace()

    def fail(self, job: Job, now: float) -> None:
        self._ended_work += now - job.started

    def _find_pace(self) -> None:
        """From the jobs that were known before; the latest count most."""
        here = there = _STEADYING
        for job, at in self._ended:
            before = self._known_of(job)
            if before is not None:
                weight = 0.5 ** ((self._ended[-1][1] - at) / _FORGETTING)
                here, there = here + weight * (at - job.started), there + weight * before
        self.pace = here / there

    def _known_of(self, job: Job) -> float | None:
        return self._known.get(job.rule, {}).get(job.benchmark or "")

    def expected(self, job: Job) -> float | None:
        """Seconds that a job takes in all; None where nothing is known yet."""
        own = self._known_of(job)
        return own * self.pace if own is not None else self._usual(job.rule)

    def left(self, now: float) -> Estimate | None:
        """None where nothing has been measured yet, or where most of the jobs run a network and are like none that has
        been: what is quick ends first, and says nothing of them."""
        running = list(self.progress.running.values())
        rests = [rest for job in running if (rest := self._rest(job, now)) is not None]
        if len(rests) < len(running):
            return None
        work, to_end = sum(rests), len(running)
        unknown = [job.rule for job in running if not self._is_measured(job.rule)]
        for rule in self.progress.planned:
            count = self.progress.to_start(rule)
            usual = self._usual_to_come(rule) if count else 0.0
            if usual is None:
                return None
            work, to_end = work + count * usual, to_end + count
            unknown += [] if self._is_measured(rule) else [rule] * count
        if sum(stage_of_rule(rule) in WITH_A_NETWORK for rule in unknown) > to_end / 2:
            return None
        return Estimate(max(work / self._jobs_at_a_time(now), max(rests, default=0.0)), to_end, len(unknown))

    def _rest(self, job: Job, now: float) -> float | None:
        expected, so_far = self.expected(job), now - job.started
        return None if expected is None else max(expected - so_far, _OVERDUE * so_far)

    def _jobs_at_a_time(self, now: float) -> float:
        work = self._ended_work + sum(now - job.started for job in self.progress.running.values())
        return max((self.lanes * _SETTLING + work) / (_SETTLING + now - self.progress.begun), 0.1)

    def _is_measured(self, rule: str) -> bool:
        return bool(self._measured[rule] or self._known.get(rule))

    def _usual(self, rule: str) -> float | None:
        """Mean of the rule, else of its stage. Else, where no network runs, the shortest of all jobs; where one does,
        the median, since a few long trainings would bias a mean."""
        if times := self._times(rule):
            return fmean(times)
        rules = {*self._measured, *self._known}
        kin = [time for other in rules if stage_of_rule(other) == stage_of_rule(rule) for time in self._times(other)]
        if kin:
            return fmean(kin)
        everything = [time for other in rules for time in self._times(other)]
        if not everything:
            return None
        return median(everything) if stage_of_rule(rule) in WITH_A_NETWORK else min(everything)

    def lacks_a_network(self) -> bool:
        """Whether jobs are to come or under way that run a network and of whose rule nothing is known."""
        rules = {rule for rule in self.progress.planned if self.progress.to_start(rule)}
        rules |= {job.rule for job in self.progress.running.values()}
        return any(not self._is_measured(rule) and stage_of_rule(rule) in WITH_A_NETWORK for rule in rules)

    def _usual_to_come(self, rule: str) -> float | None:
        """As `_usual`; but where this run repeats an earlier one, only of the jobs that it has not begun yet."""
        before, begun = self._known.get(rule, {}), self._begun_files[rule]
        to_come = [time * self.pace for file, time in before.items() if file not in begun]
        if to_come and 2 * len(begun & before.keys()) >= len(begun):
            return fmean(to_come)
        return self._usual(rule)

    def _times(self, rule: str) -> list[float]:
        before, begun = self._known.get(rule, {}), self._begun_files[rule]
        return self._measured[rule] + [time * self.pace for file, time in before.items() if file not in begun]
