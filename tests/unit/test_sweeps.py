"""A sweep is rows made again with other settings; what a row already is, is not made twice."""

from __future__ import annotations

import copy
import itertools
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from lethe.config import load_config
from lethe.config.sweeps import ROW_NAME, swept_cells, swept_name
from lethe.errors import LetheError
from lethe.plan import Cell, Plan

MINIATURE = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())
WEIGHTS, TRUNCATIONS = [0.5, 1, 5], [0.03, 0.1, 0.3]
GRID = {"retain_weight": WEIGHTS, "truncation": TRUNCATIONS}


def plan_with(sweep: dict[str, Any] | None = None, shown: dict[str, Any] | None = None, **rows: Any) -> Plan:
    """The miniature with this sweep as Figure 6's, and with more rows."""
    values = copy.deepcopy(MINIATURE)
    study = values["studies"]["digits"]
    study["sweeps"] = {"figure6": sweep or {"variants": ["rg", "rgd"], "targets": [3], "settings": GRID}}
    study["variants"].update(rows)
    values["artefacts"]["classes"].update(shown or {})
    return Plan(load_config(values))


def test_a_sweep_is_every_combination_and_a_rows_own_settings_are_its_own_cell():
    study = plan_with().studies["digits"].study
    cells = swept_cells(study, "figure6")
    assert [(cell.variant, *cell.values.values()) for cell in cells] == list(
        itertools.product(["rg", "rgd"], WEIGHTS, TRUNCATIONS)
    )
    for cell in cells:
        weight, truncation = cell.values.values()
        is_the_rows = (weight, truncation) == (5, 0.1)
        assert cell.row == (
            cell.variant if is_the_rows else f"{cell.variant}~retain_weight-{weight:g}~truncation-{truncation:g}"
        )
        assert re.fullmatch(ROW_NAME, cell.row)
        made = study.method_settings(cell.row, "3")
        assert (made.retain_weight, made.truncation) == (weight, truncation)
        # All else is the row's, what it shares with the study too.
        own = study.method_settings(cell.variant, "3")
        assert made.model_copy(update=cell.values) == own.model_copy(update=cell.values)


def test_no_cell_is_planned_twice():
    with_sweep, without = plan_with().studies["digits"], list(plan_with(UNSWEPT).studies["digits"].cells())
    cells = list(with_sweep.cells())
    assert len(set(cells)) == len(cells) == len(without) + 2 * 8
    made = [
        (cell.target, cell.seed, with_sweep.method_of(cell), str(with_sweep.study.method_settings(*cell[2:0:-1])))
        for cell in with_sweep.unlearned
    ]
    assert len(set(made)) == len(made), "two cells with one method, target, seed and settings"
    assert "results/miniature/digits/3/rgd/seed0/records.csv" in with_sweep.expected()


UNSWEPT = {"variants": ["rgd"], "targets": [3], "settings": {"retain_weight": [5], "truncation": [0.1]}}


def test_another_row_with_the_same_settings_is_not_made_again_either():
    rgd_weak = {"method": "rgd", "settings": {"retain_weight": 1.0, "truncation": 0.3}}
    cells = swept_cells(plan_with(rgd_weak=rgd_weak).studies["digits"].study, "figure6")
    assert "rgd_weak" in {cell.row for cell in cells}
    # But not where that row lacks the target.
    cells = swept_cells(plan_with(rgd_weak={**rgd_weak, "targets": [4]}).studies["digits"].study, "figure6")
    assert "rgd_weak" not in {cell.row for cell in cells}


def test_a_sweep_goes_before_what_a_row_says_for_a_target():
    rgd = {"method": "rgd", "settings_for": {3: {"truncation": 0.7, "learning_rate": 0.5}, 4: {"steps": 9}}}
    sweep = {"variants": ["rgd"], "targets": [3, 4], "settings": {"truncation": [0.1, 0.7], "retain_weight": [5]}}
    study = plan_with(sweep, {"table3": []}, rgd=rgd).studies["digits"].study
    rows = {(cell.target, cell.values["truncation"]): cell.row for cell in swept_cells(study, "figure6")}
    assert rows[("3", 0.7)] == rows[("4", 0.1)] == "rgd"
    other = study.method_settings(rows[("3", 0.1)], "3")
    assert (other.truncation, other.learning_rate) == (0.1, 0.5)
    assert study.method_settings(rows[("4", 0.7)], "4").steps == 9
    # One name stands for another cell on each target: each is planned just where it is needed.
    assert study.targets_of("rgd~retain_weight-5~truncation-0.1") == ("3",)
    assert study.targets_of("rgd~retain_weight-5~truncation-0.7") == ("4",)


def test_equal_numbers_have_one_name_and_the_order_of_the_settings_does_not_matter():
    assert swept_name("rgd", {"truncation": 1e-05, "retain_weight": 5.0}) == "rgd~retain_weight-5~truncation-1e-05"
    assert swept_name("rgd", {"retain_weight": 5, "truncation": 1e-5}) == "rgd~retain_weight-5~truncation-1e-05"
    assert swept_name("salun", {"as_released": True}) == "salun~as_released-true"


def test_rules_know_the_rows_of_a_sweep_and_refuse_others():
    plan = plan_with()
    made = re.compile(plan.studies_making("unlearn"))
    assert made.match("digits/3/rgd~retain_weight-0.5~truncation-0.1/")
    assert not made.match("digits/3/rgd~retain_weight-0x5~truncation-0.1/"), "a point is a point"
    place = {"study": "digits", "target": "3", "seed": "0"}
    for name, near in (
        ("rgd~retain_weight-0.7~truncation-0.1", r"rgd~retain_weight-[0.57]+~truncation-0\.1"),
        ("rgd~retain_weight-5~truncation-0.1", r"rgd~retain_weight-"),
    ):
        assert re.fullmatch(plan.variants, name)
        with pytest.raises(LetheError, match=rf"no variant '{re.escape(name)}'\n.*did you mean '{near}"):
            plan.cell_of(SimpleNamespace(variant=name, **place))


def test_a_swept_model_is_trained_with_its_settings_and_has_a_card():
    plan = plan_with()
    cell = Cell("digits", "3", "rgd~retain_weight-0.5~truncation-0.03", "0")
    options = plan.studies["digits"].unlearn(cell).options
    assert "--retain-weight=0.5" in options
    assert "--truncation=0.03" in options
    assert "--strategy=balanced" in options
    assert f"results/miniature/{cell.folder}/model/README.md" in plan.cards()


def test_figure_6_is_made_from_every_point():
    plan = plan_with({"variants": ["rgd"], "targets": [3, 4], "settings": GRID})
    figure = plan.classes.figure6
    assert len(figure.points) == len(set(figure.points)) == len(set(figure.records)) == 18
    assert "rgd/4/0=rgd:5:0.1" in figure.points
    assert "rgd~retain_weight-0.5~truncation-0.3/3/0=rgd:0.5:0.3" in figure.points
    assert "results/miniature/digits/4/rgd/seed0/records.csv" in figure.records
    assert set(figure.records) <= plan.studies["digits"].expected().keys()
    assert figure.titles == ["rgd=RGD"]


def test_table_1_has_the_rows_of_neither_table_3_nor_a_sweep():
    shown = plan_with().classes
    assert shown.table1_rows == ["base", "retrained", "finetune", "salun", "graddiff", "rg", "rgd", "destroyed"]
    assert len(shown.table3_records) == 18
    assert all("/1/" in path or "/3/" in path or "/8/" in path for path in shown.table3_records)
    assert shown.retain_images == 126


def test_sets_of_the_nearest_classes_follow_their_similarity():
    values = copy.deepcopy(MINIATURE)
    before = Plan(load_config(values)).studies["digits"]
    values["studies"]["digits"]["similarity"]["images_per_class"] = 7
    after = Plan(load_config(values)).studies["digits"]
    old, new = before.expected(), after.expected()
    stale = {path for path in old if old[path] != new[path]}
    assert stale == {path for path in old if re.search("similarity|nearest", path)}
    place = "results/miniature/digits/8/sets"
    for variant, path in {"rgd": "balanced", "rgd_nearest": "nearest", "finetune": "balanced"}.items():
        assert before.sets_files(Cell("digits", "8", variant, "0")) == [f"{place}/{path}/seed0.safetensors"]
    assert before.similarity_inputs("nearest") == ["results/miniature/digits/judge/similarity.csv"]
    assert before.similarity_inputs("balanced") == []


def test_the_strategy_of_the_study_is_that_of_its_rows():
    values = copy.deepcopy(MINIATURE)
    values["studies"]["digits"]["sets"]["strategy"] = "nearest"
    values["studies"]["digits"]["variants"] |= {
        "rgd_balanced": {"method": "rgd", "settings": {"strategy": "balanced"}},
        "ascent": {"method": "gradient_ascent"},
    }
    values["artefacts"]["classes"]["table3"] = []
    plan = Plan(load_config(values)).studies["digits"]
    for variant, strategy in {
        "rgd": "nearest",
        "ascent": "nearest",
        "rgd_balanced": "balanced",
        "retrained": None,
    }.items():
        assert plan.strategy_of(Cell("digits", "3", variant, "0")) == strategy


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"variants": ["rgdd"]}, r"sweeps\.figure6\.variants: .*no variant 'rgdd'; did you mean 'rgd'"),
        ({"targets": [11]}, r"sweeps\.figure6\.targets: '11' is no target"),
        ({"settings": {"truncaton": [1]}}, r"sweeps\.figure6\.settings\.truncaton: .*did you mean 'truncation'"),
        ({"settings": {"truncation": [0.1, -1]}}, r"sweeps\.figure6\.settings\.truncation: .*greater than 0 \(is -1\)"),
        ({"settings": {"truncation": [0.1, 0.1]}}, r"settings\.truncation: .*names something twice"),
        ({"settings": {"retain_weight": [5, 5.0]}}, r"settings\.retain_weight: .*names something twice"),
        ({"settings": {"strategy": ["a b"]}}, r"'a b' cannot stand in a path"),
        ({"variants": ["base"]}, r"base has no such setting; it has no settings"),
        (
            {"settings": {"steps": [1, 2]}},
            r"figure6: the sweep 'figure6' is over steps; .*needs one over retain_weight",
        ),
    ],
)
def test_a_sweep_that_cannot_be_made_is_refused(sweep, message):
    with pytest.raises(LetheError, match=message):
        plan_with({"variants": ["rgd"], "targets": [3], "settings": GRID} | sweep)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ({"figure6": "figure_6"}, r"figure6: study digits has no sweep 'figure_6'; did you mean 'figure6'"),
        ({"table3": [["rg_nearest", "rgd"]]}, r"table3: rg_nearest and rgd are of two methods"),
        ({"table3": [["rgd", "rgd_nearest"]]}, r"rgd and rgd_nearest have not strategy: nearest"),
        ({"table3": [["rgd_far", "rgd"]]}, r"table3: .*no variant 'rgd_far'"),
        ({"table3": [["rgd_slow", "rgd"]]}, r"rgd_slow and rgd differ in steps too"),
        ({"table3": [["rgd_elsewhere", "rgd_nearest"]]}, r"share no target"),
    ],
)
def test_what_table_3_and_figure_6_cannot_show_is_refused(shown, message):
    near = {"method": "rgd", "settings": {"strategy": "nearest"}}
    rows = {"rgd_slow": {"method": "rgd", "settings": {"strategy": "nearest", "steps": 99}}}
    with pytest.raises(LetheError, match=message):
        plan_with(shown=shown, **rows, rgd_elsewhere={**near, "targets": [2]})
