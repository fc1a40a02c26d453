from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from written import config, plan_of

from lethe.errors import LetheError
from lethe.files import write_json
from lethe.ledger import as_markdown
from lethe.report.cost_section import cost as cost_of_preset
from lethe.report.ledger import by_row, by_stage, stage_of
from lethe.report.numbers import Numbers
from lethe.report.shelf import Shelf


@pytest.mark.parametrize(
    ("place", "stage"),
    [
        ("digits/3/rgd/seed0/unlearn.jsonl", "unlearn"),
        ("digits/3/rgd/seed0/sample0012.jsonl", "sample"),
        ("digits/3/rgd/seed0/judge0000.jsonl", "judge"),
        ("digits/3/rgd/seed0/card.jsonl", "measure"),
        ("digits/judge_train.jsonl", "judges"),
        ("digits/judged_test.jsonl", "judge"),
        ("shapes/judge_detector.jsonl", "judges"),
        ("digits/3/retrained/seed0/retrained.jsonl", "base"),
        ("digits/3/sets/balanced/seed0.jsonl", "sets"),
        ("shapes/stripes/sets/diversified/shard0000.jsonl", "sets"),
        ("shapes/stripes/embeddings.jsonl", "sets"),
        ("shapes/photographs.jsonl", "judge"),
        ("shapes/stripes/rgd/seed0/captions.jsonl", "measure"),
        ("tables/captions.jsonl", "artefacts"),
        ("tables/table1.jsonl", "artefacts"),
        ("assets/cifar10.jsonl", "assets"),
        ("digits/3/rgd/seed0/something_new.jsonl", "other"),
    ],
)
def test_every_benchmark_file_belongs_to_a_stage(place, stage):
    assert stage_of(Path(place)) == stage


def test_stages_add_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_of(config())
    folder = tmp_path / plan.root / "benchmarks/digits/3/rgd/seed0"
    folder.mkdir(parents=True)
    for name, seconds, memory in (("unlearn", 3.0, 500.0), ("sample0000", 2.0, 300.0), ("sample0001", 4.0, 400.0)):
        (folder / f"{name}.jsonl").write_text(json.dumps({"s": seconds, "max_rss": memory}) + "\n")
    (folder / "measure.jsonl").write_text(json.dumps({"s": 1.0, "max_rss": "NA"}) + "\n")
    found = {cost.stage: (cost.jobs, cost.seconds, cost.device_seconds, cost.peak_bytes) for cost in by_stage(plan)}
    assert found == {
        "unlearn": (1, 3.0, 3.0, 500 * 2**20),
        "sample": (2, 6.0, 6.0, 400 * 2**20),
        "measure": (1, 1.0, 0.0, None),
    }


def test_images_and_unlearning_are_counted_from_the_results(there):
    costs = {cost.stage: cost for cost in by_stage(there.plan)}
    rows = by_row(there.plan, Shelf())
    assert {row.method for row in rows} >= {"rgd", "graddiff", "salun"}
    assert all((row.seconds, row.peak_bytes, row.devices) == (1.5, 2**30, "cpu") for row in rows)
    assert next(row.cells for row in rows if (row.study, row.method) == ("digits", "rgd")) == 2
    assert costs["unlearn"].images is None


def test_energy_is_added_up_over_the_unlearnings_that_have_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_of(config())
    study = next(iter(plan.studies.values()))
    first, second, third = study.unlearned[:3]
    for cell, more in ((first, {"energy_joules": 1500.0}), (second, {"energy_joules": 500.0}), (third, {})):
        cost = dict.fromkeys(("seconds", "steps", "passes", "forwards", "peak_memory_bytes", "storage_bytes"), 1.0)
        write_json(f"{study.folder(cell)}/cost.json", cost | {"device": "a GPU"} | more)
    benchmark = tmp_path / plan.root / "benchmarks" / first.folder / "unlearn.jsonl"
    benchmark.parent.mkdir(parents=True)
    benchmark.write_text(json.dumps({"s": 4.0, "cpu_time": 3.0, "max_rss": 100.0}) + "\n")
    (cost,) = by_stage(plan)
    assert (cost.stage, cost.joules, cost.cpu_seconds) == ("unlearn", 2000.0, 3.0)
    assert "2.00" in str(cost_of_preset(plan, Shelf(), Numbers()))
    assert as_markdown([cost]).splitlines()[-1] == "| all | 1 | 4 | 3 | 4 | 100 | 0 | 2.00 |"


def test_the_ledger_is_a_command(tmp_path, there):
    done = subprocess.run(
        [sys.executable, "-m", "lethe.ledger", "--preset", "nosuch"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no preset 'nosuch'" in done.stderr
    table = as_markdown(by_stage(there.plan))
    assert table.startswith("| stage | jobs | seconds | CPU s | device s | peak memory, MiB | images | energy, kJ |")


def test_a_broken_benchmark_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_of(config())
    broken = tmp_path / plan.root / "benchmarks/tables/table1.jsonl"
    broken.parent.mkdir(parents=True)
    broken.write_text("{")
    with pytest.raises(LetheError, match=r"table1\.jsonl: not a benchmark"):
        by_stage(plan)
