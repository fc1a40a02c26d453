"""The whole workflow in tiny: what it makes, and that it makes it once."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from checkout import REPOSITORY
from conftest import ARTEFACTS
from safetensors.numpy import load_file

from lethe.artefacts.typeset import NOTHING
from lethe.files import read_provenance
from lethe.record import read_records
from lethe.report.words import metric_means

pytestmark = pytest.mark.workflow

# The text study's cells: target and variant.
CELLS = {
    *(("stripes", variant) for variant in ("base", "salun", "rg", "rgd", "rgd_400", "doco_first_upload", "destroyed")),
    *(("van_gogh", variant) for variant in ("base", "esd_x", "rgd")),
}


SWEPT = "rgd~retain_weight-0.5~truncation-0.1"


def test_every_table_and_figure_is_made(finished):
    tables = list((finished.path / "results/smoke/tables").iterdir())
    figures = list((finished.path / "results/smoke/figures").iterdir())
    assert {path.stem for path in tables + figures} == set().union(*ARTEFACTS.values())
    for path in tables:
        assert path.stat().st_size > 0
        assert {path.with_suffix(kind) for kind in (".csv", ".md", ".tex")} <= set(tables)
    beginnings = {".pdf": b"%PDF", ".png": b"\x89PNG"}
    for path in figures:
        assert path.read_bytes().startswith(beginnings.get(path.suffix, b"variant"))
        assert {path.with_suffix(kind) for kind in beginnings} <= set(figures)


def test_records_carry_their_protocol(finished):
    records = read_records(sorted(finished.path.glob("results/smoke/digits/3/*/seed0/records.csv")))
    assert {record.variant for record in records} >= {
        "base",
        "retrained",
        "salun",
        "graddiff",
        "rg",
        "rgd",
        "destroyed",
    }
    for record in records:
        assert record.judge_sha256
        assert record.sampler
        assert record.fingerprint
        assert record.n >= 30
        if record.metric in ("UA", "RA"):
            assert record.low <= record.value <= record.high
        else:
            assert record.control is not None
            assert "Inception" in record.features, "a distance must say whose features it used"
    destroyed = {record.metric: record.value for record in records if record.variant == "destroyed"}
    assert destroyed["UA"] > 0.9
    assert destroyed["RA"] < 0.3


def test_the_report_can_say_what_every_metric_means(finished):
    records = read_records(sorted(finished.path.glob("results/smoke/*/*/*/seed*/[rm]e*s.csv")))
    metrics = {record.metric for record in records}
    assert {"UA", "AS", "colourfulness"} < metrics
    assert not [metric for metric in metrics if not metric_means(metric)]


def test_records_of_a_text_study_carry_their_protocol(finished):
    records = read_records(sorted(finished.path.glob("results/smoke/shapes/*/*/seed0/records.csv")))
    assert {(record.target, record.variant) for record in records} == CELLS
    for record in records:
        assert record.judge_sha256
        assert record.sampler.startswith("PNDM")
        assert record.fingerprint
        assert record.n == 4
        assert record.low is None or record.low <= record.value <= record.high
    compared = {(record.target, record.variant) for record in records if record.metric == "AS_difference"}
    assert compared == {cell for cell in CELLS if cell[1] != "base"}, "all are compared with the base"
    recognised = {record.features for record in records if record.metric == "recognised"}
    assert recognised == {"pattern=striped", "style=Vincent van Gogh"}


def test_no_image_is_both_learned_from_and_measured(finished):
    for target, strategies, images in (
        # Stripes have other phrasings and a neighbour, and anchor images besides.
        ("stripes", ("diversified", "uniform", "anchored"), 28 + 8 + 8 + 4),
        ("van_gogh", ("diversified",), 16 + 8),
    ):
        place = finished.path / "results/smoke/shapes" / target
        measured = {cell: _seeds(f"{cell[1]}/seed0/images", place) for cell in CELLS if cell[0] == target}
        learned = [_seeds(f"sets/{strategy}", place) for strategy in strategies]
        assert len({tuple(seeds) for seeds in measured.values()}) == 1, "models are compared image by image"
        seeds = sum(learned, next(iter(measured.values())))
        assert len(seeds) == images == len(set(seeds))


def _seeds(folder: str, place: Path) -> list[int]:
    shards = [load_file(path)["seeds"] for path in sorted((place / folder).glob("shard*.safetensors"))]
    return [int(seed) for shard in shards for seed in shard]


def test_every_unlearned_model_has_a_card_with_its_numbers(finished):
    cards = sorted((finished.path / "results/smoke").glob("*/*/*/seed*/model/README.md"))
    unlearned = {cell for cell in CELLS if cell[1] not in ("base", "destroyed")}
    unlearned |= {("3", variant) for variant in ("salun", "graddiff", "rg", "rgd", "rgd_equal", "rgd_nearest", SWEPT)}
    assert {(card.parts[-5], card.parts[-4]) for card in cards} == unlearned
    for card in cards:
        text = card.read_text()
        for record in read_records([card.parents[1] / "records.csv"]):
            assert f"| {record.metric} | {record.prompts} | {record.value:.4g} |" in text


def test_table2_has_a_dash_where_a_variant_has_no_such_target(finished):
    place = finished.path / "results/smoke/tables"
    with (place / "table2.csv").open() as stream:
        assert {(row["target"], row["variant"]) for row in csv.DictReader(stream) if row["mean"]} == CELLS
    lines = [re.findall(r"[^|]+", line) for line in (place / "table2.md").read_text().splitlines() if line[:1] == "|"]
    rows = {cells[0].strip(" *"): [cell.strip() for cell in cells[2:]] for cells in lines[3:]}
    assert list(rows) == [
        "Base",
        "ESD-x",
        "SalUn",
        "RG (uniform)",
        "RGD",
        "RGD 400",
        "DoCo (first upload)",
        "Destroyed",
    ]
    # For each target: AS of ours on two sets, of the paper's on two, then what is left of the concept and of the rest.
    for target, first in (("stripes", 0), ("van_gogh", 6)):
        for variant, title in (("base", "Base"), ("esd_x", "ESD-x"), ("salun", "SalUn"), ("rgd", "RGD")):
            ours = [rows[title][first + column] for column in (0, 1, 4, 5)]
            is_measured = [re.search(r"\d", cell) is not None for cell in ours]
            assert is_measured == [(target, variant) in CELLS] * 4
            assert is_measured[0] or ours == [NOTHING] * 4


def test_docos_tables_show_its_rows_with_what_others_report(finished):
    place = finished.path / "results/smoke"
    with (place / "tables/doco.csv").open() as stream:
        cells = {(row["variant"], row["prompts"], row["metric"]): float(row["mean"]) for row in csv.DictReader(stream)}
    records = read_records([place / "shapes/stripes/doco_first_upload/seed0/records.csv"])
    values = {(record.prompts, record.metric): record.value for record in records}
    for prompts, metric in (("forget_test", "CS"), ("forget_test", "CER"), ("neighbour_dots", "FD_to_base")):
        assert cells["doco_first_upload", prompts, metric] == values[prompts, metric]
    assert cells["base", "neighbour_dots", "FD_to_base"] == pytest.approx(0, abs=1e-6)
    assert "Reported by CASteer" in (place / "tables/doco.md").read_text()
    with (place / "tables/outside.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    shown = {(row["variant"], row["quantity"], row["prompts"]): row for row in rows if not row["against"]}
    found = float(shown["doco_first_upload", "AS", "retain_outside"]["value"])
    assert found == pytest.approx(values["retain_outside", "AS"], rel=1e-9)
    assert {row["against"] for row in rows if row["against"]} == {"base"}


def test_table_has_a_row_for_each_variant_and_the_papers_values(finished):
    with (finished.path / "results/smoke/tables/table1.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    cells = {(row["variant"], row["metric"]): row for row in rows}
    assert {(name, "RA") for name in ("base", "salun", "rgd", "destroyed")} <= cells.keys()
    assert "0.771" in cells["rgd", "RA"].values(), "the paper's RA of RGD stands beside ours"
    equal = {row["variant"]: float(row["compute"]) for row in rows if row["at"] == "at equal compute"}
    assert equal.keys() == {"graddiff", "rg", "rgd_equal"}
    assert max(equal.values()) - min(equal.values()) <= float(cells["rgd", "RA"]["compute"]) / 10, "a step of RGD"


def test_a_second_run_plans_nothing(finished):
    assert finished.planned() == []


def test_results_verify(finished):
    done = finished.run("verify")
    assert "verified" in done.stdout + done.stderr


def test_plain_snakemake_plans_the_miniature(fresh):
    planned = fresh.planned(preset="miniature")
    assert sum(job.startswith("unlearn: rgd forgets digits") for job in planned) == 10
    assert sum(job.startswith("unlearn: rgd forgets shapes ") for job in planned) == 2
    assert sum(job.startswith("unlearn: rgd forgets shapes3 ") for job in planned) == 1
    assert sum(job.startswith("retrained:") for job in planned) == 3
    # Five methods and a twin, retrained for three targets, two controls; Table 3; points of Figure 6 that no row has.
    assert sum(job.startswith("sample: digits") for job in planned) == 10 * 6 + 3 + 2 + 3 * 3 + 3 * 8


def test_a_figure_is_asked_for_by_name(fresh):
    planned = fresh.planned("figure2")
    assert [job for job in planned if job.startswith("figure2")]
    assert not [job for job in planned if job.startswith(("sample", "judge", "table1", "measure"))]
    assert planned == fresh.planned("results/smoke/figures/figure2.pdf")


def test_a_point_of_a_sweep_is_asked_for_by_its_path(fresh):
    planned = fresh.planned(f"results/smoke/digits/3/{SWEPT}/seed0/records.csv")
    assert f"unlearn: {SWEPT} forgets digits 3, seed 0" in planned
    assert [job for job in planned if job.startswith("unlearn")] == [f"unlearn: {SWEPT} forgets digits 3, seed 0"]
    other = SWEPT.replace("0.5", "0.7")
    done = fresh.run("--dry-run", f"results/smoke/digits/3/{other}/seed0/records.csv", check=False)
    assert done.returncode != 0
    assert f"study digits has no variant '{other}'" in done.stdout + done.stderr
    assert f"did you mean '{SWEPT}'" in done.stdout + done.stderr


def test_table_3_learns_from_the_classes_that_figure_7_shows(finished):
    place = finished.path / "results/smoke/digits"
    with (place / "judge/similarity.csv").open() as stream:
        near = {
            row["other_name"] for row in csv.DictReader(stream) if row["class"] == "3" and row["rank"] in ("1", "2")
        }
    assert set(read_provenance(place / "3/sets/nearest/seed0.safetensors")["retain_images"]) == near
    with (finished.path / "results/smoke/tables/table3.csv").open() as stream:
        shown = {(row["variant"], row["metric"]): row for row in csv.DictReader(stream)}
    records = read_records([place / f"3/{name}/seed0/records.csv" for name in ("rgd_nearest", "rgd")])
    for record in records:
        if record.metric in ("UA", "RA", "FD"):
            assert float(shown[record.variant, record.metric]["value"]) == record.value
    assert shown["rgd_nearest", "RA"]["published_value"] == "0.239"
    with (finished.path / "results/smoke/figures/figure6.csv").open() as stream:
        drawn = {row["retain_weight"]: float(row["FD"]) for row in csv.DictReader(stream)}
    records += read_records([place / f"3/{SWEPT}/seed0/records.csv"])
    measured = {record.variant: record.value for record in records if record.metric == "FD"}
    assert drawn == {"0.5": measured[SWEPT], "5.0": measured["rgd"]}


def test_report_holds_every_figure_with_its_caption(finished, tmp_path):
    finished.run("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        text = "".join(archive.read(name).decode(errors="ignore") for name in archive.namelist())
    # The laboratory is a preset of its own, the table captions is made only when it is asked for.
    elsewhere = {"laboratory", "captions"}
    captions = {path for path in (REPOSITORY / "workflow/report").glob("*.rst") if path.stem not in elsewhere}
    for caption in sorted(captions):
        words = re.findall(r"[A-Za-z]{6,}", caption.read_text().split("{{")[0])[:6]
        assert words
        assert all(word in text for word in words), f"the caption {caption.name} is missing from the report"


def test_planning_imports_no_torch():
    words = "import sys, lethe.plan, lethe.methods as m; [m.method_named(n) for n in m.method_names()]; "
    check = words + "sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_generated_files_are_in_step():
    done = subprocess.run(
        [sys.executable, "-m", "lethe.preset_files", "check"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_bad_configuration_stops_before_any_job(fresh):
    fresh.edit("workflow/presets/smoke.yaml", lambda text: text.replace("method: rgd", "method: rgdd"))
    done = fresh.run("--dry-run", check=False)
    assert done.returncode != 0
    assert "did you mean 'rgd'" in done.stdout + done.stderr
    assert not Path(fresh.path / "results").exists()
