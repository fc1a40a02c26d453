"""Prompts in figures: text wrapped to a width, with some of its words in bold and colour."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from lethe.artefacts.style import FORGOTTEN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = 1.25  # line spacing, in sizes of the letters
POINTS = 72  # an inch
_ASCENT = 0.98  # from the top of a line to its baseline, in sizes of the letters
_CUT = "…"
_BREAKS = ",;/-_"  # a word too wide is broken after one of these, if it can be


class Word(NamedTuple):
    text: str
    strong: bool = False


Line = list[Word]


def words_of(text: str, strong: Sequence[str] = ()) -> Line:
    """The words of ``text``; a word is strong where one of the phrases ``strong`` reaches into it, in any case."""
    phrases = "|".join(re.escape(phrase) for phrase in sorted(strong, key=len, reverse=True))
    spans = (
        [match.span() for match in re.finditer(rf"(?<!\w)(?:{phrases})(?!\w)", text, re.IGNORECASE)] if strong else []
    )
    return [
        Word(found.group(), any(start < found.end() and found.start() < end for start, end in spans))
        for found in re.finditer(r"\S+", text)
    ]


@functools.cache
def width_of(text: str, strong: bool = False) -> float:
    """How wide a text is, in sizes of its letters."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    # The family is named: what another style draws with must not be remembered here.
    look = FontProperties(family="DejaVu Sans", weight="bold" if strong else "normal", size=100)
    return text_to_path.get_text_width_height_descent(text, look, False)[0] / 100


def lines_of(words: Sequence[Word], width: float) -> list[Line]:
    """``words`` in lines no wider than ``width`` sizes of the letters; a wider word is broken."""
    lines: list[Line] = []
    room = 0.0
    for word in _broken(words, width):
        needed = width_of(" ") + width_of(*word)
        if lines and needed <= room:
            lines[-1].append(word)
            room -= needed
        else:
            lines.append([word])
            room = width - width_of(*word)
    return lines


def _broken(words: Sequence[Word], width: float) -> list[Word]:
    parts = []
    for text, strong in words:
        while width_of(text, strong) > width and len(text) > 1:
            most = max((end for end in range(2, len(text)) if width_of(text[:end], strong) <= width), default=1)
            end = max(text.rfind(mark, 0, most) for mark in _BREAKS) + 1 or most
            parts.append(Word(text[:end], strong))
            text = text[end:]
        parts.append(Word(text, strong))
    return parts


def fitted(words: Sequence[Word], width: float, height: float, sizes: Sequence[float]) -> tuple[list[Line], float]:
    """Lines within a box of inches at the first of ``sizes`` they fit in, and that size; at the last, cut to fit."""
    for size in sizes:
        lines = lines_of(words, width * POINTS / size)
        most = max(1, int(height * POINTS / (LINE * size)))
        if len(lines) <= most:
            return lines, size
    return [*lines[: most - 1], _shortened(lines[most - 1], width * POINTS / size)], size


def is_cut(lines: Sequence[Line]) -> bool:
    """Whether these lines of :func:`fitted` are not the whole text."""
    return lines[-1][-1].text.endswith(_CUT)


def _shortened(line: Line, width: float) -> Line:
    while len(line) > 1 and sum(width_of(" ") + width_of(*word) for word in line) + width_of(_CUT) > width:
        line = line[:-1]
    return [*line[:-1], Word(line[-1].text + _CUT, line[-1].strong)]


def height_of(lines: Sequence[Line], size: float) -> float:
    """Inches."""
    return len(lines) * LINE * size / POINTS


class Block(NamedTuple):
    """Lines with their corner at ``left`` and ``top``, inches from the figure's upper left corner; centred in a width
    if one is given."""

    lines: Sequence[Line]
    size: float
    left: float
    top: float
    centred_in: float | None = None
    colour: str = "black"


def write(figure: Figure, block: Block) -> None:
    """Words of a line that look alike become one piece of text, so that a reader can search for them."""
    inches = block.size / POINTS
    gap = width_of(" ") * inches
    for index, line in enumerate(block.lines):
        pieces = _alike(line)
        widths = [width_of(*piece) * inches for piece in pieces]
        start = block.left
        if block.centred_in is not None:
            start += (block.centred_in - sum(widths) - gap * (len(pieces) - 1)) / 2
        baseline = figure.get_figheight() - block.top - (index * LINE + _ASCENT) * inches
        for piece, width in zip(pieces, widths, strict=True):
            figure.text(
                start,
                baseline,
                piece.text,
                transform=figure.dpi_scale_trans,
                va="baseline",
                fontsize=block.size,
                color=FORGOTTEN if piece.strong else block.colour,
                weight="bold" if piece.strong else "normal",
                parse_math=False,
            )
            start += width + gap


def _alike(line: Line) -> Line:
    pieces: Line = []
    for word in line:
        if pieces and pieces[-1].strong == word.strong:
            pieces[-1] = Word(f"{pieces[-1].text} {word.text}", word.strong)
        else:
            pieces.append(word)
    return pieces
