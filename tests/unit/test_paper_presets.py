"""The presets that reproduce the paper: where their values are from, and what of a study keeps it from the paper's."""

from __future__ import annotations

import copy
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from lethe.config import load_config
from lethe.config.studies import Variant
from lethe.config.sweeps import Sweep
from lethe.plan import Plan
from lethe.preset_text import Place, Sources

ROOT = Path(__file__).parents[2]
PRESETS = {name: yaml.safe_load((ROOT / f"workflow/presets/{name}.yaml").read_text()) for name in ("paper", "lite")}
SOURCES = Sources(yaml.safe_load((ROOT / "workflow/published/sources.yaml").read_text()))


def numbers(value: Any, place: Place = ()) -> list[Place]:
    """The place of every value of a preset that is a number or holds some."""
    if isinstance(value, Variant | Sweep):
        return [place]
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict) and value:
        return [found for name, item in value.items() for found in numbers(item, (*place, str(name)))]
    items = value if isinstance(value, tuple | list) else [value]
    return [place] if any(isinstance(item, int | float) and not isinstance(item, bool) for item in items) else []


@pytest.mark.parametrize("name", PRESETS)
def test_every_number_has_a_source(name: str) -> None:
    places = numbers(load_config(PRESETS[name]))
    assert len(places) > 50
    assert [".".join(place) for place in places if not SOURCES.cited(place)] == []


def test_a_source_is_of_something() -> None:
    config = load_config(PRESETS["paper"])
    known = [".".join(place) for place in every_place(config)]
    assert [pattern for pattern in SOURCES.texts if not any(fnmatchcase(place, pattern) for place in known)] == []


def every_place(value: Any, place: Place = ()) -> list[Place]:
    here = [place] if place else []
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict):
        return here + [found for name, item in value.items() for found in every_place(item, (*place, str(name)))]
    return here


def with_value(preset: str, path: str, value: Any) -> Plan:
    values: dict[str, Any] = copy.deepcopy(PRESETS[preset])
    owner = values
    *groups, last = path.split(".")
    for group in groups:
        owner = owner[group]
    owner[last] = value
    return Plan(load_config(values))


def tables(plan: Plan) -> dict[str, list[str]]:
    options = {name: table.options for name, table in plan.text.alignment_tables.items()}
    return options | {"table1": plan.classes.table1_comparability, "table7": plan.text.table7.options}


def test_the_paper_preset_is_comparable_with_the_paper() -> None:
    for name, options in tables(Plan(load_config(PRESETS["paper"]))).items():
        assert "--comparable" in options, (name, options)


@pytest.mark.parametrize(
    ("path", "value", "table", "words"),
    [
        ("studies.sd14.base.given", "./", "table2", "the base is not the paper's model"),
        ("studies.sd14.sampling.steps", 20, "table4", "sampling.steps is 20, not 50"),
        ("studies.sd14.sampling.train_prompts", 40, "table8", "40 training prompts, not 800"),
        ("studies.sd14.targets.van_gogh.test_pairs", 99, "table2", "99 test prompts, not 100"),
        ("studies.sd14.judges.alignment.architecture", "ViT-L-14", "table7", "AS is not OpenCLIP ViT-B-32's"),
        ("studies.sd3.base.given", "./", "table7", "the base is not the paper's model"),
        ("studies.sd3.sampling.images_per_prompt", 2, "table7", "2 images a prompt, not 1"),
        ("studies.cifar10.sampling.retain_images", 50, "table1", "450 images of the other classes, not 50,000"),
    ],
)
def test_what_keeps_a_study_from_the_paper(path: str, value: Any, table: str, words: str) -> None:
    options = tables(with_value("paper", path, value))[table]
    assert "--comparable" not in options
    assert words in options[options.index("--differs") :]


def test_a_style_of_few_prompts_leaves_the_tables_of_nudity_comparable() -> None:
    plan = with_value("paper", "studies.sd14.targets.van_gogh.test_pairs", 99)
    assert "--comparable" in tables(plan)["table4"]
