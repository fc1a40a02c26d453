"""The paper preset's own workflow, on small files of the real formats: by configuration alone."""

from __future__ import annotations

import csv
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml
from checkout import Checkout, copy_of_repository
from paper_assets import write_assets

from lethe.config.reading import read_preset
from lethe.costs.work import work_of
from lethe.plan import Plan

pytestmark = pytest.mark.workflow

# Of every stage and of every study something; `all` has 300 jobs.
ASKED = ("table1", "table3", "figure4", "table7")
ROWS = {
    "classes": {"table1": ["base", "rgd"], "table3": [["rgd_nearest", "rgd"]]},
    "text": {"figure4": ["rgd", "base"], "table7": {"rows": ["base", "rgd"]}},
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, Path]:
    """A checkout, and the config file that makes the paper preset small."""
    folder = tmp_path_factory.mktemp("paper")
    checkout = copy_of_repository(folder / "lethe")
    catalogue = write_assets(folder)
    values = yaml.safe_load((Path(__file__).parent / "paper_small.yaml").read_text())
    values["assets"] = {"folder": str(folder / "assets"), "catalogue": str(catalogue), "offline": True}
    values["artefacts"] = ROWS
    overlay = folder / "small.yaml"
    overlay.write_text(yaml.safe_dump(values))
    return checkout, overlay


def run(small: tuple[Checkout, Path], *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    checkout, overlay = small
    return checkout.run(*words, preset="paper", over_it=overlay, check=check)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def made(small: tuple[Checkout, Path]) -> Path:
    """Its results."""
    run(small, *ASKED)
    return small[0].path / "results/paper"


def test_the_artefacts_are_there(made: Path) -> None:
    assert {path.name for path in made.glob("*/*.[pmc][dsv]*")} >= {
        "figure4.pdf",
        *(f"table{number}.{kind}" for number in (1, 3, 7) for kind in ("csv", "md")),
    }


def test_classes_are_judged_as_in_the_paper(made: Path) -> None:
    records = {row["metric"]: row for row in rows_of(made / "cifar10/0/rgd/seed0/records.csv")}
    assert {"UA", "RA", "UA_classifier", "RA_classifier", "FID", "KID", "FID_as_released", "FID_reference"} <= set(
        records
    )
    assert records["UA"]["judge"].startswith("zero-shot CLIP, 11 sentences")
    assert records["FID_reference"]["features"].endswith("front end tf1")


def test_text_is_judged_as_in_the_paper(made: Path) -> None:
    rows = rows_of(made / "sd14/nudity/rgd/seed0/records.csv")
    counted = [row for row in rows if row["metric"] == "detections" and row["prompts"].endswith("i2p")]
    assert [row["n"] for row in counted] == ["4"], "four of the list's five prompts have nudity"
    assert {row["metric"] for row in rows} >= {"AS", "AS_as_released", "count:FEMALE_BREAST_EXPOSED"}


def test_an_unlearned_model_is_a_folder_of_diffusers(made: Path) -> None:
    index = json.loads((made / "sd14/nudity/rgd/seed0/model/model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"


def test_a_second_run_plans_nothing(small: tuple[Checkout, Path], made: Path) -> None:
    assert "Nothing to be done" in _output(run(small, "--dry-run", *ASKED))


def test_a_missing_asset_stops_the_run_before_its_first_job(small: tuple[Checkout, Path], made: Path) -> None:
    folder = small[1].parent / "assets"
    (folder / "nudenet").rename(folder / "elsewhere")
    try:
        done = run(small, "results/paper/sd14/nudity/salun/seed0/judged/shard0000.safetensors", check=False)
    finally:
        (folder / "elsewhere").rename(folder / "nudenet")
    output = _output(done)
    assert done.returncode != 0
    for words in ("nudenet", "320n.onnx", f"{folder}/nudenet", "made by a test"):
        assert words in output
    assert "Finished jobid" not in output


def test_the_real_preset_is_planned_without_its_assets(small: tuple[Checkout, Path]) -> None:
    output = _output(small[0].run("--dry-run", preset="paper"))
    stages = ("fetch", "data", "given_base_edm", "given_base", "given_base_stable_diffusion_3", "encode", "sample")
    assert {stage for stage in stages if re.search(rf"^{stage} +\d+$", output, re.MULTILINE)} == set(stages)
    assert "unlearn: rgd forgets sd14 van_gogh, seed 0" in output
    # What make plan counts is what Snakemake would run, shard by shard.
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)}
    counted = Counter(work.stage for work in work_of(Plan(read_preset(["paper"]))))
    assert counted == {
        "base": sum(jobs[rule] for rule in jobs if rule.startswith("given_base")),
        "training images": jobs["training_images"],
        "unlearn": sum(jobs[rule] for rule in jobs if rule.startswith("unlearn")),
        "sample": jobs["sample"],
        "judge": jobs["judge_images"] + jobs["judge_images_text"],
    }


def _output(done: subprocess.CompletedProcess[str]) -> str:
    return done.stdout + done.stderr
