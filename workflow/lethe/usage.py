"""``python -m lethe.usage FOLDER``: what jobs asked a scheduler for, what they used, and requests that fit.

Reads the benchmark files below FOLDER (results/NAME/benchmarks) that were written with ``benchmark-extended: true``,
and prints a table by rule, as comments, and under it ``set-resources`` for the profile of a cluster.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lethe.cli import command
from lethe.errors import LetheError

# Memory is sampled: a job that is over within a second or two was hardly seen. What Python and torch take is the least.
LEAST_MB, LEAST_MINUTES = 1000, 10


@dataclass(frozen=True)
class Usage:
    """The jobs of one rule: how many, the most that one used, and the most that one asked for (None: nothing)."""

    jobs: int
    seconds: float
    memory_mb: float
    asked_minutes: int | None
    asked_mb: int | None

    def requests(self, memory_factor: float, time_factor: float) -> dict[str, int]:
        """What to ask for at first: the most that was used times a factor, rounded up."""
        memory = math.ceil(max(self.memory_mb * memory_factor, LEAST_MB) / 500) * 500
        minutes = math.ceil(max(self.seconds / 60 * time_factor, LEAST_MINUTES) / 10) * 10
        return {"mem_mb": memory, "runtime": minutes}


def read_benchmarks(folder: Path) -> list[dict[str, Any]]:
    """The records of all benchmark files below ``folder``. LetheError where there are none, or none names its rule."""
    files = sorted(folder.rglob("*.jsonl"))
    records = [json.loads(line) for path in files for line in path.read_text(encoding="utf-8").splitlines() if line]
    named = [record for record in records if "rule_name" in record]
    if not named:
        raise LetheError(
            f"{folder} has {len(records)} benchmark records, and none says which rule it is of",
            "name results/NAME/benchmarks of a run with benchmark-extended: true (profiles/slurm has it)",
        )
    return named


def usage_by_rule(records: Iterable[dict[str, Any]]) -> dict[str, Usage]:
    """What the jobs of each rule used at most, by the rule's name."""
    by_rule: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_rule.setdefault(record["rule_name"], []).append(record)
    return {rule: _usage(by_rule[rule]) for rule in sorted(by_rule)}


def _usage(records: list[dict[str, Any]]) -> Usage:
    asked = [record.get("resources", {}) for record in records]
    return Usage(
        jobs=len(records),
        seconds=max(float(record["s"]) for record in records),
        memory_mb=max(_memory(record) for record in records),
        asked_minutes=max((one["runtime"] for one in asked if "runtime" in one), default=None),
        asked_mb=max((one["mem_mb"] for one in asked if "mem_mb" in one), default=None),
    )


def _memory(record: dict[str, Any]) -> float:
    return float(record["max_rss"]) if record["max_rss"] not in (None, "NA") else 0.0  # over before it was looked at


def report(usage: dict[str, Usage], memory_factor: float, time_factor: float) -> str:
    """The table, as YAML comments, and ``set-resources``."""
    lines = [f"# {'rule':28} {'jobs':>5} {'longest':>10} {'of asked':>9} {'memory MB':>10} {'of asked':>9}"]
    for rule, used in usage.items():
        time, memory = _share(used.seconds / 60, used.asked_minutes), _share(used.memory_mb, used.asked_mb)
        lines.append(f"# {rule:28} {used.jobs:5} {used.seconds:8.0f} s {time:>9} {used.memory_mb:10.0f} {memory:>9}")
    lines.append("set-resources:")
    for rule, used in usage.items():
        words = [f"{name}: {value} * attempt" for name, value in used.requests(memory_factor, time_factor).items()]
        lines.append(f"  {rule}: {{{', '.join(words)}}}")
    return "\n".join(lines) + "\n"


def _share(used: float, asked: int | None) -> str:
    return f"{used / asked:.0%}" if asked else "-"


def main(arguments: argparse.Namespace) -> None:
    usage = usage_by_rule(read_benchmarks(arguments.folder))
    sys.stdout.write(report(usage, arguments.memory_factor, arguments.time_factor))


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m lethe.usage", description=__doc__, allow_abbrev=False)
    options.add_argument("folder", type=Path, help="results/NAME/benchmarks")
    options.add_argument("--memory-factor", type=float, default=1.5, help="ask for so many times what was used [1.5]")
    options.add_argument("--time-factor", type=float, default=3.0, help="and so many times the time it took [3]")
    return options


if __name__ == "__main__":
    command(parser(), main)
