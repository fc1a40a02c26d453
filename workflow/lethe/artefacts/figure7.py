"""Figure 7 of the RGD paper for a study of ours: how near the classes are to each other, in the mean features that the
judge has of their real images. The two nearest to each class are framed: D_r of Table 3's Case 1 is made of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lethe.artefacts.outputs import add_figure_outputs
from lethe.artefacts.style import GREY, ONE_COLUMN, paper_style, save
from lethe.artefacts.typeset import span_of
from lethe.artefacts.wrapped import POINTS, Block, height_of, lines_of, words_of, write
from lethe.similarity import CLIP, Similarity, read_similarity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Figure 7: similarity of the classes"
_COLOURS, _DIAGONAL, _FRAME = "Blues", "#e6e6e6", "#D55E00"
_NOTE_SIZE, _EDGE = 6.0, 0.04
# Inches: for the names of the axes, and for a letter of a class's name.
_AXIS, _LETTER = 0.3, 0.065


def draw(similarity: Similarity) -> Figure:
    """A heat map of every class (row) with every other (column), values printed; the diagonal is left blank."""
    from matplotlib.figure import Figure

    note = lines_of(words_of(_note(similarity)), (ONE_COLUMN - 2 * _EDGE) * POINTS / _NOTE_SIZE)
    longest = max(map(len, similarity.names))
    left = _AXIS + _LETTER * longest
    side = ONE_COLUMN - left - _EDGE
    below = (left if longest > 2 else _AXIS + 0.14) + height_of(note, _NOTE_SIZE) + _EDGE
    high = _EDGE + side + below
    figure = Figure(figsize=(ONE_COLUMN, high))
    axes = figure.add_axes((left / ONE_COLUMN, below / high, side / ONE_COLUMN, side / high), facecolor=_DIAGONAL)
    places = range(len(similarity.names))
    shown = np.where(np.eye(len(places), dtype=bool), np.nan, similarity.cosine)
    axes.imshow(shown, cmap=_COLOURS, vmin=np.nanmin(shown), vmax=np.nanmax(shown))
    _draw_values(axes, similarity, side / len(places) * POINTS)
    axes.set_xticks(places, similarity.names, rotation=90 if longest > 2 else 0)
    axes.set_yticks(places, similarity.names)
    axes.tick_params(length=0)
    axes.set_xlabel("compared with", labelpad=2)
    axes.set_ylabel("class", labelpad=2)
    axes.spines[:].set_visible(False)
    write(figure, Block(note, _NOTE_SIZE, _EDGE, high - height_of(note, _NOTE_SIZE) - _EDGE, colour=GREY))
    return figure


def _draw_values(axes: Axes, similarity: Similarity, square: float) -> None:
    """``square`` is the side of one in points. Means of features that are never negative can all be near 1: values that
    lie close together have a digit more."""
    from matplotlib.patches import Rectangle

    between = similarity.cosine[~np.eye(len(similarity.names), dtype=bool)]
    span = between.max() - between.min()
    dark = between.min() + 0.65 * span
    digits = 2 if span >= 0.2 else 3
    size = min(7.0, square / (0.75 * (digits + 1)))
    for row in range(len(similarity.names)):
        near = similarity.near(row)
        for column in similarity.order(row):
            value = similarity.cosine[row, column]
            look = {"color": "white" if value > dark else "black", "weight": "bold" if column in near else "normal"}
            words = f"{value:.{digits}f}".replace("0.", ".")
            axes.text(column, row, words, ha="center", va="center_baseline", fontsize=size, **look)
        for column in near:
            corner = column - 0.44, row - 0.44
            axes.add_patch(Rectangle(corner, 0.88, 0.88, fill=False, edgecolor=_FRAME, linewidth=1.1))


def _whose(similarity: Similarity) -> str:
    return "CLIP's image embeddings" if similarity.judge == CLIP else f"the judge's features ({similarity.judge})"


def _note(similarity: Similarity) -> str:
    return (
        f"Cosine of the class means of {_whose(similarity)}, not centred, over "
        f"{span_of(similarity.images)} real training images a class. Framed: the two nearest classes of each row."
    )


def main(arguments: argparse.Namespace) -> None:
    with paper_style():
        save(draw(read_similarity(arguments.similarity)), arguments.pdf, arguments.png)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--similarity", type=Path, required=True, metavar="CSV", help="from python -m lethe.similarity")
    add_figure_outputs(parser)
