"""The whole workflow in tiny: what it makes, and that it makes it once."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import REPOSITORY

from lethe.record import read_records

pytestmark = pytest.mark.workflow


def test_every_table_and_figure_is_made(finished):
    results = finished.path / "results/smoke"
    for name in ("table1", "paired"):
        for kind in ("csv", "md", "tex"):
            assert (results / f"tables/{name}.{kind}").stat().st_size > 0
    for name in ("figure2", "trajectory", "samples"):
        assert (results / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (results / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")


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


def test_table_has_a_row_for_each_variant_and_the_papers_values(finished):
    with (finished.path / "results/smoke/tables/table1.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    cells = {(row["variant"], row["metric"]): row for row in rows}
    assert {(name, "RA") for name in ("base", "salun", "rgd", "destroyed")} <= cells.keys()
    assert "0.771" in cells["rgd", "RA"].values(), "the paper's RA of RGD stands beside ours"


def test_a_second_run_plans_nothing(finished):
    assert finished.planned() == []


def test_results_verify(finished):
    done = finished.run("verify")
    assert "verified" in done.stdout + done.stderr


def test_plain_snakemake_plans_the_miniature(fresh):
    planned = fresh.planned(preset="miniature")
    assert sum(job.startswith("unlearn: rgd") for job in planned) == 10
    assert sum(job.startswith("retrained:") for job in planned) == 3
    assert sum(job.startswith("sample:") for job in planned) == 10 * 5 + 3 + 2


def test_a_figure_is_asked_for_by_name(fresh):
    planned = fresh.planned("figure2")
    assert [job for job in planned if job.startswith("figure2")]
    assert not [job for job in planned if job.startswith(("sample", "judge", "table1", "measure"))]
    assert planned == fresh.planned("results/smoke/figures/figure2.pdf")


def test_report_holds_every_figure_with_its_caption(finished, tmp_path):
    finished.run("--report", str(tmp_path / "report.zip"))
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        text = "".join(archive.read(name).decode(errors="ignore") for name in archive.namelist())
    for caption in sorted((REPOSITORY / "workflow/report").glob("*.rst")):
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
