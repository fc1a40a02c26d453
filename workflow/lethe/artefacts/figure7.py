"""Figure 7 of the RGD paper for a study of ours: how near the classes are to each other, in the mean features that the
judge has of their real images. The two nearest to each class are framed: D_r of Table 3's Case 1 is made of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lethe.artefacts.style import GREY, ONE_COLUMN, paper_style, save
from lethe.artefacts.typeset import span_of
from lethe.artefacts.wrapped import POINTS, Block, height_of, lines_of, words_of, write
from lethe.similarity import NEAR, Similarity, read_similarity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Figure 7: similarity of the classes"
_FRAMES = ("#000000", "#000000")
_NOTE_SIZE, _EDGE = 6.0, 0.04
_COLOURS = "Blues"


def draw(similarity: Similarity) -> Figure:
    """A heat map; row: a class, columns: the others, values printed. The diagonal is 1 and left blank."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    count = len(similarity.names)
    note = lines_of(words_of(_note(similarity)), (ONE_COLUMN - 2 * _EDGE) * POINTS / _NOTE_SIZE)
    left, top, right = 0.06 * max(4, max(map(len, similarity.names))) + 0.28, 0.08, 0.52
    side = ONE_COLUMN - left - right
    bottom = left + height_of(note, _NOTE_SIZE) + 0.08
    high = top + side + bottom
    figure = Figure(figsize=(ONE_COLUMN, high))
    axes = figure.add_axes((left / ONE_COLUMN, bottom / high, side / ONE_COLUMN, side / high))
    off_diagonal = ~np.eye(count, dtype=bool)
    shown = np.where(off_diagonal, similarity.cosine, np.nan)
    low, most = float(np.nanmin(shown)), float(np.nanmax(shown))
    picture = axes.imshow(shown, cmap=_COLOURS, vmin=low, vmax=max(most, low + 1e-6))
    size = min(6.0, 0.42 * side / count * POINTS)
    for row in range(count):
        for rank, column in enumerate(similarity.order(row)):
            is_dark = similarity.cosine[row, column] > low + 0.6 * (most - low)
            axes.text(
                column,
                row,
                f"{similarity.cosine[row, column]:.2f}".replace("0.", ".", 1),
                ha="center",
                va="center_baseline",
                fontsize=size,
                color="white" if is_dark else "black",
                weight="bold" if rank < NEAR else "normal",
            )
            if rank < NEAR:
                frame = {"fill": False, "edgecolor": "#D55E00", "linewidth": 1.0, "zorder": 3}
                axes.add_patch(Rectangle((column - 0.44, row - 0.44), 0.88, 0.88, **frame))
    is_long = max(map(len, similarity.names)) > 2
    axes.set_xticks(range(count), similarity.names, rotation=90 if is_long else 0)
    axes.set_yticks(range(count), similarity.names)
    axes.tick_params(length=0)
    axes.set_ylabel("class", labelpad=2)
    axes.set_xlabel("compared with", labelpad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
    bar_axes = figure.add_axes((1 - 0.44 / ONE_COLUMN, bottom / high, 0.08 / ONE_COLUMN, side / high))
    bar = figure.colorbar(picture, cax=bar_axes)
    bar.outline.set_visible(False)
    bar.ax.set_title("cosine", fontsize=_NOTE_SIZE, pad=3)
    write(figure, Block(note, _NOTE_SIZE, _EDGE, high - height_of(note, _NOTE_SIZE) - 0.02, colour=GREY))
    return figure


def _note(similarity: Similarity) -> str:
    return (
        f"Cosine of the class means, not centred, of the features of {similarity.judge}: {span_of(similarity.images)} "
        "real training images a class. Framed: the two nearest classes of each row."
    )


def main(arguments: argparse.Namespace) -> None:
    with paper_style():
        save(draw(read_similarity(arguments.similarity)), arguments.pdf, arguments.png)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--similarity", type=Path, required=True, metavar="CSV", help="from python -m lethe.similarity")
    parser.add_argument("--pdf", type=Path, required=True, help="pdf file to write")
    parser.add_argument("--png", type=Path, required=True, help="png file to write")
