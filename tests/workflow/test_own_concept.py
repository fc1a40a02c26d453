"""The example of docs/add_a_concept.md, followed to the letter but for its sizes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lethe.record import read_records

pytestmark = pytest.mark.workflow

STUDY = "results/smoke/shapes"
# What shows every target.
SHOWN = [
    "table: results/smoke/tables/table2.md",
    "cost: results/smoke/tables/cost.md",
    "figure: results/smoke/figures/tradeoff_text.png",
]
WITHOUT_LETHE = """
import sys
sys.modules["lethe"] = None
from diffusers import StableDiffusionPipeline
pipeline = StableDiffusionPipeline.from_pretrained(sys.argv[1])
print(pipeline("A red circle on the grass", num_inference_steps=2).images[0].size)
"""


DOCUMENT = "docs/add_a_concept.md"


def _documented_example(checkout: Path) -> str:
    return re.search(r"```yaml\n(.*?)```", (checkout / DOCUMENT).read_text(), re.DOTALL)[1]


def _written(checkout: Path) -> dict[str, int]:
    """When each result of the text study was written, but for those of the new target."""
    files = (path for path in (checkout / STUDY).rglob("*") if path.is_file() and "/red/" not in str(path))
    return {str(path): path.stat().st_mtime_ns for path in files}


def test_documented_example(made):
    example = _documented_example(made.path)
    smaller = re.sub(r"_pairs: \d+", "_pairs: 4", example)
    made.edit(
        "workflow/presets/smoke.yaml", lambda text: text.replace("      stripes:\n", f"{smaller}      stripes:\n", 1)
    )

    planned = made.planned()
    assert "unlearn: rgd forgets shapes red, seed 0" in planned
    assert set(SHOWN) < set(planned)
    assert all(" red" in job for job in planned if job not in SHOWN), planned
    before = _written(made.path)
    made.run()
    assert _written(made.path) == before
    assert made.planned() == []

    records = read_records(sorted((made.path / STUDY / "red").glob("*/seed0/records.csv")))
    recognised = {(record.variant, record.prompts) for record in records if record.metric == "recognised"}
    prompts = ("forget_train", "forget_test", "retain_train", "retain_test")
    assert recognised == {(variant, name) for variant in ("base", "rgd") for name in prompts}
    assert all(record.features == "colour=red" for record in records if record.metric == "recognised")
    assert "red" in (made.path / "results/smoke/tables/table2.md").read_text()

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LETHE, str(made.path / STUDY / "red/rgd/seed0/model")],
        env={**environment, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(16, 16)"


def test_documented_example_is_one_for_the_miniature(fresh):
    """As it stands in the document."""
    example = _documented_example(fresh.path)
    fresh.edit("config.yaml", lambda text: text.replace("      stripes:\n", f"{example}      stripes:\n", 1))
    card = "results/miniature/shapes/red/rgd/seed0/model/README.md"
    assert card in (fresh.path / DOCUMENT).read_text()
    planned = fresh.planned(card, preset="miniature")
    assert "unlearn: rgd forgets shapes red, seed 0" in planned
    assert not [job for job in planned if re.search("digits|stripes|van_gogh", job)]
