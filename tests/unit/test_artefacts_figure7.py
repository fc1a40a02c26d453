from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from lethe.artefacts.__main__ import parser
from lethe.artefacts.figure7 import draw
from lethe.artefacts.style import paper_style
from lethe.similarity import Similarity, cosines, write_similarity


def similarity(names: tuple[str, ...]) -> Similarity:
    cosine = cosines(np.abs(np.random.default_rng(4).normal(size=(len(names), 6))))
    return Similarity(names, cosine, (30,) * len(names), "digits classifier", "its features")


@pytest.mark.parametrize("names", [tuple("0123456789"), ("plane", "car", "bird", "cat")])
def test_every_value_is_printed_and_the_two_nearest_are_framed(names):
    found = similarity(names)
    with paper_style():
        figure = draw(found)
        axes = figure.axes[0]
    printed = {(round(t.get_position()[1]), round(t.get_position()[0])): t for t in axes.texts}
    assert printed.keys() == {(a, b) for a in range(len(names)) for b in range(len(names)) if a != b}
    for (row, column), text in printed.items():
        assert float(text.get_text()) == pytest.approx(found.cosine[row, column], abs=0.005)
        assert (text.get_weight() == "bold") == (column in found.near(row))
    frames = {(round(p.get_y() + 0.44), round(p.get_x() + 0.44)) for p in axes.patches if isinstance(p, Rectangle)}
    assert frames == {(row, column) for row in range(len(names)) for column in found.near(row)}
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [tick.get_text() for tick in ticks] == list(names)
    assert "not centred" in " ".join(text.get_text() for text in figure.texts)


def test_the_colours_span_what_is_between_classes():
    found = similarity(tuple("0123456789"))
    with paper_style():
        picture = draw(found).axes[0].images[0]
    between = found.cosine[~np.eye(10, dtype=bool)]
    assert picture.get_clim() == (between.min(), between.max())
    assert np.isnan(np.asarray(picture.get_array().filled(np.nan))).sum() == 10, "the diagonal is blank"


def test_the_command_writes_the_same_each_time(tmp_path: Path):
    write_similarity(tmp_path / "similarity.csv", similarity(tuple("0123456789")), "ab", "")
    written = []
    for _ in range(2):
        words = f"figure7 --similarity {tmp_path}/similarity.csv --pdf {tmp_path}/f.pdf --png {tmp_path}/f.png"
        arguments = parser().parse_args(words.split())
        arguments.run(arguments)
        written.append([(tmp_path / f"f.{kind}").read_bytes() for kind in ("pdf", "png")])
    assert written[0] == written[1]
