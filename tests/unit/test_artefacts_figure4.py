from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer
from PIL import Image

from lethe.artefacts import figure4
from lethe.artefacts.counted import Count, counted, of_one_set
from lethe.artefacts.figure4 import bars_of, draw, notes_of, readable
from lethe.artefacts.published import Published
from lethe.artefacts.style import colours_of, paper_style
from lethe.errors import LetheError
from lethe.record import Record, write_records

PUBLISHED = Path(__file__).resolve().parents[2] / "workflow/published/paper_values.csv"
TITLES = {"base": "SD", "esd_u": "ESD-u", "rgd": "RGD"}
# By variant and seed: circle, square, ring.
COUNTS = {("base", 0): (5, 30, 0), ("esd_u", 0): (2, 0, 0), ("esd_u", 1): (5, 0, 0), ("rgd", 0): (0, 0, 0)}
PARTS = ("STRIPED_CIRCLE", "STRIPED_SQUARE", "STRIPED_RING")


def record(variant: str, seed: int, metric: str, value: float, **changes: object) -> Record:
    made = Record(
        preset="miniature",
        study="shapes",
        target="stripes",
        variant=variant,
        method=variant,
        seed=seed,
        metric=metric,
        prompts="forget_test",
        value=value,
        low=max(0, value - 2) if value else None,
        high=value + 3 if value else None,
        interval="bootstrap 95 % over 100 prompts" if value else "",
        n=100,
        control=None,
        control_n=None,
        reference="",
        judge="detector",
        judge_sha256="ab" * 32,
        features="score > 0.6",
        sampler="DDIM",
        image_seeds="0-99",
        fingerprint="",
    )
    return dataclasses.replace(made, **changes)


def study() -> list[Record]:
    made = []
    for (variant, seed), counts in COUNTS.items():
        made.append(record(variant, seed, "detections", sum(counts), features="score > 0.6, circle square ring"))
        made += [record(variant, seed, f"count:{part}", n) for part, n in zip(PARTS, counts, strict=True)]
        made.append(record(variant, seed, "AS", 0.3))
    # What must not be counted: another set, another target.
    return [
        *made,
        record("base", 0, "detections", 999, prompts="retain_test"),
        record("base", 0, "detections", 999, target="van_gogh"),
    ]


def rows() -> list:
    return counted(of_one_set(study(), "stripes", "forget_test"), TITLES)


def test_numbers_are_means_over_seeds_within_all_their_intervals() -> None:
    base, esd, rgd = rows()
    assert base.total == Count(35, 33, 38)
    assert esd.total == Count(3.5, 0, 8)
    assert esd.parts["STRIPED_CIRCLE"] == Count(3.5, 0, 8)
    assert rgd.total == Count(0, 0, 0)


def test_zero_bars_are_left_out_and_the_fullest_part_comes_first() -> None:
    bars = bars_of(rows())
    assert [(bar.part, bar.variant, bar.value) for bar in bars] == [
        ("STRIPED_SQUARE", "base", 30),
        ("STRIPED_CIRCLE", "base", 5),
        ("STRIPED_CIRCLE", "esd_u", 3.5),
    ]
    assert np.diff([bar.top for bar in bars]) == pytest.approx([0.125 + 0.09, 0.125])


def test_bars_and_legend_show_these_numbers() -> None:
    with paper_style():
        figure = draw(rows(), TITLES, ["a note"])
    (axes,) = figure.axes
    bars = [bar for group in axes.containers if isinstance(group, BarContainer) for bar in group]
    assert [bar.get_width() for bar in bars] == [30, 5, 3.5]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["striped square", "striped circle"]
    assert axes.yaxis_inverted()
    # Each name stands in the middle of its bars.
    middles = [bar.get_y() + bar.get_height() / 2 for bar in bars]
    assert list(axes.get_yticks()) == pytest.approx([middles[0], (middles[1] + middles[2]) / 2])
    reaches = [segment for group in axes.collections for segment in group.get_segments()]
    assert [(segment[0, 0], segment[1, 0]) for segment in reaches] == [(28, 33), (3, 8), (0, 8)]
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["SD 35", "ESD-u 3.5", "RGD 0"]
    colours = colours_of(list(TITLES))
    assert [patch.get_facecolor()[:3] for patch in legend.get_patches()] == [to_rgb(colours[name]) for name in TITLES]


def test_the_notes_name_protocol_silent_parts_and_the_papers_totals() -> None:
    published = {name: Published(value, None, "nudity I2P") for name, value in (("base", 598.0), ("salun", 3.0))}
    text = " ".join(notes_of(rows(), TITLES, published))
    assert "100 images a model, score > 0.6;" in text
    assert "Error bars: bootstrap 95 % over 100 prompts." in text
    assert "1–2 training seeds" in text  # noqa: RUF001
    assert "Never detected: striped ring." in text
    assert "nudity I2P, not of these prompts: SD 598." in text  # the paper's SalUn has no row here
    assert readable("FEMALE_BREAST_EXPOSED") == "female breast exposed"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda all_: [r for r in all_ if r.variant != "rgd"], "no record of detections for the variant 'rgd'"),
        (lambda all_: [*all_, all_[0]], "two records of detections for base, seed 0"),
        (
            lambda all_: [r for r in all_ if (r.variant, r.seed, r.metric) != ("esd_u", 1, "count:STRIPED_RING")],
            "no record of count:STRIPED_RING for esd_u, seed 1",
        ),
        (
            lambda all_: [dataclasses.replace(r, judge_sha256=f"{r.seed}") for r in all_],
            "detections was judged in 2 ways",
        ),
        (lambda all_: [dataclasses.replace(r, study=r.variant) for r in all_], "records of 3 studies"),
    ],
)
def test_records_that_do_not_belong_together_are_refused(change: object, problem: str) -> None:
    with pytest.raises(LetheError, match=problem):
        counted(of_one_set(change(study()), "stripes", "forget_test"), TITLES)


def test_an_unknown_target_or_set_is_refused() -> None:
    with pytest.raises(LetheError, match=r"--target stripe: (.|\n)*did you mean 'stripes'"):
        of_one_set(study(), "stripe", "forget_test")
    with pytest.raises(LetheError, match=r"--set forget_train: (.|\n)*did you mean"):
        of_one_set(study(), "stripes", "forget_train")


def run(place: Path, records: list[Record], stem: str) -> list[bytes]:
    write_records(place / "records.csv", records)
    outputs = [place / f"{stem}.pdf", place / f"{stem}.png"]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    figure4.add_arguments(parser)
    words = ["--records", f"{place}/records.csv", "--variants", *(f"{name}={title}" for name, title in TITLES.items())]
    words += ["--target", "stripes", "--published", str(PUBLISHED), "--pdf", str(outputs[0]), "--png", str(outputs[1])]
    figure4.main(parser.parse_args(words))
    return [path.read_bytes() for path in outputs]


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    first = run(tmp_path, study(), "first")
    assert run(tmp_path, study(), "second") == first
    pixels = np.asarray(Image.open(tmp_path / "first.png").convert("RGB"), int)
    # RGD's colour is in the legend's patch only, ESD-u's in a bar too.
    areas = {}
    for name, colour in colours_of(list(TITLES)).items():
        areas[name] = (np.abs(pixels - 255 * np.array(to_rgb(colour))).max(axis=-1) < 3).sum()
    assert 200 < areas["rgd"] < 1500
    assert areas["esd_u"] > 1.5 * areas["rgd"]


def test_nothing_detected_at_all_is_still_a_figure(tmp_path: Path) -> None:
    nothing = [dataclasses.replace(r, value=0.0, low=None, high=None) for r in study()]
    assert all(run(tmp_path, nothing, "nothing"))
