"""The newcomer's path of docs/start.md, walked to the letter but for its sizes: only what is new is made, and once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from checkout import REPOSITORY, Checkout
from documented import Command, commands_of, saved_files_of
from documented_runs import IN_ORDER
from typing_in import link_environment, typed

from lethe.config.reading import read_values
from lethe.record import read_records

pytestmark = pytest.mark.workflow

DOCUMENT = REPOSITORY / IN_ORDER
COMMANDS = [command for command in commands_of(DOCUMENT, IN_ORDER) if command.in_block]
STUDY = "results/smoke/shapes"
# What shows every target.
SHOWN = [
    "table: results/smoke/tables/table2.md",
    "cost: results/smoke/tables/cost.md",
    "figure: results/smoke/figures/tradeoff_text.png",
    "report: results/smoke/report.html",
]
WITHOUT_LETHE = """
import sys
sys.modules["lethe"] = None
from diffusers import StableDiffusionPipeline
pipeline = StableDiffusionPipeline.from_pretrained(sys.argv[1])
print(pipeline("A red circle on the grass", num_inference_steps=2).images[0].size)
"""


def save_small(checkout: Checkout) -> None:
    """Save the document's preset as smoke's with the new concept: base and judges are there already."""
    ((name, text),) = saved_files_of(DOCUMENT).items()
    ((target, concept),) = yaml.safe_load(text)["studies"]["shapes"]["targets"].items()
    preset = checkout.path / "workflow/presets/smoke.yaml"
    values = read_values(preset)
    values["studies"]["shapes"]["targets"][target] = concept | {"train_pairs": 4, "test_pairs": 4}
    for path in (preset, checkout.path / name):
        path.write_text(yaml.safe_dump(values, sort_keys=False))


def small(command: Command) -> str:
    return command.text.replace("results/red/", "results/smoke/")


def written(checkout: Path) -> dict[str, int]:
    """When each result of the text study was written, but for those of the new target."""
    files = (path for path in (checkout / STUDY).rglob("*") if path.is_file() and "/red/" not in str(path))
    return {str(path): path.stat().st_mtime_ns for path in files}


def test_every_command_works_and_only_what_is_new_is_made(made):
    save_small(made)
    link_environment(made.path)
    planned = made.planned("report")
    assert "unlearn: rgd forgets shapes red, seed 0" in planned
    assert set(SHOWN) < set(planned)
    assert all(" red" in job for job in planned if job not in SHOWN), planned
    before = written(made.path)

    for command in COMMANDS:
        typed(small(command), made, [command])
    assert (made.path / "circle.png").stat().st_size > 0
    assert written(made.path) == before
    assert made.planned("report") == []

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
