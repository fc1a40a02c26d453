"""The example of docs/add_a_metric.md, followed to the letter."""

from __future__ import annotations

import csv
import re
import subprocess
import sys

import pytest

from lethe.record import read_records

pytestmark = pytest.mark.workflow


def test_documented_example(made):
    section = (made.path / "docs/add_a_metric.md").read_text()
    place = re.search(r"`(workflow/lethe/metrics/\w+\.py)`", section)[1]
    source = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    line = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1]
    (made.path / place).write_text(source)
    made.edit("workflow/presets/smoke.yaml", lambda text: text.replace("    metrics: [colourfulness]\n", line))

    assert made.planned() == [
        "image metrics: shapes3 stripes base, seed 0",
        "image metrics: shapes3 stripes rgd, seed 0",
        "table: results/smoke/tables/metrics.md",
    ]
    made.run()
    assert made.planned() == []
    (record,) = [
        record
        for record in read_records([made.path / "results/smoke/shapes3/stripes/rgd/seed0/metrics.csv"])
        if record.prompts == "forget_test"
    ]
    assert (record.metric, record.judge) == ("roughness", "lethe.metrics.roughness")
    with (made.path / "results/smoke/tables/metrics.csv").open() as stream:
        (mean,) = [
            row["mean"] for row in csv.DictReader(stream) if (row["variant"], row["prompts"]) == ("rgd", "forget_test")
        ]
    assert float(mean) == record.value
    assert "| roughness |" in (made.path / "results/smoke/tables/metrics.md").read_text()

    check = [sys.executable, "-m", "pytest", "-q", "tests/unit/test_metrics.py", "-k", "roughness"]
    done = subprocess.run(check, cwd=made.path, env=made.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
