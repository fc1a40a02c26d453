"""The README's example of adding a method, followed to the letter."""

from __future__ import annotations

import csv
import re

import pytest

pytestmark = pytest.mark.workflow


def test_readme_example(made):
    section = (made.path / "README.md").read_text().split("## Add a method")[1].split("\n## ")[0]
    place = re.search(r"`(workflow/lethe/methods/\w+\.py)`", section)[1]
    source = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    line = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1]
    (made.path / place).write_text(source)
    made.edit("workflow/presets/smoke.yaml", lambda text: text.replace("      destroyed:", f"{line}      destroyed:"))

    planned = made.planned()
    assert planned == [
        "judge: digits 3 mgda, seed 0",
        "measure: digits 3 mgda, seed 0",
        "sample: digits 3 mgda, seed 0, shard 0000",
        "table1: results/smoke/tables/table1.md",
        "unlearn: mgda forgets digits 3, seed 0",
    ]
    made.run()
    with (made.path / "results/smoke/tables/table1.csv").open() as stream:
        assert "mgda" in [row["variant"] for row in csv.DictReader(stream)]
    assert made.planned() == []
