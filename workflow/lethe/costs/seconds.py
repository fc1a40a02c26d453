"""``python -m lethe.costs.seconds CONFIGFILE ...``: what the jobs of a preset are expected to take, as JSON: seconds by
rule and by the benchmark file that Snakemake will write."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from lethe.cli import command
from lethe.config.reading import read_preset
from lethe.costs.cards import CARDS, Card
from lethe.costs.report import hours_of
from lethe.costs.work import Work, work_of
from lethe.plan import Plan


def seconds_of_jobs(plan: Plan, card: Card) -> dict[str, dict[str, float]]:
    """Of the jobs that run a network, by rule and benchmark file."""
    seconds: dict[str, dict[str, float]] = {}
    for work in work_of(plan):
        if work.flops:
            rule, place = rule_and_benchmark(plan, work)
            seconds.setdefault(rule, {})[f"{plan.root}/benchmarks/{place}"] = hours_of(work, card) * 3600
    return seconds


def rule_and_benchmark(plan: Plan, work: Work) -> tuple[str, str]:
    """The rule that does this work, and its benchmark file below the folder of benchmarks."""
    study, done = plan.studies[work.study], Path(work.done).relative_to(plan.root)
    suffix = f"_{study.family}" if study.kind == "text" else ""
    match work.stage:
        case "unlearn":
            return f"unlearn{suffix}", str(done.with_name("unlearn.jsonl"))
        case "training images":
            return "training_images", str(done.with_suffix(".jsonl"))
        case "sample":
            return "sample", str(done.parents[1] / f"sample{done.stem.removeprefix('shard')}.jsonl")
        case "judge":
            return "judge_images" + "_text" * bool(suffix), str(
                done.parents[1] / f"judge{done.stem.removeprefix('shard')}.jsonl"
            )
    folder = Path(*done.parts[: done.parts.index("model")])
    if folder.name == "base":
        return f"base{suffix}", f"{folder}.jsonl"
    return "retrained", str(folder / "retrained.jsonl")


def main(arguments: argparse.Namespace) -> None:
    plan = Plan(read_preset(arguments.configfiles or ["miniature"]))
    card = CARDS["cpu" if plan.config.compute.gpus == 0 else "a100"]
    json.dump(seconds_of_jobs(plan, card), sys.stdout)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="python -m lethe.costs.seconds", description=__doc__, allow_abbrev=False)
    options.add_argument("configfiles", nargs="*", help="a preset's name, or config files [miniature]")
    return options


if __name__ == "__main__":
    command(parser(), main)
