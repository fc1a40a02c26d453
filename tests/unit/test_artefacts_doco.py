"""Table doco: the numbers of its cells, where they end, and what third parties report."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from lethe.artefacts.__main__ import parser
from lethe.artefacts.reported import read_reported, reported_tables
from lethe.artefacts.typeset import NOTHING
from lethe.errors import LetheError
from lethe.record import Record, write_records

REPORTED = Path(__file__).resolve().parents[2] / "workflow/published/doco_reported.csv"
VALUES = {
    ("base", "forget_test", "CS"): [0.6],
    ("base", "forget_test", "CER"): [0.0],
    ("base", "retain_test", "CS"): [0.1],
    ("base", "retain_test", "CER"): [0.95],
    ("base", "neighbour_circle", "CS"): [0.7],
    ("base", "neighbour_circle", "FD_to_base"): [0.0],
    ("base", "neighbour_circle", "recognised_neighbour"): [1.0],
    ("base", "neighbour_bar", "CS"): [0.65],
    ("base", "neighbour_bar", "FD_to_base"): [0.0],
    ("base", "neighbour_bar", "recognised_neighbour"): [0.9],
    ("rgd", "forget_test", "CS"): [0.2, 0.3],
    ("rgd", "forget_test", "CER"): [0.8, 0.9],
    ("rgd", "neighbour_circle", "CS"): [0.5, 0.52],
    ("rgd", "neighbour_circle", "FD_to_base"): [30.0, 34.0],
    ("rgd", "neighbour_circle", "recognised_neighbour"): [0.4, 0.6],
    ("rgd", "neighbour_bar", "CS"): [0.6, 0.6],
    ("rgd", "neighbour_bar", "FD_to_base"): [20.0, 20.0],
    ("rgd", "neighbour_bar", "recognised_neighbour"): [0.7, 0.9],
    ("esd", "forget_test", "CS"): [0.22],
    ("esd", "forget_test", "CER"): [0.85],
    ("esd", "neighbour_circle", "CS"): [0.66],
}


def record(**given: Any) -> Record:
    """Only what matters is given."""
    values = {
        "preset": "smoke",
        "study": "shapes",
        "method": given.get("variant"),
        "seed": 0,
        "low": 0.0,
        "high": 1.0,
        "interval": "BCa",
        "n": 64,
        "control": None,
        "control_n": None,
        "reference": "",
        "judge": "a judge",
        "judge_sha256": "a" * 64,
        "features": "cosine",
        "sampler": "PNDM",
        "image_seeds": "0-9",
        "fingerprint": "",
    }
    return Record(**(values | given))


def records() -> list[Record]:
    return [
        record(
            variant=variant,
            target="ring",
            prompts=prompts,
            metric=metric,
            value=value,
            seed=seed,
            control=1.25 if metric == "FD_to_base" else None,
            control_n=32 if metric == "FD_to_base" else None,
        )
        for (variant, prompts, metric), values in VALUES.items()
        for seed, value in enumerate(values)
    ]


def made(folder: Path, *words: str, rows: list[Record] | None = None) -> tuple[list[dict[str, str]], str]:
    write_records(folder / "records.csv", records() if rows is None else rows)
    options = {
        "records": [folder / "records.csv"],
        "study": ["shapes"],
        "variants": ["base=the base", "rgd=RGD", "esd=ESD"],
        "targets": ["ring=a ring"],
        "neighbours": ["ring/circle=a circle", "ring/bar=bar"],
        "reported": [REPORTED],
        **{name: [folder / f"doco.{name}"] for name in ("csv", "markdown", "tex")},
    }
    given = [str(word) for name, values in options.items() for word in (f"--{name}", *values)]
    arguments = parser().parse_args(["doco", *given, *words])
    arguments.run(arguments)
    with (folder / "doco.csv").open(newline="") as stream:
        return list(csv.DictReader(stream)), (folder / "doco.markdown").read_text()


def line(page: str, title: str) -> list[str]:
    found = [text for text in page.splitlines() if re.match(rf"\| \**{re.escape(title)}\** \|", text)]
    return [cell.strip() for cell in found[0].strip("|").split("|")]


def test_cells_are_means_over_seeds_and_neighbours_stand_side_by_side(tmp_path):
    rows, page = made(tmp_path)
    assert line(page, "a ring")[1:] == ["", "", "", "*a circle*", "", "*bar*", "", ""]
    assert line(page, "the base")[1:] == ["1", "0.600", "0.000", "0.700", "0.000", "0.650", "0.000", "0.950"]
    found = [cell.strip("*") for cell in line(page, "RGD")]
    assert found[1:6] == ["2", "0.250 ± 0.071", "0.850 ± 0.071", "0.510 ± 0.014", "32.000 ± 2.828"]
    assert found[8] == "0.650"  # mean over neighbours of the mean over seeds: (0.5 + 0.8) / 2
    assert line(page, "ESD")[3:] == ["**0.850**", "**0.660**", NOTHING, NOTHING, NOTHING, NOTHING]
    by_key = {(row["variant"], row["prompts"], row["metric"]): row for row in rows}
    reported = [row for row in rows if row["role"] == "reported"]
    assert len(rows) - len(reported) == len([key for key in VALUES if key[1] != "retain_test"])
    assert all(row["formula"].startswith("as printed in ") and not row["records"] for row in reported)
    assert float(by_key["rgd", "forget_test", "CS"]["mean"]) == pytest.approx(0.25)
    assert by_key["rgd", "forget_test", "CS"]["low"] == ""
    assert by_key["base", "forget_test", "CS"]["interval"] == "BCa"


def test_the_best_of_the_methods_is_bold_and_no_control(tmp_path):
    page = made(tmp_path)[1]
    assert line(page, "ESD")[2] == "**0.220**"
    assert "**" not in "".join(line(page, "the base")[1:])
    # The better direction of a distance is down: RGD's are the only ones.
    assert line(page, "RGD")[7].startswith("**20.000")


def test_below_stands_where_the_numbers_end(tmp_path):
    page = made(tmp_path)[1]
    assert line(page, "base, prompts without the concept")[2:4] == ["*0.100*", "*0.950*"]
    assert line(page, "base, half the images against the other")[4:8] == [NOTHING, "*1.250*", NOTHING, "*1.250*"]


def test_a_target_with_fewer_neighbours_leaves_columns_empty(tmp_path):
    more = [r for r in records() if r.prompts in ("forget_test", "retain_test", "neighbour_bar")]
    both = records() + [record(**(vars(r) | {"target": "cross"})) for r in more]
    page = made(
        tmp_path, "--targets", "ring=a ring", "cross=a cross", "--neighbours", "ring/circle=a circle",
        "ring/bar=bar", "cross/bar=a bar", rows=both,
    )[1]  # fmt: skip
    lines = [text for text in page.splitlines() if text.startswith("| *the base* |")]
    cells = [cell.strip() for cell in lines[1].strip("|").split("|")]
    assert cells[1:] == ["1", "0.600", "0.000", "0.650", "0.000", "", "", "0.900"]


def test_what_others_report_is_printed_as_it_stands_and_named_as_theirs(tmp_path):
    page, tex = made(tmp_path)[1], (tmp_path / "doco.tex").read_text()
    assert "Reported by CASteer" in page
    assert "not by DoCo itself" in page
    found = line(page, "DoCo")
    assert found[1:] == ["49.1", "74.4", "31.1", "73.8", "21.6", "74.7", "14.5", "65.2", "10.1", "60.9", "5.6"]
    assert "not comparable with shapes" in page
    assert tex.count(r"\begin{table*}") == 4
    rows = read_reported(REPORTED)
    assert {row.source.split()[0] for row in rows} == {"CASteer", "f-DMU", "RECALL"}
    values = {(row.source.split()[0], row.method, row.concept, row.metric): row.value for row in rows}
    assert values["f-DMU", "DoCo", "Van Gogh", "CA"] == "0.9"
    assert values["RECALL", "DoCo", "attacked by UnlearnDiffAtk", "CLIP score"] == "31.18"
    assert len(values) == len(rows)
    for table in reported_tables(rows):
        widths = {len(cells) for block in table.blocks for cells in block}
        assert widths == {len(table.columns)} == {sum(group.span for group in table.groups)}


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--variants", "rgd=RGD"], "none of the rows rgd is the base"),
        (["--variants", "base=b", "rgb=RGB"], "no record of the variant 'rgb'"),
        (["--targets", "rings=r"], "neighbours ring/circle: not among the targets"),
        (["--neighbours", "circle=c"], "--neighbours circle: not target/name"),
        (["--neighbours", "ring/star=s"], "no row has a CS of ring on neighbour_star"),
        (["--reported", "nowhere.csv"], "nowhere.csv: no such file"),
    ],
)
def test_what_cannot_be_shown_is_refused(words, problem, tmp_path):
    with pytest.raises(LetheError, match=problem):
        made(tmp_path, *words)


def test_two_judges_in_one_column_are_refused(tmp_path):
    rows = records()
    rows[0] = record(**(vars(rows[0]) | {"judge_sha256": "f" * 64}))
    with pytest.raises(LetheError, match="CS of ring was judged in 2 ways"):
        made(tmp_path, rows=rows)
