"""``python -m lethe.costs --preset NAME`` tells what a preset needs before it is run: assets, jobs, hours on a card,
memory, disk."""

from __future__ import annotations

import argparse

from lethe.cli import command
from lethe.config.reading import preset_file, read_preset
from lethe.costs.cards import CARDS
from lethe.costs.jobs import jobs_by_rule
from lethe.costs.report import asset_lines, job_lines, work_lines
from lethe.costs.work import work_of
from lethe.plan import Plan


def main(arguments: argparse.Namespace) -> None:
    plan = Plan(read_preset(arguments.preset))
    card = arguments.card or ("cpu" if plan.config.compute.gpus == 0 else "a100")
    parts = [asset_lines(plan.assets(), plan.config.assets)]
    if not arguments.no_jobs:
        parts.append(job_lines(jobs_by_rule([str(preset_file(name)) for name in arguments.preset])))
    parts.append(work_lines(work_of(plan), CARDS[card]))
    print(f"preset {plan.config.preset}\n")
    print("\n\n".join("\n".join(lines) for lines in parts))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.costs", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--preset", nargs="+", default=["miniature"], help="a preset's name, or config files [miniature]"
    )
    parser.add_argument(
        "--card", choices=CARDS, help="whose hours are told [a100; cpu where the preset says device: cpu]"
    )
    parser.add_argument("--no-jobs", action="store_true", help="do not ask Snakemake for the jobs: some seconds less")
    return parser


if __name__ == "__main__":
    command(parser(), main)
