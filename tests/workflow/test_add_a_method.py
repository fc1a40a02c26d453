"""The example of docs/add_a_method.md, followed to the letter."""

from __future__ import annotations

import csv
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.workflow


def test_documented_example(made):
    section = (made.path / "docs/add_a_method.md").read_text()
    place = re.search(r"`(workflow/lethe/methods/\w+\.py)`", section)[1]
    source = re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]
    line = re.search(r"```yaml\n(.*?)```", section, re.DOTALL)[1]
    (made.path / place).write_text(source)
    made.edit("workflow/presets/smoke.yaml", lambda text: text.replace("      destroyed:", f"{line}      destroyed:"))

    targets = ["digits 3", "shapes stripes", "shapes van_gogh"]
    cells = [f"{target} cagrad, seed 0" for target in targets]
    assert made.planned() == sorted(
        [
            *(f"{job}: {cell}" for job in ("measure", "card") for cell in cells),
            *(f"{job}: {cell}, shard 0000" for job in ("sample", "judge") for cell in cells),
            *(f"unlearn: cagrad forgets {target}, seed 0" for target in targets),
            "table1: results/smoke/tables/table1.md",
            "table: results/smoke/tables/table2.md",
            "cost: results/smoke/tables/cost.md",
            "tradeoff: results/smoke/figures/tradeoff.pdf",
            "figure: results/smoke/figures/tradeoff_text.png",
        ]
    )
    made.run()
    for table in ("table1", "table2", "cost"):
        with (made.path / f"results/smoke/tables/{table}.csv").open() as stream:
            assert "cagrad" in [row["variant"] for row in csv.DictReader(stream)]
    assert made.planned() == []

    conformance = [sys.executable, "-m", "pytest", "-q", "tests/conformance", "-k", "cagrad"]
    done = subprocess.run(conformance, cwd=made.path, env=made.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
