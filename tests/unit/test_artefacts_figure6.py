from __future__ import annotations

import csv
import dataclasses
import statistics
from pathlib import Path

import pytest
from matplotlib.colors import to_rgb

from lethe.artefacts import figure6
from lethe.artefacts.__main__ import parser
from lethe.artefacts.figure6 import draw, markers_of, measured, note_of, point_named
from lethe.artefacts.naming import CellName
from lethe.artefacts.style import colours_of, paper_style
from lethe.errors import LetheError
from lethe.record import Record, write_records

TITLES = {"rg": "RG", "rgd": "RGD"}
WEIGHTS, TRUNCATIONS = (0.5, 5.0), (0.03, 0.1, 0.3)
# What has not forgotten has a small distance.
NOT_FORGOTTEN = {("rg", 5.0, 0.03), ("rgd", 5.0, 0.03), ("rgd", 5.0, 0.1), ("rgd", 5.0, 0.3)}
GRID = [(v, w, t) for v in TITLES for w in WEIGHTS for t in TRUNCATIONS]


def cell(variant: str, weight: float, truncation: float) -> str:
    return (
        f"{variant}/3/0" if (weight, truncation) == (5.0, 0.1) else f"{variant}~retain_weight-{weight}~{truncation}/3/0"
    )


def values(variant: str, weight: float, truncation: float) -> dict[str, float]:
    if (variant, weight, truncation) in NOT_FORGOTTEN:
        return {"UA": 0.2, "RA": 0.99, "FD": 1.0 + truncation}
    return {"UA": 0.95, "RA": 0.9 - truncation / weight / 10, "FD": len(variant) * 3 + truncation * 10 / weight}


WORDS = [f"{cell(*point)}={point[0]}:{point[1]}:{point[2]}" for point in GRID]


def records() -> list[Record]:
    made = []
    for point in GRID:
        name, target, seed = cell(*point).split("/")
        for metric, number in values(*point).items():
            fixed = {"preset": "p", "study": "digits", "target": target, "seed": int(seed), "method": point[0]}
            blank = dict.fromkeys(("low", "high", "control", "control_n"))
            texts = dict.fromkeys(("prompts", "interval", "reference", "features", "sampler"), "")
            judged = {"judge": "j", "judge_sha256": "ab", "image_seeds": "0-9", "fingerprint": ""}
            made.append(Record(**fixed, **blank, **texts, **judged, variant=name, metric=metric, value=number, n=100))
    return made


def cells(forgotten: float = 0.9) -> list[figure6.Measured]:
    return measured([point_named(word) for word in WORDS], records(), forgotten)


def test_a_point_is_a_cell_with_its_row_lambda_and_alpha():
    point = point_named("rgd~retain_weight-0.5~truncation-1e-05/3/1=rgd:0.5:1e-05")
    assert point == ("rgd", 0.5, 1e-5, CellName("rgd~retain_weight-0.5~truncation-1e-05", "3", "1"))
    for word in ("rgd/3/0", "rgd/3/0=rgd:5", "rgd/3/0=rgd:5:x"):
        with pytest.raises(LetheError, match=r"not a point of the sweep\n.*row:lambda:alpha"):
            point_named(word)


def test_each_point_has_its_cells_values_and_says_whether_it_forgot():
    for point, found in zip(GRID, cells(), strict=True):
        assert found.values == values(*point)
        assert found.is_forgotten == (point not in NOT_FORGOTTEN)
    assert all(found.is_forgotten for found in cells(forgotten=0.2))
    assert not any(found.is_forgotten for found in cells(forgotten=0.96))


@pytest.mark.parametrize(("panel", "metric"), [(0, "FD"), (1, "RA")])
def test_boxes_are_of_what_forgot_and_points_are_of_all(panel, metric):
    with paper_style():
        axes = draw(cells(), TITLES, "note").axes[panel]
    colours = colours_of(list(TITLES))
    points = [line for line in axes.lines if line.get_marker() in markers_of(cells()).values()]
    assert len(points) == len(GRID)
    for line, point in zip(sorted_by_place(points), in_place(), strict=True):
        assert line.get_ydata()[0] == values(*point)[metric]
        hollow = line.get_markerfacecolor() == "white"
        assert hollow == (point in NOT_FORGOTTEN)
        assert to_rgb(line.get_markeredgecolor() if hollow else line.get_markerfacecolor()) == to_rgb(colours[point[0]])
        assert line.get_marker() == markers_of(cells())[point[2]]
    medians = sorted(line.get_ydata()[0] for line in axes.lines if line.get_linewidth() == 1.6)
    expected = []
    for variant in TITLES:
        for weight in WEIGHTS:
            own = [(variant, weight, t) for t in TRUNCATIONS if (variant, weight, t) not in NOT_FORGOTTEN]
            expected += [statistics.median(values(*point)[metric] for point in own)] if own else []
    assert len(expected) == 3, "RGD has forgotten nothing at lambda 5: no box"
    assert medians == pytest.approx(sorted(expected))


def in_place() -> list[tuple[str, float, float]]:
    """The points from left to right: by lambda, method and alpha."""
    return sorted(GRID, key=lambda point: (point[1], point[0], point[2]))


def sorted_by_place(lines: list) -> list:
    return sorted(lines, key=lambda line: line.get_xdata()[0])


def test_groups_are_named_by_lambda_and_far_distances_are_logarithmic():
    with paper_style():
        near, far = ([scaled(found, factor) for found in cells()] for factor in (0.5, 40))
        distance, accuracy = draw(near, TITLES, "note").axes
        wide = draw(far, TITLES, "note").axes[0]
    assert [tick.get_text() for tick in distance.get_xticklabels()] == ["0.5", "5"]
    assert (distance.get_yscale(), wide.get_yscale(), accuracy.get_yscale()) == ("linear", "log", "linear")
    assert wide.get_ylabel().endswith("(log)")


def scaled(found: figure6.Measured, factor: float) -> figure6.Measured:
    """The same with another distance where it has forgotten."""
    distance = found.values["FD"] * (factor if found.is_forgotten else 1)
    return found._replace(values={**found.values, "FD": distance})


def test_the_note_counts_what_has_not_forgotten():
    note = note_of(cells(), "digits", 0.9)
    assert "4 of 12 models have not" in note
    assert "target 3, training seed 0" in note
    assert "no readable values" in note
    assert "All 12 models have forgotten" in note_of(cells(forgotten=0.2), "digits", 0.2)


@pytest.mark.parametrize(("forgotten", "is_named"), [(0.9, True), (0.2, False)])
def test_the_legend_names_hollow_points_where_there_are_any(forgotten, is_named):
    with paper_style():
        legend = draw(cells(forgotten), TITLES, "note").legends[0]
    words = [text.get_text() for text in legend.get_texts()]
    assert ("not forgotten" in words) == is_named
    assert words[:5] == ["RG", "RGD", "α = 0.03", "α = 0.1", "α = 0.3"]  # noqa: RUF001


def test_many_alphas_share_a_marker():
    many = [found._replace(point=found.point._replace(truncation=float(k))) for k, found in enumerate(cells())]
    assert set(markers_of(many).values()) == {"o"}
    assert len(set(markers_of(cells()).values())) == 3


def test_a_cell_without_record_is_refused():
    points = [point_named(word) for word in WORDS]
    kept = [record for record in records() if (record.variant, record.metric) != ("rgd", "RA")]
    with pytest.raises(LetheError, match="no record of RA for rgd/3/0"):
        measured(points, kept, 0.9)
    others = [dataclasses.replace(r, judge_sha256="cd") if r.variant == "rgd" else r for r in records()]
    with pytest.raises(LetheError, match="judged in 2 ways"):
        measured(points, others, 0.9)


def test_the_command_writes_figure_and_numbers_the_same_each_time(tmp_path: Path):
    write_records(tmp_path / "records.csv", records())
    outputs = {kind: tmp_path / f"figure.{kind}" for kind in ("pdf", "png", "csv")}
    words = ["figure6", "--records", str(tmp_path / "records.csv"), "--points", *WORDS, "--titles", "rg=RG", "rgd=RGD"]
    words += [word for kind, path in outputs.items() for word in (f"--{kind}", str(path))]
    written = []
    for _ in range(2):
        arguments = parser().parse_args(words)
        arguments.run(arguments)
        written.append([path.read_bytes() for path in outputs.values()])
    assert written[0] == written[1]
    with outputs["csv"].open() as stream:
        lines = list(csv.DictReader(stream))
    assert [(row["variant"], float(row["retain_weight"]), float(row["truncation"])) for row in lines] == GRID
    for line, point in zip(lines, GRID, strict=True):
        assert {metric: float(line[metric]) for metric in ("UA", "RA", "FD")} == values(*point)
        assert line["is_forgotten"] == str(point not in NOT_FORGOTTEN)
    with pytest.raises(LetheError, match="not a share"):
        figure6.main(parser().parse_args([*words, "--forgotten", "1.5"]))
