"""Rows whose models others have unlearned, in the configuration: what is planned of them, and what is refused."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lethe.config import load_config
from lethe.config.reading import read_preset
from lethe.errors import LetheError
from lethe.plan import Plan
from lethe.plan.study import Cell

TOP = Path(__file__).parents[2]
MINIATURE = yaml.safe_load((TOP / "config.yaml").read_text())


def folder_of(place: Path, kind: str, name: str = "model_index.json") -> Path:
    """A folder that says what it is, and has weights."""
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text(json.dumps({"_class_name": kind}))
    (place / "diffusion_pytorch_model.safetensors").touch()
    return place


@pytest.fixture
def theirs(tmp_path) -> Path:
    for target in ("stripes", "van_gogh"):
        folder_of(tmp_path / "theirs" / target, "StableDiffusionPipeline")
    return tmp_path / "theirs"


def plan_of(study: str = "shapes", **row: Any) -> Plan:
    values = copy.deepcopy(MINIATURE)
    values["studies"][study]["variants"]["theirs"] = row
    return Plan(load_config(values))


def test_a_model_for_each_target(theirs):
    plan = plan_of(given=f"{theirs}/{{target}}")
    shapes = plan.studies["shapes"]
    cells = [Cell("shapes", target, "theirs", "0") for target in ("stripes", "van_gogh")]
    assert shapes.imported == cells
    assert [shapes.import_place(cell).path for cell in cells] == [f"{theirs}/stripes", f"{theirs}/van_gogh"]
    job = shapes.imported_model(cells[0])
    folder = f"{theirs}/stripes"
    assert job.options == f"--source={folder} --name={folder} --seed 0 --weights=live --partial=false"
    files = ("diffusion_pytorch_model.safetensors", "model_index.json")
    assert shapes.import_files(cells[0]) == tuple(f"{folder}/{name}" for name in files)
    assert shapes.import_assets(cells[0]) == ()
    assert shapes.variants_made_by("import") == ["theirs"]
    assert "theirs" not in shapes.variants_made_by("unlearn")


def test_it_is_measured_as_every_row_and_costs_nothing(theirs):
    plan = plan_of(given=f"{theirs}/{{target}}")
    shapes = plan.studies["shapes"]
    own = {path: mark for path, mark in plan.expected().items() if "/theirs/" in path}
    for target in ("stripes", "van_gogh"):
        place = f"results/miniature/shapes/{target}/theirs/seed0"
        files = (
            "model/unet/diffusion_pytorch_model.safetensors",
            "embeddings.safetensors",
            "judged/shard0000.safetensors",
        )
        assert {f"{place}/{name}" for name in files} <= own.keys()
        assert f"{place}/model/README.md" in plan.cards()
    assert "theirs" in plan.text.table2_rows
    assert "theirs" in plan.text.tradeoff_rows
    assert "theirs=theirs (imported)" in plan.text.tradeoff_options
    assert not any(cell.variant == "theirs" for cell in shapes.unlearned)
    assert not any("/theirs/" in path for path in plan.text.alignment_tables["table2"].costs)
    assert shapes.strategy_of(shapes.imported[0]) is None
    without = Plan(load_config(MINIATURE)).expected()
    assert {path: mark for path, mark in plan.expected().items() if "/theirs/" not in path} == without


def test_its_prompts_are_embedded_by_its_own_text_encoder(theirs):
    shapes = plan_of(given=f"{theirs}/{{target}}").studies["shapes"]
    (cell, _), base = shapes.imported, Cell("shapes", "stripes", "base", "0")
    assert shapes.embeddings_files(cell) == ["results/miniature/shapes/stripes/theirs/seed0/embeddings.safetensors"]
    assert shapes.embeddings_files(base) == ["results/miniature/shapes/stripes/embeddings.safetensors"]
    own, shared = shapes.embeddings("stripes", cell), shapes.embeddings("stripes")
    assert own.options == shared.options
    assert own.fingerprint != shared.fingerprint


def test_a_row_can_have_targets_seeds_and_settings_of_its_own(theirs, tmp_path):
    for seed in range(2):
        (tmp_path / f"esd_{seed}.pt").touch()
    values = copy.deepcopy(MINIATURE)
    study = values["studies"]["shapes"] | {"seeds": [0, 1]}
    row = {"given": f"{tmp_path}/esd_{{seed}}.pt", "targets": ["stripes"], "settings": {"partial": True}}
    study["variants"] = study["variants"] | {"theirs": row, "one": {"given": f"{theirs}/stripes", "title": "One"}}
    values["studies"]["shapes"] = study
    shapes = Plan(load_config(values)).studies["shapes"]
    places = {cell.name: shapes.import_place(cell).name for cell in shapes.imported}
    assert places == {
        "theirs/stripes/0": f"{tmp_path}/esd_0.pt",
        "theirs/stripes/1": f"{tmp_path}/esd_1.pt",
        "one/stripes/0": f"{theirs}/stripes",
        "one/van_gogh/0": f"{theirs}/stripes",
    }
    assert shapes.imported_model(Cell("shapes", "stripes", "theirs", "1")).options.endswith("--partial=true")
    assert shapes.study.title("one") == "One"


def test_a_download_is_an_asset_by_its_name():
    shapes = plan_of(given="sd14").studies["shapes"]
    assert shapes.import_files(shapes.imported[0]) == ()
    assert shapes.import_assets(shapes.imported[0]) == ("assets/sd14/manifest.json",)


def test_classes_have_rows_of_others_too(tmp_path):
    given = folder_of(tmp_path / "model", "UNet2DModel", "config.json")
    digits = plan_of("digits", given=str(given), targets=[3]).studies["digits"]
    (cell,) = digits.imported
    assert digits.imported_model(cell).options == f"--source={given} --name={given} --seed 0"
    assert digits.images_of(cell) == cell
    assert digits.embeddings_files(cell) == []


# ------------------------------------------------------------------------------------------------- before any job


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, r"variants\.theirs: method: there is none"),
        ({"method": "imported"}, r"variants\.theirs: method: there is none"),
        ({"given": "./x", "method": "rgd"}, r"given: \./x, but the row has the method rgd"),
        ({"given": "./{seed:03d}"}, r"has the slot \{seed\}; \{target\} and \{seed\} are filled as they are"),
        ({"given": "./a}b"}, r"variants\.theirs: given: \./a}b: Single '}' encountered"),
        ({"given": "./{concept}"}, r"has the slot \{concept\}; \{target\} and \{seed\} are filled"),
        ({"given": "./x", "targets": ["stripe"]}, r"'stripe' is no target of the study; did you mean 'stripes'"),
        ({"given": "./x", "settings": {"partal": True}}, r"imported has no such setting; did you mean 'partial'"),
        ({"given": "./x", "settings": {"weights": "mean"}}, r"settings\.weights: Input should be 'live' or 'ema'"),
    ],
)
def test_a_wrong_row_is_named(row, message):
    with pytest.raises(LetheError, match=message):
        plan_of(**row)


def test_rows_of_one_name_may_be_a_method_in_one_study_and_imported_in_another(theirs):
    values = copy.deepcopy(MINIATURE)
    values["studies"]["shapes"]["variants"]["theirs"] = {"given": f"{theirs}/{{target}}"}
    values["studies"]["shapes3"]["variants"]["theirs"] = values["studies"]["digits"]["variants"]["theirs"] = {
        "method": "salun"
    }
    plan = Plan(load_config(values))
    makers = {
        (stage, family): plan.studies_making(stage, family=family)
        for stage in ("unlearn", "import")
        for family in ("edm", "stable_diffusion", "stable_diffusion_3")
    }
    for path, maker in {
        "digits/3/theirs/seed0/model": ("unlearn", "edm"),
        "shapes/stripes/theirs/seed0/model": ("import", "stable_diffusion"),
        "shapes3/stripes/theirs/seed0/model": ("unlearn", "stable_diffusion_3"),
    }.items():
        assert [name for name, studies in makers.items() if re.match(studies, path)] == [maker]


def test_classes_have_no_settings_for_it():
    for key, value in {"settings": {"partial": True}, "settings_for": {3: {"partial": True}}}.items():
        with pytest.raises(LetheError, match=rf"variants\.theirs\.{key}: they are for models of text"):
            plan_of("digits", given="./x", **{key: value})


def test_what_is_no_model_of_the_study_is_named(theirs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder_of(tmp_path / "sd3", "StableDiffusion3Pipeline")
    folder_of(tmp_path / "part" / "unet", "UNet2DConditionModel", "config.json")
    (tmp_path / "esd.md").touch()
    for given, message in {
        "./missing": rf"\./missing: no such file or folder \({re.escape(str(tmp_path))}/missing\)",
        "./theirs/{target}s": r"\./theirs/stripess: no such file",
        "./sd3": r"sd3: a StableDiffusion3Pipeline, but the study's models are of StableDiffusionPipeline \(UNet2D",
        "./part": r"part: neither model_index\.json nor config\.json in it.*\n.*give part/unet",
        "./esd.md": r"esd\.md: not a file of weights\n.*\.safetensors, \.pt",
        "sd41": r"there is no asset 'sd41'",
    }.items():
        with pytest.raises(LetheError, match=message):
            plan_of(given=given)
    with pytest.raises(LetheError, match=r"a StableDiffusionPipeline, but the study's models are of UNet2DModel or"):
        plan_of("digits", given="./theirs/stripes")


# ---------------------------------------------------------------------------------------------------- evaluation alone


def documented(number: int) -> str:
    return re.findall(r"```yaml\n(.*?)```", (TOP / "docs/evaluate.md").read_text(), re.DOTALL)[number]


def test_the_documented_preset_unlearns_nothing(theirs, tmp_path):
    text = documented(0).replace("./their_folder", str(theirs / "stripes"))
    (tmp_path / "mine.yaml").write_text(text)
    plan = Plan(read_preset([str(tmp_path / "mine.yaml")]))
    assert plan.studies_making("unlearn") == "(?!)"
    names = {Path(path).stem for path in plan.artefacts()}
    assert {"table2", "tradeoff_text", "figure3", "figure4", "threshold", "README"} <= names
    assert "cost" not in names
    (study,) = plan.studies.values()
    assert [cell.variant for cell in study.cells()] == ["base", "theirs"]
    assert plan.expected()


def test_the_documented_overlay_of_the_miniature_adds_a_row(theirs, tmp_path):
    text = documented(1).replace("./their_folder", str(theirs / "stripes"))
    (tmp_path / "mine.yaml").write_text(text)
    plan = Plan(read_preset(["miniature", str(tmp_path / "mine.yaml")]))
    assert [cell.target for cell in plan.studies["shapes"].imported] == ["stripes"]
    assert plan.text.table2_rows == ["base", "theirs"]
    assert not plan.text.alignment_tables["table2"].costs


def test_classes_too_can_be_evaluated_alone(tmp_path):
    given = folder_of(tmp_path / "model", "UNet2DModel", "config.json")
    values = copy.deepcopy(MINIATURE)
    study = values["studies"]["digits"]
    rows = {"base": {"method": "base"}, "theirs": {"given": str(given)}}
    study |= {"targets": [3], "variants": rows, "sweeps": {}}
    values["studies"] = {"digits": study}
    values["artefacts"] = {"classes": {"study": "digits", "samples": ["base", "theirs"], "shown_target": 3}}
    plan = Plan(load_config(values))
    assert {Path(path).stem for path in plan.tables()} == {"table1"}
    assert {Path(path).stem for path in plan.figures()} == {"tradeoff", "figure7", "samples"}
    assert plan.studies_making("unlearn") == "(?!)"
