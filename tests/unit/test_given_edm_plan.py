"""A given base of classes in the configuration: what is planned of it, and what does not go with it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from lethe.config import load_config
from lethe.config.given_base import GivenBaseSettings
from lethe.errors import LetheError
from lethe.plan import Plan
from lethe.settings.base import BaseSettings

MINIATURE = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())


def digits_with(base: Any, variants: dict[str, Any] | None = None) -> dict[str, Any]:
    """The miniature with this base and without the control that is trained as the base is."""
    values = copy.deepcopy(MINIATURE)
    study = values["studies"]["digits"]
    study["base"] = base
    del study["variants"]["retrained"]
    study["variants"] |= variants or {}
    shown = values["artefacts"]["classes"]["samples"]
    values["artefacts"]["classes"]["samples"] = [row for row in shown if row != "retrained"]
    return values


@pytest.fixture
def checkpoint(tmp_path: Path) -> str:
    (tmp_path / "edm.pkl").touch()
    return f"{tmp_path}/edm.pkl"


def refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(LetheError, match=words):
        load_config(values)


def test_a_base_is_trained_unless_it_is_given():
    study = load_config(MINIATURE).studies["digits"]
    assert type(study.base) is BaseSettings
    assert type(load_config(digits_with({"given": "edm_cifar10"})).studies["digits"].base) is GivenBaseSettings
    assert type(load_config(digits_with({})).studies["digits"].base) is BaseSettings


def test_a_given_base_is_converted_and_checked_against_the_data(checkpoint):
    plan = Plan(load_config(digits_with({"given": checkpoint})))
    digits, trained = plan.studies["digits"], Plan(load_config(MINIATURE)).studies["digits"]
    job = digits.base()
    assert job.options == f"--source={checkpoint}"
    assert [file for place in digits.given_base for file in place.inputs] == [checkpoint]
    assert not any(path.name == "classes.py" and path.parent.name == "base" for path in job.code)
    assert (plan.studies_of_family("edm", "given"), plan.studies_of_family("edm", "trained")) == ("digits", "(?!)")
    assert plan.studies_making("base") == "(?!)"
    assert digits.base().fingerprint != trained.base().fingerprint
    assert digits.data.fingerprint == trained.data.fingerprint


@pytest.mark.parametrize(
    ("base", "variants", "words"),
    [
        ({"given": "x", "steps": 3}, {}, r"studies\.digits\.base\.steps: there is no such key; .*given"),
        ({"given": 3}, {}, r"studies\.digits\.base\.given: .*string"),
        ({"given": ""}, {}, r"studies\.digits\.base\.given"),
        ({"gven": "x"}, {}, r"studies\.digits\.base\.gven: there is no such key"),
        ({"given": "x"}, {"again": {"method": "retrained"}}, r"variants\.again: retrained trains the base again"),
        (
            {},
            {"rgd_augmented": {"method": "rgd", "settings": {"augmentation": True}}},
            r"variants\.rgd_augmented\.settings\.augmentation: a base that is trained here has not learned it",
        ),
        (
            {"given": "x"},
            {"rgd_augmented": {"method": "rgd", "settings": {"augmentation": 3}}},
            r"settings\.augmentation: .*boolean",
        ),
    ],
)
def test_what_does_not_go_with_a_base_is_refused(base, variants, words):
    refused(digits_with(base, variants), words)


def test_each_row_may_augment(checkpoint):
    rows = {"rgd_augmented": {"method": "rgd", "settings": {"augmentation": True}}}
    study = load_config(digits_with({"given": checkpoint}, rows)).studies["digits"]
    assert study.method_settings("rgd_augmented").augmentation
    assert not study.method_settings("rgd").augmentation


def test_an_asset_that_is_not_known_is_named():
    plan = Plan(load_config(digits_with({"given": "edm_cifar"})))
    with pytest.raises(LetheError, match=r"there is no asset 'edm_cifar'\n.*edm_cifar10"):
        plan.studies["digits"].base()
