"""The report of a whole run."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.workflow

REPORT = "results/smoke/report.html"


def test_report_is_a_target_of_the_workflow_and_shows_all_of_the_run(made):
    assert made.planned("report") == [f"report: {REPORT}"]
    made.run("report")
    text = (made.path / REPORT).read_text(encoding="utf-8")
    assert "are not there" not in text
    told = re.search(r"(\d+) of (\d+) results carry the fingerprint that this configuration and code give", text)
    assert told[1] == told[2] != "0"
    for name in ("table1", "table2", "table3", "table4", "table7", "table8", "doco", "outside"):
        assert f'id="table-{name}"' in text
    figures = {path.stem for path in (made.path / "results/smoke/figures").glob("*.png")}
    assert set(re.findall(r'<figure id="figure-(\w+)"', text)) == figures
    jobs = int(re.search(r'<th scope="row">all</th><td><button[^>]*>([\d,]+)</button>', text)[1].replace(",", ""))
    assert jobs == len(list((made.path / "results/smoke/benchmarks").rglob("*.jsonl")))
    assert made.planned("report") == []

    command = [sys.executable, "-m", "lethe.report", "--configfile", "workflow/presets/smoke.yaml", "--output", "again"]
    subprocess.run(command, cwd=made.path, env=made.environment, check=True)
    assert (made.path / "again").read_text(encoding="utf-8") == text

    made.edit("workflow/lethe/report/page/style.css", lambda style: style + "\n/* changed */\n")
    assert made.planned("report") == [f"report: {REPORT}"]
