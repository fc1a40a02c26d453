"""Table 7: a flow model's detections and alignment, each number in its place beside the paper's of the same method."""

from __future__ import annotations

import argparse
import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lethe.artefacts import table7
from lethe.errors import LetheError
from lethe.record import Record, write_records

PUBLISHED = Path(__file__).resolve().parents[2] / "workflow/published/paper_values.csv"
PARTS = ("STRIPED_CIRCLE", "STRIPED_RING")
FOUND = {"base": (7, 30), "esd": (2, 1), "rgd": (0, 0)}
ALIGNED = {"base": (0.91, 0.87), "esd": (0.82, 0.81), "rgd": (0.905, 0.86)}
KEPT = {"base": 0.93, "esd": 0.5, "rgd": 0.25}


def records(variant: str, seed: int = 0, target: str = "stripes") -> list[Record]:
    def record(prompts: str, metric: str, value: float, judge: str) -> Record:
        return Record(
            *(
                "miniature",
                "shapes3",
                target,
                variant,
                variant,
                seed,
                metric,
                prompts,
                value,
                value - 0.01,
                value + 0.02,
            ),
            *("BCa", 48, None, None, "", judge, judge[0] * 64, "score > 0.6", "Euler, 25 steps", "0-9", ""),
        )

    found = [part + seed for part in FOUND[variant]]
    return [
        *(record(f"retain_{s}", "AS", v, "clip") for s, v in zip(("train", "test"), ALIGNED[variant], strict=True)),
        *(record("forget_test", f"count:{p}", v, "detector") for p, v in zip(PARTS, found, strict=True)),
        record("forget_test", "detections", sum(found), "detector"),
        record("forget_test", "kept:all", KEPT[variant], "attributes"),
        # Of other images, so in no column.
        record("retain_test", "detections", 99, "detector"),
        record("forget_train", "count:STRIPED_CIRCLE", 98, "detector"),
    ]


Made = Callable[[Sequence[Record]], tuple[dict[str, list[str]], list[dict[str, str]], str]]


@pytest.fixture
def made(tmp_path) -> Made:
    """The rows of the Markdown table by title, the lines of the csv, and all of the Markdown."""

    def make(rows: Sequence[Record], *more: str) -> tuple[dict[str, list[str]], list[dict[str, str]], str]:
        write_records(tmp_path / "records.csv", rows)
        parser = argparse.ArgumentParser()
        table7.add_arguments(parser)
        words = ["--records", str(tmp_path / "records.csv"), "--study", "shapes3", "--target", "stripes=Stripes"]
        words += ["--variants", "base=Base", "esd=ESD", "rgd=RGD", "--published", str(PUBLISHED)]
        words += [word for kind in ("csv", "markdown", "tex") for word in (f"--{kind}", str(tmp_path / kind))]
        table7.main(parser.parse_args([*words, *more]))
        text = (tmp_path / "markdown").read_text()
        lines = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in text.splitlines() if "|" in line]
        with (tmp_path / "csv").open(newline="") as stream:
            return {line[0]: line[1:] for line in lines}, list(csv.DictReader(stream)), text

    return make


EVERY = [record for variant in FOUND for record in records(variant)]


def test_each_number_stands_in_its_place_beside_the_papers(made):
    table, _, text = made(EVERY)
    assert table["**Method**"][1:7] == [
        *("**circle**", "**ring**", "**all**", "**kept ↑**", r"**D\_r,train ↑**", r"**D\_r,test ↑**"),
    ]
    assert table["**Method**"][7:9] == ["**female genitalia**", "**buttocks**"]
    paper = ["0", "0", "2", "10", "0", "4", "6", "0.335", "0.332"]
    assert table["ESD"] == ["1", "2", "1", "3", "0.500", "0.820", "0.810", *paper]
    assert table["*Base*"] == [
        *("1", "7", "30", "37", "0.930", "0.910", "0.870"),
        *("0", "1", "9", "69", "4", "58", "46", "0.364", "0.371"),
    ]
    assert "They are not comparable with those of shapes3." in text
    assert "not comparable" not in made(EVERY, "--comparable")[2]


def test_csv_has_one_line_for_each_number(made):
    _, lines, _ = made(EVERY)
    by = {(line["variant"], line["prompts"], line["metric"]): line for line in lines}
    assert len(by) == len(lines) == 3 * (6 + 7)
    aligned = by["rgd", "retain_train", "AS"]
    assert (aligned["mean"], aligned["low"], aligned["published_value"]) == ("0.905", "0.895", "0.362")
    assert aligned["published_is_comparable"] == "False"
    assert by["esd", "forget_test", "count:STRIPED_RING"]["published_value"] == ""
    assert by["base", "", "count:BELLY_EXPOSED"]["published_value"] == "69.0"
    assert by["base", "", "count:BELLY_EXPOSED"]["mean"] == ""


def test_several_seeds_are_averaged(made):
    table, lines, _ = made([*EVERY, *records("rgd", seed=1)])
    assert table["RGD"][:4] == ["2", "0.5", "0.5", "1"]
    assert table["RGD"][4] == "0.250 ± 0.000"
    (line,) = [line for line in lines if (line["variant"], line["metric"]) == ("rgd", "detections")]
    assert (line["n_seeds"], line["low"]) == ("2", "")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([record for record in EVERY if record.variant != "esd"], "no record of detections for the variant 'esd'"),
        ([r for r in EVERY if (r.variant, r.metric) != ("esd", "AS")], "no record of AS on retain_train for esd"),
        ([dataclasses.replace(r, target="dots") for r in EVERY], "--target stripes"),
        ([dataclasses.replace(r, judge=f"{r.judge} {r.variant}") for r in EVERY], "judged in 3 ways"),
    ],
)
def test_what_does_not_belong_together_is_refused(made, rows, problem):
    with pytest.raises(LetheError, match=problem):
        made(rows)


def test_other_targets_change_nothing(made):
    assert made([*EVERY, *records("esd", target="dots")]) == made(EVERY)


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        (("STRIPED_CIRCLE", "STRIPED_RING"), ["circle", "ring"]),
        (("BELLY_EXPOSED", "MALE_BREAST_EXPOSED"), ["belly", "male breast"]),
        (("FACE", "FACE_COVERED"), ["face", "face covered"]),
        (("RING",), ["ring"]),
    ],
)
def test_names_of_parts_lose_what_all_share(parts, names):
    assert table7.short(parts) == names


LISTED = [dataclasses.replace(r, prompts="listed_i2p", value=10 * r.value) for r in EVERY if r.prompts == "forget_test"]


def test_detections_are_counted_on_the_set_that_is_asked_for(made):
    rows = [*EVERY, *(r for r in LISTED if r.metric != "kept:all")]
    table, lines, text = made(rows, "--set", "listed_i2p")
    assert table["*Base*"][:5] == ["1", "70", "300", "370", "0.930"]
    assert "detections by part, I2P" in text
    assert {line["prompts"] for line in lines if line["metric"] == "detections"} == {"listed_i2p"}


def test_without_an_attribute_judge_there_is_no_such_column(made):
    table, lines, text = made([record for record in EVERY if record.metric != "kept:all"])
    assert table["ESD"][:6] == ["1", "2", "1", "3", "0.820", "0.810"]
    assert "kept" not in text
    assert not [line for line in lines if line["metric"] == "kept:all"]


def test_the_papers_parts_stand_beside_ours_of_the_same_name(made):
    named = {"count:STRIPED_CIRCLE": "count:BELLY_EXPOSED", "count:STRIPED_RING": "count:ARMPITS_EXPOSED"}
    rows = [dataclasses.replace(record, metric=named.get(record.metric, record.metric)) for record in EVERY]
    _, lines, _ = made(rows)
    (line,) = [x for x in lines if (x["variant"], x["metric"]) == ("base", "count:BELLY_EXPOSED")]
    assert (line["mean"], line["published_value"], line["prompts"]) == ("7.0", "69.0", "forget_test")
