"""Which jobs of a run are to come, under way, done, or failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lethe.stages import STAGES, TARGETS, stage_of_rule


@dataclass(frozen=True)
class Job:
    """A job as Snakemake tells of it when it starts; ``started`` in seconds of any one clock."""

    number: int
    rule: str
    title: str
    started: float
    wildcards: Mapping[str, str] = field(default_factory=dict)
    logs: tuple[str, ...] = ()
    benchmark: str | None = None
    command: str | None = None


class StageCount(NamedTuple):
    stage: str
    done: int
    running: int
    failed: int
    total: int


class Progress:
    """``planned``: jobs by rule, as Snakemake counts them before the first starts; ``begun``: when that was."""

    def __init__(self, planned: Mapping[str, int], begun: float) -> None:
        self.planned = {rule: count for rule, count in planned.items() if rule not in TARGETS}
        self.begun = begun
        self.running: dict[int, Job] = {}
        self.done: Counter[str] = Counter()
        self.failed: dict[int, Job] = {}
        self.started: Counter[str] = Counter()
        self._seen: set[int] = set()

    def start(self, job: Job) -> None:
        """Also for a job that has failed and is tried again."""
        if job.rule in TARGETS:
            return
        self.failed.pop(job.number, None)
        self.running[job.number] = job
        if job.number not in self._seen:
            self._seen.add(job.number)
            self.started[job.rule] += 1

    def finish(self, number: int) -> Job | None:
        """The job, or None for one that never started."""
        # One of a group is told to have failed when another member did; then it may be told to be done as well.
        job = self.running.pop(number, None) or self.failed.pop(number, None)
        if job is not None:
            self.done[job.rule] += 1
        return job

    def fail(self, number: int) -> Job | None:
        job = self.running.pop(number, None)
        if job is not None:
            self.failed[number] = job
        return job

    def to_start(self, rule: str) -> int:
        return max(0, self.planned.get(rule, 0) - self.started[rule])

    @property
    def jobs_done(self) -> int:
        return sum(self.done.values())

    @property
    def jobs_planned(self) -> int:
        return sum(self.planned.values())

    def by_stage(self) -> list[StageCount]:
        """The stages that this run has jobs of, in their order."""
        total, done, running, failed = Counter(), Counter(), Counter(), Counter()
        for rule, count in self.planned.items():
            total[stage_of_rule(rule)] += count
        for rule, count in self.done.items():
            done[stage_of_rule(rule)] += count
        for jobs, counts in ((self.running, running), (self.failed, failed)):
            counts.update(stage_of_rule(job.rule) for job in jobs.values())
        return [
            StageCount(stage, done[stage], running[stage], failed[stage], total[stage])
            for stage in STAGES
            if total[stage]
        ]
