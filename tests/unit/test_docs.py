"""The list of tables and figures for users names all that there are, with commands that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from lethe.config import load_config
from lethe.plan import Plan

LISTED = Path("docs/artefacts.md")
PRESETS = {"": "config.yaml", **{name: f"workflow/presets/{name}.yaml" for name in ("doco", "laboratory")}}


def made_by(preset: str) -> set[str]:
    """The names of the tables and figures of a preset."""
    plan = Plan(load_config(yaml.safe_load(Path(PRESETS[preset]).read_text(encoding="utf-8"))))
    return {Path(path).stem for path in plan.tables() + plan.figures()}


def listed(preset: str) -> list[str]:
    """The names in the commands of the list that are of this preset."""
    commands = re.findall(
        r"`snakemake --cores all (\w+)(?: --configfile workflow/presets/(\w+)\.yaml)?`", LISTED.read_text()
    )
    return [name for name, named in commands if named == preset]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset or "miniature")
def test_every_table_and_figure_is_listed_once_with_its_command(preset):
    assert sorted(listed(preset)) == sorted(made_by(preset))


def test_what_is_made_only_when_asked_for_is_listed_too():
    values = yaml.safe_load(Path(PRESETS[""]).read_text(encoding="utf-8"))
    study = values["studies"]["shapes"]
    study["targets"]["stripes"]["listed"] = {"coco": {"given": "coco_captions", "count": 1000}}
    study["captions"] = {"set": "coco"}
    optional = re.findall(r"`snakemake --cores all (\w+) --configfile mine\.yaml`", LISTED.read_text())
    assert optional == Plan(load_config(values)).captions.tables()


def test_all_tables_and_figures_of_the_paper_are_there():
    paper = {f"table{number}" for number in range(1, 9)} | {f"figure{number}" for number in range(1, 12)}
    assert paper <= made_by("")
