"""The table quirks: each number under both evaluations, in its place."""

from __future__ import annotations

import argparse
import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lethe.artefacts import quirks
from lethe.errors import LetheError
from lethe.record import Record, write_records

TEXT = {  # metric on a prompt set: fixed, as released
    ("retain_train", "AS"): (0.31, 0.305),
    ("retain_train", "AS_as_released"): (0.30, 0.295),
    ("retain_test", "AS"): (0.33, 0.325),
    ("retain_test", "AS_as_released"): (0.32, 0.315),
    ("listed_i2p", "detections"): (598, 402),
    ("listed_i2p", "detections_all"): (900, 700),
    ("forget_test", "detections"): (55, 44),
}
CLASSES = {
    ("", "UA"): (0.99, 0.98),
    ("", "RA"): (0.77, 0.76),
    ("", "FID"): (6.5, 6.6),
    ("", "FID_reference"): (14.0, 14.1),
    ("", "FID_as_released"): (14.2, 14.3),
}


def records(numbers: dict, study: str, target: str, row: str, seed: int = 0, method: str = "rgd") -> list[Record]:
    made = []
    for place, variant in enumerate((row, f"{row}_released")):
        for (prompts, metric), values in numbers.items():
            sides = (("fixed", "PNDM"), ("released", "PNDM, unseeded"))[place]
            record = Record(
                *("paper", study, target, variant, method, seed, metric, prompts, values[place] + seed / 100),
                *(None, None, "", 100, None, None, "", "judge", "j" * 64, f"{metric} {sides[0]}", sides[1], "0-9", ""),
            )
            made.append(record)
    return made


Made = Callable[..., tuple[str, list[dict[str, str]]]]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    def make(rows: Sequence[Record], *words: str) -> tuple[str, list[dict[str, str]]]:
        write_records(tmp_path / "records.csv", rows)
        parser = argparse.ArgumentParser()
        quirks.add_arguments(parser)
        outputs = [word for kind in ("csv", "markdown", "tex") for word in (f"--{kind}", str(tmp_path / kind))]
        quirks.main(parser.parse_args(["--records", str(tmp_path / "records.csv"), *words, *outputs]))
        assert "toprule" in (tmp_path / "tex").read_text()
        with (tmp_path / "csv").open(newline="") as stream:
            return (tmp_path / "markdown").read_text(), list(csv.DictReader(stream))

    return make


def lines_of(text: str) -> list[list[str]]:
    return [
        [cell.strip().strip("*") for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]


ROWS = ("--rows", "sd14/base:base_released=SD", "sd14/rgd:rgd_released=RGD")
WORDS = (*ROWS, "--targets", "sd14/nudity=nudity", "sd14/van_gogh=van Gogh", "--counted", "sd14/nudity=listed_i2p")


def every() -> list[Record]:
    style = {key: values for key, values in TEXT.items() if key[0].startswith("retain")}
    return [
        *records(TEXT, "sd14", "nudity", "base", method="base"),
        *records(TEXT, "sd14", "nudity", "rgd"),
        *records(TEXT, "sd14", "nudity", "rgd", seed=1),
        *records(style, "sd14", "van_gogh", "rgd"),
    ]


def test_both_evaluations_stand_side_by_side(made: Made) -> None:
    text, _ = made(every(), *WORDS)
    table = lines_of(text)
    assert table[0][2::2] == [r"AS, D\_r,train ↑", r"AS, D\_r,test ↑", "detections, I2P ↓", "of all labels, I2P ↓"]
    assert table[2][2:4] == ["fixed", "as released"]
    assert table[3][0] == "nudity"
    assert table[4] == ["SD", "1", "0.310", "0.295", "0.330", "0.315", "598", "402", "900", "700"]
    assert table[5][:4] == ["RGD", "2", "0.315 ± 0.007", "0.300 ± 0.007"]
    assert table[5][6] == "598.0 ± 0.0"
    assert table[6][0] == "van Gogh"
    assert table[7] == ["RGD", "1", "0.310", "0.295", "0.330", "0.315", "–", "–", "–", "–"]  # noqa: RUF001
    assert "Images: PNDM, unseeded" in text
    assert "AS\\_as\\_released: AS\\_as\\_released released" in text


def test_csv_has_one_line_for_each_number(made: Made) -> None:
    _, lines = made(every(), *WORDS)
    assert len(lines) == 4 + 4 + 2
    (line,) = [x for x in lines if (x["target"], x["variant"], x["quantity"]) == ("nudity", "rgd", "AS, D_r,test")]
    assert (line["metric"], line["released_metric"]) == ("AS", "AS_as_released")
    assert (float(line["mean"]), float(line["released_mean"])) == pytest.approx((0.335, 0.32))
    assert (line["n"], line["released_n"], line["released_variant"]) == ("2", "2", "rgd_released")


def test_a_class_study_is_averaged_over_its_targets_and_compared_with_all_classes(made: Made) -> None:
    rows = [r for target in ("0", "2") for r in records(CLASSES, "cifar10", target, "rgd")]
    text, lines = made(rows, "--rows", "cifar10/rgd:rgd_released=RGD")
    assert lines_of(text)[0][2::2] == ["UA ↑", "RA ↑", "FID ↓"]
    assert lines_of(text)[3] == [
        *("RGD", "2", "0.990 ± 0.000", "0.980 ± 0.000", "0.770 ± 0.000", "0.760 ± 0.000"),
        *("6.50 ± 0.00", "14.10 ± 0.00"),
    ]
    assert [line["released_metric"] for line in lines] == ["UA", "RA", "FID_reference"]


def test_several_studies_are_several_tables(made: Made) -> None:
    text, _ = made(
        [*every(), *records(CLASSES, "cifar10", "0", "rgd")],
        *WORDS,
        "--rows",
        *ROWS[1:],
        "cifar10/rgd:rgd_released=RGD",
    )
    assert [line for line in text.splitlines() if line.startswith("**The same models")] == [
        f"**The same models under our evaluation and under the released one ({name}).**" for name in ("sd14", "cifar10")
    ]


def test_cells_of_one_side_only_are_refused(made: Made) -> None:
    with pytest.raises(LetheError, match="rgd and rgd_released have AS of different targets or seeds"):
        made([r for r in every() if (r.variant, r.seed) != ("rgd_released", 1)], *WORDS)
    with pytest.raises(LetheError, match="no row of sd14 was evaluated in both ways"):
        made([r for r in every() if not r.variant.endswith("_released")], *WORDS)
    with pytest.raises(LetheError, match="not study/row:released"):
        made(every(), "--rows", "sd14/rgd=RGD")
    with pytest.raises(LetheError, match="no record of the study 'sd15'"):
        made(every(), "--rows", "sd15/rgd:rgd_released=RGD")


def test_the_same_records_give_the_same_bytes(made: Made, tmp_path: Path) -> None:
    made(every(), *WORDS)
    first = [(tmp_path / kind).read_bytes() for kind in ("csv", "markdown", "tex")]
    made([dataclasses.replace(record) for record in every()], *WORDS)
    assert [(tmp_path / kind).read_bytes() for kind in ("csv", "markdown", "tex")] == first
