"""Rows evaluated as released: whose model they share, how their images are drawn, judged and measured."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lethe.config import load_config
from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.image_plan import all_classes, one_target, rows_of
from lethe.measure.judged import read_judged
from lethe.plan import ANY, Cell, Plan
from lethe.prompt_images import PromptImages
from lethe.sample import system_seeds
from lethe.settings.sampling import SamplingSettings

MINIATURE = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
RELEASED = {"evaluation": "as_released"}
TEXT = {"base_released": {"method": "base", **RELEASED}}


def preset(quirks: dict[str, Any] | None = None, **rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The miniature with more rows, by study."""
    values = copy.deepcopy(MINIATURE)
    for study, more in rows.items():
        values["studies"][study]["variants"] |= more
    values["artefacts"]["quirks"] = quirks or {}
    return values


def released(study: str, row: str, **changes: Any) -> dict[str, Any]:
    """The row again, evaluated as released."""
    return copy.deepcopy(MINIATURE["studies"][study]["variants"][row]) | RELEASED | changes


# --------------------------------------------------------------------------------------------------------- the plan


def test_a_row_shares_the_model_of_the_row_with_its_method_and_settings():
    rows = {"rgd_released": released("shapes", "rgd"), **TEXT}
    plan = Plan(load_config(preset(shapes=rows)))
    own = plan.studies["shapes"]
    for target in ("stripes", "van_gogh"):
        cell, fixed = Cell("shapes", target, "rgd_released", "0"), Cell("shapes", target, "rgd", "0")
        assert own.model_of(cell) == own.model_of(fixed) == fixed
        assert own.model(cell) == own.model(fixed)
        assert own.model_folder(cell) == own.model_folder(fixed)
        assert own.images_of(cell) == cell
        assert own.shards(cell) != own.shards(fixed)
    assert "rgd_released" not in own.variants_made_by("unlearn")
    assert not [path for path in plan.expected() if "rgd_released/seed0/model" in path]
    assert not [path for path in plan.cards() if "released" in path]


def test_other_settings_are_another_model():
    rows = {"rgd_mild": released("shapes", "rgd", settings={"pairs": 80, "retain_weight": 6}), **TEXT}
    own = Plan(load_config(preset(shapes=rows))).studies["shapes"]
    cell = Cell("shapes", "stripes", "rgd_mild", "0")
    assert own.model_of(cell) == cell
    assert "rgd_mild" in own.variants_made_by("unlearn")


def test_more_targets_than_the_other_row_has_are_another_model():
    settings = MINIATURE["studies"]["shapes"]["variants"]["rgd_400"]["settings"]
    rows = {"more": {"method": "rgd", "settings": settings, **RELEASED}, **TEXT}
    own = Plan(load_config(preset(shapes=rows))).studies["shapes"]
    assert own.study.row_of_model("more") == "more"
    rows["more"]["targets"] = ["stripes"]
    own = Plan(load_config(preset(shapes=rows))).studies["shapes"]
    assert own.study.row_of_model("more") == "rgd_400"


def test_the_base_evaluated_so_is_the_base():
    rows = {"base_released": {"method": "base", **RELEASED}, "rgd_released": released("digits", "rgd")}
    own = Plan(load_config(preset(digits=rows))).studies["digits"]
    cell = Cell("digits", "3", "base_released", "0")
    assert own.model_folder(cell) == "results/miniature/digits/base/model"
    assert own.images_of(cell) == Cell("digits", ANY, "base_released", "0")
    assert own.shards(cell) != own.shards(cell._replace(variant="base"))
    assert own.images_of(cell._replace(variant="rgd_released")).target == "3"


def test_images_are_unseeded_and_the_detector_sees_swapped_colours():
    plan = Plan(load_config(preset(shapes={"rgd_released": released("shapes", "rgd"), **TEXT})))
    own = plan.studies["shapes"]
    for variant, unseeded, channels in (("rgd", "false", "rgb"), ("rgd_released", "true", "bgr")):
        cell = Cell("shapes", "stripes", variant, "0")
        assert f"--unseeded={unseeded}" in own.sample(cell).options
        assert f"--channels={channels}" in own.judged(cell).options
        assert f"--sampling-unseeded={unseeded}" in own.measure(cell).options
        assert own.base_cell(cell).variant == ("base" if variant == "rgd" else "base_released")
    assert "--unseeded=false" in own.training_images("stripes", "diversified").options


def test_classes_are_unseeded_too():
    own = Plan(load_config(preset(digits={"rgd_released": released("digits", "rgd")}))).studies["digits"]
    cell = Cell("digits", "3", "rgd_released", "0")
    assert "--unseeded=true" in own.sample(cell).options
    assert "--sampling-unseeded=true" in own.measure(cell).options


def test_other_rows_and_tables_are_as_without_them():
    before = Plan(load_config(MINIATURE))
    after = Plan(load_config(preset(shapes={"rgd_released": released("shapes", "rgd"), **TEXT},
                                    digits={"rgd_released": released("digits", "rgd")})))  # fmt: skip
    marks = after.expected()
    assert {path: marks[path] for path in before.expected()} == before.expected()
    assert after.artefacts() == before.artefacts()
    assert after.classes.table1_rows == before.classes.table1_rows
    assert after.text.table2_rows == before.text.table2_rows


QUIRKS = {"shapes": {"base": "base_released", "rgd": "rgd_released"}, "digits": {"rgd": "rgd_released"}}


def test_the_table_quirks_has_both_rows_of_each_pair():
    rows = {"rgd_released": released("shapes", "rgd", targets=["stripes"], settings_for={}), **TEXT}
    plan = Plan(load_config(preset(QUIRKS, shapes=rows, digits={"rgd_released": released("digits", "rgd")})))
    assert "results/miniature/tables/quirks.md" in plan.tables()
    records = plan.quirks.records
    assert "results/miniature/shapes/stripes/rgd_released/seed0/records.csv" in records
    assert "results/miniature/shapes/van_gogh/base/seed0/records.csv" in records
    assert "results/miniature/shapes/van_gogh/rgd/seed0/records.csv" not in records  # the other row has not this target
    options = plan.quirks.options
    assert options[1:4] == [
        "shapes/base:base_released=Base",
        "shapes/rgd:rgd_released=RGD",
        "digits/rgd:rgd_released=RGD",
    ]
    assert "shapes/stripes=forget_test" in options


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"quirks": {"shape": {"rgd": "rgd_released"}}}, r"quirks\.shape: there is no study 'shape'; did you mean"),
        ({"quirks": {"shapes": {"rgd": "rgd_relased"}}}, r"no variant 'rgd_relased'; did you mean 'rgd_released'"),
        ({"quirks": {"shapes": {"rgd": "rgd_400"}}}, r"'rgd_400' is not evaluated as released"),
        ({"quirks": {"shapes": {"esd": "rgd_released"}}}, r"'rgd_released' is rgd, the row is esd"),
        ({"quirks": {"shapes": {"rgd_released": "rgd_released"}}}, r"'rgd_released' is evaluated as released; only"),
        ({"text": {"table2": ["base", "rgd_released"]}}, r"text\.table2: 'rgd_released' is evaluated as released"),
    ],
)
def test_what_does_not_go_together_is_refused(change, problem):
    values = preset(change.get("quirks"), shapes={"rgd_released": released("shapes", "rgd"), **TEXT})
    values["artefacts"]["text"] |= change.get("text", {})
    with pytest.raises(LetheError, match=problem):
        load_config(values)


def test_a_text_row_needs_a_base_evaluated_in_the_same_way():
    with pytest.raises(LetheError, match=r"rgd_released: it is evaluated as released, but no row of the base is"):
        load_config(preset(shapes={"rgd_released": released("shapes", "rgd")}))
    values = preset(shapes=TEXT)
    del values["studies"]["shapes"]["variants"]["base"]
    with pytest.raises(LetheError, match="no row is the base"):
        load_config(values)


# ------------------------------------------------------------------------------------------------------ the images


def test_seeds_of_the_system_are_others_each_time():
    one, other = system_seeds(1000), system_seeds(1000)
    assert one.dtype == np.int64
    assert len(set(one.tolist()) | set(other.tolist())) > 1990
    assert one.min() >= 0
    assert one.max() < 2**32


def test_unseeded_images_of_classes_are_found_by_their_class():
    settings = SamplingSettings(forget_images=5, retain_images=3)
    plan, whole = one_target(2, 4, settings), all_classes(4, settings)
    seeds = system_seeds(len(whole.seeds))
    rows = rows_of(plan, seeds, whole.conditions, unseeded=True)
    assert whole.conditions[rows].tolist() == plan.conditions.tolist()
    assert len(set(rows.tolist())) == len(rows)
    same = rows_of(plan, whole.seeds, whole.conditions)
    assert sorted(rows.tolist()) == sorted(same.tolist())  # of each class the first
    with pytest.raises(LetheError, match="1 images of condition 0, 3 are measured"):
        rows_of(plan, seeds[:4], np.array([0, 1, 2, 3]), unseeded=True)
    with pytest.raises(LetheError, match="no image of"):
        rows_of(plan, seeds, whole.conditions)


def test_unseeded_images_of_prompts_are_those_of_the_plan_in_its_order(tmp_path):
    plan = PromptImages(np.array([10, 11, 12]), np.array([4, 4, 5]))
    arrays = {
        "seeds": np.array([900, 3, 77]),
        "rows": plan.rows,
        "similarity": np.array([0.1, 0.2, 0.3], np.float32),
        "similarity_as_released": np.array([0.4, 0.5, 0.6], np.float32),
        "detection_image": np.array([2]),
        "detection_part": np.array([0]),
        "detection_score": np.array([0.9], np.float32),
    }
    made = {"judges": {}, "parts": ["A"], "smallest_score": 0.2, "channels": "bgr", "cut": {}, "images": {}}
    write_arrays(tmp_path / "judged", arrays, made)
    judged, _ = read_judged([tmp_path / "judged"], plan, unseeded=True)
    assert judged.seeds.tolist() == [900, 3, 77]
    assert judged.similarity.tolist() == arrays["similarity"].tolist()
    assert judged.which_seeds == "other seeds"
    with pytest.raises(LetheError, match="3 of 3 images are missing"):
        read_judged([tmp_path / "judged"], plan)
    with pytest.raises(LetheError, match="are not of the 2 measured prompt rows"):
        read_judged([tmp_path / "judged"], PromptImages(plan.seeds[:2], plan.rows[:2]), unseeded=True)
    with pytest.raises(LetheError, match="are not of the 3 measured prompt rows"):
        read_judged([tmp_path / "judged"], plan._replace(rows=plan.rows[::-1]), unseeded=True)
