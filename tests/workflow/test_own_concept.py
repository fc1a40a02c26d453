"""The example of docs/add_a_concept.md, as it stands there; what is made of it is tried in test_start.py."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from checkout import REPOSITORY
from documented import saved_files_of

pytestmark = pytest.mark.workflow

DOCUMENT = "docs/add_a_concept.md"


def _documented_example(checkout: Path) -> str:
    return re.search(r"```yaml\n(.*?)```", (checkout / DOCUMENT).read_text(), re.DOTALL)[1]


def test_documented_example_is_that_of_the_first_steps():
    preset = yaml.safe_load(saved_files_of(REPOSITORY / "docs/start.md")["red.yaml"])
    assert yaml.safe_load(_documented_example(REPOSITORY)) == preset["studies"]["shapes"]["targets"]


def test_documented_example_is_one_for_the_miniature(fresh):
    example = _documented_example(fresh.path)
    fresh.edit("config.yaml", lambda text: text.replace("      stripes:\n", f"{example}      stripes:\n", 1))
    card = "results/miniature/shapes/red/rgd/seed0/model/README.md"
    assert card in (fresh.path / DOCUMENT).read_text()
    planned = fresh.planned(card, preset="miniature")
    assert "unlearn: rgd forgets shapes red, seed 0" in planned
    assert not [job for job in planned if re.search("digits|stripes|van_gogh", job)]
