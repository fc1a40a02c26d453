"""A page of images with words around them, laid out in inches; its images are one canvas of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from lethe.artefacts.pixels import blurred, enlarged, on_white, shrunk
from lethe.artefacts.style import GREY
from lethe.artefacts.wrapped import LINE, POINTS, Block, Word, height_of, lines_of, width_of, words_of, write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS = 256
"""Images are brought near this height: smaller ones enlarged by whole pixels, larger ones resampled."""

# Inches, and points for letters.
GAP = 0.05
EDGE = 0.04  # left of what is written
HEADING = 0.29  # a group's heading, the rule above it included
_BEFORE, _BASELINE, _HEADING_SIZE = 0.07, 0.155, 8.0
_TITLE_SIZE = 8.0
_NOTE_SIZE = 6.5


class Canvas(NamedTuple):
    """The page in pixels (height, width, 3), the corner (top, left) of each image in it, and its pixels an inch."""

    pixels: np.ndarray
    corners: list[tuple[int, int]]
    per_inch: float


class Heading(NamedTuple):
    """Bold words whose baseline is ``top`` below the upper edge."""

    words: str
    left: float
    top: float
    size: float
    align: Literal["left", "center"] = "left"


@dataclass
class Page:
    """A page as wide as ``width`` with images ``cell`` high; all in inches from its upper left corner. It grows in
    ``height`` as it is filled."""

    width: float
    cell: float
    height: float = GAP
    images: list[np.ndarray] = field(default_factory=list)
    corners: list[tuple[float, float]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)
    rules: list[float] = field(default_factory=list)
    is_enlarged: bool = False

    def put(self, image: np.ndarray, left: float, is_blurred: bool) -> None:
        """``image`` (C, H, W) uint8 at ``left`` and the page's present end."""
        small = shrunk(image, PIXELS)
        shown = enlarged(blurred(small) if is_blurred else small, PIXELS)
        self.is_enlarged = shown.shape[0] > small.shape[-2]
        self.images.append(shown)
        self.corners.append((self.height, left))

    def title(self, titles: Sequence[str], lefts: Sequence[float], width: float) -> None:
        """Titles over columns of ``width`` at ``lefts``: wrapped, and small enough for their longest word."""
        longest = max(width_of(word, True) for title in titles for word in title.split())
        size = min(_TITLE_SIZE, width * POINTS / longest)
        wrapped = [lines_of([Word(word, True) for word in title.split()], width * POINTS / size) for title in titles]
        self.height += max(height_of(lines, size) for lines in wrapped)
        for lines, left in zip(wrapped, lefts, strict=True):
            for index, line in enumerate(reversed(lines)):
                words = " ".join(word.text for word in line)
                top = self.height - index * LINE * size / POINTS
                self.headings.append(Heading(words, left + width / 2, top, size, "center"))
        self.height += GAP

    def head(self, words: str) -> None:
        """The heading of a group, under a rule unless it is the first."""
        if self.images:
            self.height += _BEFORE
            self.rules.append(self.height)
        self.headings.append(Heading(words, EDGE, self.height + _BASELINE, _HEADING_SIZE))
        self.height += HEADING - _BEFORE

    def note(self, words: str) -> None:
        lines = lines_of(words_of(words), (self.width - EDGE) * POINTS / _NOTE_SIZE)
        self.blocks.append(Block(lines, _NOTE_SIZE, EDGE, self.height + GAP, colour=GREY))
        self.height += height_of(lines, _NOTE_SIZE) + GAP

    def canvas(self) -> Canvas:
        per_inch = self.images[0].shape[0] / self.cell
        corners = [(round(top * per_inch), round(left * per_inch)) for top, left in self.corners]
        size = round(self.height * per_inch), math.ceil(self.width * per_inch)
        return Canvas(on_white(self.images, corners, *size), corners, per_inch)

    def figure(self) -> Figure:
        from matplotlib.figure import Figure
        from matplotlib.lines import Line2D

        pixels, _, per_inch = self.canvas()
        high, wide = pixels.shape[0] / per_inch, pixels.shape[1] / per_inch
        figure = Figure(figsize=(wide, high))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.axis("off")
        # Squares of equal pixels stay sharp; photographs get no steps.
        axes.imshow(pixels, interpolation="nearest" if self.is_enlarged else "lanczos", aspect="auto")
        for block in self.blocks:
            write(figure, block)
        in_inches = {"transform": figure.dpi_scale_trans}
        for words, left, top, size, align in self.headings:
            figure.text(left, high - top, words, weight="bold", fontsize=size, ha=align, va="baseline", **in_inches)
        for top in self.rules:
            figure.add_artist(Line2D((0, wide), (high - top, high - top), color=GREY, linewidth=0.4, **in_inches))
        return figure
