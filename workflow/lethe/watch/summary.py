"""The failed jobs of a run, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lethe.watch.failures import Diagnosis
from lethe.watch.progress import Job, Progress
from lethe.watch.words import counted, exactly

_GOES_ON = "The same command goes on where this ended."


@dataclass(frozen=True)
class Failure:
    """A job that failed; ``seconds``: how long it ran."""

    job: Job
    seconds: float
    diagnosis: Diagnosis

    def at_once(self) -> str:
        """What is said when it happens."""
        return "\n".join(
            [
                f"FAILED  {self.job.title}  (after {exactly(self.seconds)})",
                *(f"        {line}" for line in self.diagnosis.problem.splitlines()),
                f"        remedy: {self.diagnosis.remedy}",
                *(f"        log: {log}" for log in self.job.logs),
            ]
        )

    def in_full(self) -> str:
        wildcards = " ".join(f"{name}={value}" for name, value in self.job.wildcards.items())
        return "\n".join(
            [
                f"  {self.job.title}",
                f"    rule: {self.job.rule}{f' ({wildcards})' if wildcards else ''}",
                *(f"    log: {log}" for log in self.job.logs),
                *(f"    | {line}" for line in self.diagnosis.shown or [self.diagnosis.problem]),
                f"    remedy: {self.diagnosis.remedy}",
            ]
        )


def summary_of(failures: Sequence[Failure], progress: Progress, seconds: float) -> str:
    """What is said at the end of a run that has begun."""
    done, planned = progress.jobs_done, progress.jobs_planned
    if not failures:
        if done < planned:
            return f"stopped after {exactly(seconds)}: {done:,} of {counted(planned, 'job')} done. {_GOES_ON}"
        return f"all {counted(planned, 'job')} done in {exactly(seconds)}"
    left = planned - done - len(failures)
    head = f"{counted(len(failures), 'job')} failed, {done:,} done, {left:,} not made, in {exactly(seconds)}:"
    told = [failure.in_full() for failure in failures]
    return "\n\n".join([head, *told, _GOES_ON])
