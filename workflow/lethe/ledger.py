"""``python -m lethe.ledger --preset NAME``: what a preset has cost so far, by stage, as the report shows it.

Reads the benchmark files of Snakemake and the cost files of unlearning below results/NAME; prints a Markdown table, and
writes a csv file with ``--csv``.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from lethe.cli import command
from lethe.config.reading import read_preset
from lethe.errors import LetheError
from lethe.files import write_rows
from lethe.plan import Plan
from lethe.report.cost_section import kilojoules, megabytes
from lethe.report.ledger import Cost, by_stage, total
from lethe.stages import STAGES

COLUMNS = tuple(field.name for field in dataclasses.fields(Cost))


def as_markdown(costs: Sequence[Cost]) -> str:
    """One line a stage, and their sum; the memory of the sum is the largest."""
    heads = ["stage", "jobs", "seconds", "CPU s", "device s", "peak memory, MiB", "images", "energy, kJ"]
    lines = [[STAGES[cost.stage], *_cells(cost)] for cost in costs]
    lines.append(["all", *_cells(total(costs))])
    rows = [heads, ["---", *["---:"] * (len(heads) - 1)], *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _cells(cost: Cost) -> list[str]:
    numbers = [f"{cost.jobs:,}", f"{cost.seconds:,.0f}", f"{cost.cpu_seconds:,.0f}", f"{cost.device_seconds:,.0f}"]
    images = "" if cost.images is None else f"{cost.images:,}"
    return [*numbers, megabytes(cost.peak_bytes), images, kilojoules(cost.joules)]


def main(arguments: argparse.Namespace) -> None:
    plan = Plan(read_preset(arguments.preset))
    costs = by_stage(plan)
    if not costs:
        raise LetheError(
            f"{plan.root}/benchmarks: no benchmark files",
            f"run the preset first: make reproduce PRESET={plan.config.preset}",
        )
    if arguments.csv is not None:
        write_rows(arguments.csv, COLUMNS, [dataclasses.asdict(cost) for cost in costs])
    sys.stdout.write(as_markdown(costs))


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m lethe.ledger", description=__doc__, allow_abbrev=False)
    options.add_argument(
        "--preset", nargs="+", default=["miniature"], help="a preset's name, or config files [miniature]"
    )
    options.add_argument("--csv", type=Path, help="csv file to write, in full precision")
    return options


if __name__ == "__main__":
    command(parser(), main)
