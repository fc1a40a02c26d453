"""What is wrong with a preset is said before any job, with its place and the nearest right name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from lethe.config import load_config
from lethe.errors import LetheError

MINIATURE = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())


def changed(path: str, value: Any) -> dict[str, Any]:
    values = copy.deepcopy(MINIATURE)
    owner = values
    *groups, last = path.split(".")
    for group in groups:
        owner = owner[group]
    owner[last] = value
    return values


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("prest", "x", r"prest: there is no such key; did you mean 'preset'"),
        ("studies.digits.seedz", [1], r"studies\.digits\.seedz: there is no such key; did you mean 'seeds'"),
        ("studies.digits.base.network.width", [8], r"base\.network\.width: .* did you mean 'widths'"),
        ("studies.digits.variants.rgd", {"methods": "rgd"}, r"variants\.rgd\.methods: .* did you mean 'method'"),
        (
            "studies.digits.variants.rgd",
            {"method": "rgdd"},
            r"variants\.rgd\.method: .*no method 'rgdd'; did you mean 'rgd'",
        ),
        (
            "studies.digits.variants.rgd",
            {"method": "rgd", "settings": {"retain_wieght": 1}},
            r"retain_wieght: rgd has no such setting; did you mean 'retain_weight'",
        ),
        (
            "studies.digits.variants.rgd",
            {"method": "rgd", "settings": {"truncation": -1}},
            r"variants\.rgd\.settings\.truncation: .*greater than 0 \(is -1\)",
        ),
        (
            "studies.digits.variants.finetune",
            {"method": "finetune", "settings": {"as_released": True}},
            r"finetune has no defect to reproduce",
        ),
        ("studies.digits.variants.base", {"method": "base", "settings": {"steps": 1}}, r"it has no settings"),
        ("studies.digits.targets", [3, 11], r"targets: 11 is no class of digits \(0 to 9\)"),
        ("studies.digits.targets", [3, 3], r"names something twice"),
        ("studies.digits.variants.rg", {"method": "rg", "targets": [12]}, r"variants\.rg\.targets: 12 is no class"),
        ("studies.digits.sampling.steps", 1, r"sampling\.steps: .* \(is 1\)"),
        ("studies.digits.sampling.sigma_min", 90.0, r"sigma_min = 90.0 is not below sigma_max"),
        ("artefacts.study", "digit", r"no study 'digit'; did you mean 'digits'"),
        ("artefacts.samples", ["rgdd"], r"artefacts\.samples: .* did you mean 'rgd'"),
        ("artefacts.figure2", "finetune", r"artefacts\.figure2: 'finetune' has no pair of gradients"),
        ("artefacts.shown_target", 5, r"shown_target: 5 is not a target of 'retrained'; choose one of \[1, 3, 8\]"),
    ],
)
def test_a_fault_is_named_with_its_remedy(path, value, message):
    with pytest.raises(LetheError, match=message):
        load_config(changed(path, value))


def test_all_faults_are_reported_at_once():
    values = changed("studies.digits.seedz", [1])
    values["compte"] = {}
    with pytest.raises(LetheError, match=r"(?s)seedz.*compte|compte.*seedz"):
        load_config(values)


def test_settings_of_a_row_go_before_the_studys_and_these_before_the_methods():
    values = changed("studies.digits.variants.rgd", {"method": "rgd", "settings": {"steps": 7}})
    study = load_config(values).studies["digits"]
    settings = study.method_settings("rgd")
    assert settings.steps == 7, "the row's own"
    assert settings.learning_rate == MINIATURE["studies"]["digits"]["unlearn"]["learning_rate"], "the study's"
    assert settings.truncation == 0.1, "the method's default: the paper's alpha"
    assert settings.retain_weight == 5.0, "the method's default: the paper's lambda"


def test_a_missing_key_is_named():
    values = copy.deepcopy(MINIATURE)
    del values["studies"]["digits"]["targets"]
    with pytest.raises(LetheError, match=r"studies\.digits\.targets: Field required"):
        load_config(values)
