"""The first steps of docs/start.md: the preset is a good one, and makes what the document then looks at."""

from __future__ import annotations

import re

import yaml
from documented import saved_files_of
from documented_runs import IN_ORDER, REPOSITORY

from lethe.config import load_config
from lethe.plan import Plan

DOCUMENT = REPOSITORY / IN_ORDER


def test_the_preset_makes_what_the_document_looks_at():
    ((name, text),) = saved_files_of(DOCUMENT).items()
    plan = Plan(load_config(yaml.safe_load(text)))
    assert f"{plan.config.preset}.yaml" == name
    made = {*plan.artefacts(), f"{plan.root}/report.html"}
    shown = set(re.findall(rf"{plan.root}/[\w./]*\.\w+", DOCUMENT.read_text()))
    assert shown
    assert shown <= made


def test_the_networks_and_judges_are_those_of_the_miniature():
    """What the preset leaves out has the miniature's value, but for the detector, which red is not told by."""
    (text,) = saved_files_of(DOCUMENT).values()
    study = load_config(yaml.safe_load(text)).studies["shapes"]
    miniature = load_config(yaml.safe_load((REPOSITORY / "config.yaml").read_text())).studies["shapes"]
    assert (study.data, study.base, study.unlearn) == (miniature.data, miniature.base, miniature.unlearn)
    for judge in ("alignment", "attributes"):
        assert getattr(study.judges, judge) == getattr(miniature.judges, judge)
    assert study.variants["rgd"] == miniature.variants["rgd"].model_copy(update={"settings_for": {}})
