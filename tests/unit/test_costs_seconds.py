"""Which rule does a job of the cost model, and which benchmark file it will write."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from lethe.config.reading import read_preset
from lethe.costs.seconds import rule_and_benchmark
from lethe.costs.work import Work
from lethe.plan import Plan

sys.path.insert(0, "benchmarks")
from eta import rules_by_pattern


@pytest.fixture(scope="module")
def plan() -> Plan:
    return Plan(read_preset(["miniature"]))


def first(plan: Plan, study: str, stage: str) -> str:
    """A file that a job of this stage makes, as the cost model names it."""
    place = plan.studies[study]
    cell = place.unlearned[-1]
    match stage:
        case "base":
            return place.base_files[-1]
        case "unlearn":
            return f"{place.folder(cell)}/cost.json"
        case "sample":
            return place.shards(cell)[0]
        case "judge":
            return place.judged_files(cell)[0]
    return place.training_shards(cell.target, place.strategy_of(cell))[0]


@pytest.mark.parametrize(
    ("study", "stage", "rule"),
    [
        ("digits", "base", "base"),
        ("shapes", "base", "base_stable_diffusion"),
        ("shapes3", "base", "base_stable_diffusion_3"),
        ("digits", "unlearn", "unlearn"),
        ("shapes", "unlearn", "unlearn_stable_diffusion"),
        ("shapes3", "unlearn", "unlearn_stable_diffusion_3"),
        ("digits", "sample", "sample"),
        ("shapes", "sample", "sample"),
        ("shapes", "training images", "training_images"),
        ("digits", "judge", "judge_images"),
        ("shapes", "judge", "judge_images_text"),
    ],
)
def test_a_job_has_the_rule_and_the_benchmark_file_of_the_rule_files(plan, study, stage, rule):
    work = Work(stage, study, 1.0, "float32", 0.0, 0.0, first(plan, study, stage))
    found, place = rule_and_benchmark(plan, work)
    assert found == rule
    patterns = [name for pattern, name in rules_by_pattern() if pattern.fullmatch(place)]
    # Of rules that are made from one another the first has the pattern; both judges share theirs.
    original = re.sub(r"_stable_diffusion(_3)?$", "", rule)
    assert original in patterns, place
    assert Path(place).parts[0] == study


def test_a_retrained_model_is_of_its_own_rule(plan):
    place = plan.studies["digits"]
    cell = next(cell for cell in place.cells(place.variants_made_by("base")) if cell.variant == "retrained")
    work = Work("base", "digits", 1.0, "float32", 0.0, 0.0, place.model_inputs(cell)[-1])
    assert rule_and_benchmark(plan, work) == ("retrained", f"{place.model_of(cell).folder}/retrained.jsonl")
