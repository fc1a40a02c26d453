from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from lethe.artefacts import threshold_curve
from lethe.artefacts.naming import cell_named
from lethe.artefacts.style import paper_style
from lethe.artefacts.threshold_curve import curves_of, draw, read_curve
from lethe.errors import LetheError
from lethe.files import write_rows

THRESHOLDS = (0.3, 0.45, 0.6, 0.75)
COUNTS = {
    "base/stripes/0": (400, 390, 300, 10),
    "rgd/stripes/0": (8, 2, 0, 0),
    "rgd/stripes/1": (4, 4, 0, 0),
}
TITLES = {"base": "SD", "rgd": "RGD"}


def write(path: Path, counts: tuple[int, ...], thresholds: tuple[float, ...] = THRESHOLDS) -> Path:
    """Highest threshold first, and another set between."""
    lines = [
        {"prompts": name, "threshold": threshold, "detections": count + 1000 * (name != "forget_test"), "detected": 1}
        for threshold, count in reversed(list(zip(thresholds, counts, strict=True)))
        for name in ("forget_test", "retain_test")
    ]
    write_rows(path, ("prompts", "threshold", "detections", "detected"), lines)
    return path


@pytest.fixture
def cells(tmp_path: Path) -> dict[str, Path]:
    return {name: write(tmp_path / f"{name.replace('/', '_')}.csv", counts) for name, counts in COUNTS.items()}


def curves(cells: dict[str, Path]) -> dict:
    return curves_of([cell_named(name) for name in cells], list(cells.values()), "forget_test")


def test_lines_are_means_over_seeds_of_the_chosen_set(cells: dict[str, Path]) -> None:
    with paper_style():
        figure = draw(curves(cells), TITLES, 0.6)
    (axes,) = figure.axes
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    assert lines["SD"].tolist() == [list(pair) for pair in zip(THRESHOLDS, COUNTS["base/stripes/0"], strict=True)]
    assert lines["RGD"][:, 1].tolist() == [6, 3, 0, 0]
    assert axes.get_yscale() == "symlog"
    dots = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert dots == [[[0.6, 300]], [[0.6, 0]]]
    (upright,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert list(upright.get_xdata()) == [0.6, 0.6]
    assert [text.get_text() for text in axes.texts] == ["used: 0.6"]
    # One band: of the variant with two seeds, from 4 to 8 at the lowest threshold.
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    assert sorted(set(corners[corners[:, 0] == 0.3, 1])) == [4, 8]
    assert "1–2 training seeds" in axes.get_xlabel()  # noqa: RUF001


def test_few_detections_have_a_linear_axis_and_a_threshold_between_two_no_dot(cells: dict[str, Path]) -> None:
    del cells["base/stripes/0"]
    with paper_style():
        (axes,) = draw(curves(cells), TITLES, 0.5).axes
    assert axes.get_yscale() == "linear"
    assert [len(line.get_xdata()) for line in axes.lines if line.get_marker() == "o"] == [0]


def test_curves_that_cannot_be_compared_are_refused(tmp_path: Path, cells: dict[str, Path]) -> None:
    other = write(tmp_path / "other", (1, 1, 1), THRESHOLDS[:3])
    with pytest.raises(LetheError, match="other has other thresholds than"):
        curves(cells | {"esd/stripes/0": other})
    with pytest.raises(LetheError, match="2 targets, stripes and van_gogh"):
        curves(cells | {"esd/van_gogh/0": other})
    with pytest.raises(LetheError, match="base/stripes/0 is there twice"):
        curves_of([cell_named("base/stripes/0")] * 2, [cells["base/stripes/0"]] * 2, "forget_test")


def test_files_that_hold_no_curve_are_refused(tmp_path: Path, cells: dict[str, Path]) -> None:
    with pytest.raises(LetheError, match=r"no row of the prompt set 'forget_tset'(.|\n)*did you mean 'forget_test'"):
        read_curve(cells["base/stripes/0"], "forget_tset")
    with pytest.raises(LetheError, match="no such file"):
        read_curve(tmp_path / "nowhere", "forget_test")
    (tmp_path / "steps").write_text("step,loss\n1,2\n", encoding="utf-8")
    with pytest.raises(LetheError, match="has the column 'prompts', this file has not"):
        read_curve(tmp_path / "steps", "forget_test")
    twice = write(tmp_path / "twice", (1, 2), (0.5, 0.5))
    with pytest.raises(LetheError, match="is there twice"):
        read_curve(twice, "forget_test")


def run(place: Path, cells: dict[str, Path], stem: str, threshold: float = 0.6) -> list[bytes]:
    outputs = [place / f"{stem}.pdf", place / f"{stem}.png"]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    threshold_curve.add_arguments(parser)
    words = ["--cells", *cells, "--curves", *map(str, cells.values()), "--titles", "base=SD", "rgd=RGD"]
    words += ["--threshold", str(threshold), "--pdf", str(outputs[0]), "--png", str(outputs[1])]
    threshold_curve.main(parser.parse_args(words))
    return [path.read_bytes() for path in outputs]


def test_the_same_curves_give_the_same_bytes(tmp_path: Path, cells: dict[str, Path]) -> None:
    first = run(tmp_path, cells, "first")
    assert run(tmp_path, cells, "second") == first
    assert all(a != b for a, b in zip(run(tmp_path, cells, "other", 0.45), first, strict=True))


def test_no_detections_at_all_are_still_a_figure(tmp_path: Path) -> None:
    nothing = {"rgd/stripes/0": write(tmp_path / "nothing", (0, 0, 0, 0))}
    assert all(run(tmp_path, nothing, "nothing"))
    with paper_style():
        (axes,) = draw(curves(nothing), TITLES, 0.6).axes
    assert np.ptp(axes.get_ylim()) > 1
