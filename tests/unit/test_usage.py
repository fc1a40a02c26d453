"""What jobs used, read from benchmark files, and the requests made of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from lethe.errors import LetheError
from lethe.usage import read_benchmarks, usage_by_rule


def write(folder, name, **record):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record) + "\n")


@pytest.fixture
def benchmarks(tmp_path):
    asked = {"mem_mb": 4000, "runtime": 60, "gpu": 1}
    write(tmp_path, "a/3/rgd/unlearn.jsonl", rule_name="unlearn", s=600.0, max_rss=2100.0, resources=asked)
    write(tmp_path, "a/4/rgd/unlearn.jsonl", rule_name="unlearn", s=1800.0, max_rss=1500.0, resources=asked)
    write(tmp_path, "a/3/rgd/measure.jsonl", rule_name="measure", s=0.2, max_rss=3.0, resources={})
    write(tmp_path, "a/4/rgd/measure.jsonl", rule_name="measure", s=0.1, max_rss="NA", resources={})
    write(tmp_path, "a/old.jsonl", s=5.0, max_rss=100.0)
    return tmp_path


def test_the_most_that_any_job_of_a_rule_used(benchmarks):
    usage = usage_by_rule(read_benchmarks(benchmarks))
    assert list(usage) == ["measure", "unlearn"]
    used = usage["unlearn"]
    assert (used.jobs, used.seconds, used.memory_mb, used.asked_minutes, used.asked_mb) == (2, 1800, 2100, 60, 4000)
    # 2100 x 1.5 = 3150, up to the next 500; 30 minutes x 3; what is hardly seen gets the least.
    assert used.requests(1.5, 3) == {"mem_mb": 3500, "runtime": 90}
    assert usage["measure"].requests(1.5, 3) == {"mem_mb": 1000, "runtime": 10}


def test_what_is_printed_can_be_pasted_into_a_profile(benchmarks):
    command = [sys.executable, "-m", "lethe.usage", str(benchmarks), "--memory-factor", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert yaml.safe_load(done.stdout) == {
        "set-resources": {
            "measure": {"mem_mb": "1000 * attempt", "runtime": "10 * attempt"},
            "unlearn": {"mem_mb": "4500 * attempt", "runtime": "90 * attempt"},
        }
    }
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("# unlearn"))
    assert line.split() == ["#", "unlearn", "2", "1800", "s", "50%", "2100", "52%"]


def test_benchmarks_that_do_not_name_their_rule_are_refused(tmp_path):
    write(tmp_path, "a/old.jsonl", s=5.0, max_rss=100.0)
    with pytest.raises(LetheError, match=r"has 1 benchmark records.*\n.*benchmark-extended"):
        read_benchmarks(tmp_path)
