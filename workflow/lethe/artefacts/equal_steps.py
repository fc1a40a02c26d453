"""How many steps give one run the compute of another: prints the number for each given cost.json, in the same order."""

from __future__ import annotations

import argparse
from pathlib import Path

from lethe.artefacts.equal_compute import read_compute

TITLE = "the number of steps that gives a row the compute of another"


def main(arguments: argparse.Namespace) -> None:
    wanted = read_compute(arguments.to)
    print(f"{arguments.to}: {wanted.total:,.0f} examples in {wanted.steps} steps")
    for path in arguments.of:
        own = read_compute(path)
        print(
            f"{path}: {own.total:,.0f} examples in {own.steps} steps, {own.step:,.1f} a step; "
            f"equal with steps: {own.fitting_steps(wanted.total)}"
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, required=True, metavar="JSON", help="cost.json of the run to be equal to")
    parser.add_argument("--of", type=Path, nargs="+", required=True, metavar="JSON", help="cost.json of other runs")
