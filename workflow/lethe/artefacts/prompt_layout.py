"""Where images and prompts stand on a page: one prompt a row with a column a model, or one model's images with their
prompts below them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lethe.artefacts.page import EDGE, GAP, HEADING, Page
from lethe.artefacts.prompt_rows import Shown
from lethe.artefacts.style import TWO_COLUMNS
from lethe.artefacts.wrapped import LINE, POINTS, Block, Line, fitted, height_of, is_cut, words_of

# Inches, and points for letters.
_SIZES = (7.0, 6.5, 6.0)
_MARGIN = 0.08  # between a prompt and its images
_LABELS = 1.55, 2.3  # least and greatest width of the prompts' column, if they fit in
_CELL = 0.5, 1.25  # least and greatest height of an image beside prompts
_LONGEST = 8.6  # of a page without its titles, if the images do not become too small
_WIDEST = 2.0  # of an image above its prompt
_MOST_LINES = 8


class Group(NamedTuple):
    """Rows under one ``heading``; phrases of ``strong`` stand out in their prompts."""

    heading: str
    rows: Sequence[Shown]
    strong: Sequence[str] = ()
    is_blurred: bool = False


def as_rows(titles: Sequence[str], groups: Sequence[Group]) -> Page:
    """Prompts at the left, one column of images a title."""
    count = len(titles)
    rows = sum(len(group.rows) for group in groups)
    beside = (TWO_COLUMNS - _LABELS[0]) / count - GAP
    below = (_LONGEST - len(groups) * HEADING) / rows - GAP
    cell = min(beside, max(_CELL[0], min(_CELL[1], below)))
    left_over = TWO_COLUMNS - count * (cell + GAP)
    label = min(_LABELS[1], left_over)
    if any(is_cut(_label_of(shown, group, label, cell)[0]) for group in groups for shown in group.rows):
        label = left_over
    page = Page(label + count * (cell + GAP), cell)
    lefts = [label + index * (cell + GAP) for index in range(count)]
    page.title(titles, lefts, cell)
    for group in groups:
        page.head(group.heading)
        for shown in group.rows:
            lines, size = _label_of(shown, group, label, cell)
            page.blocks.append(Block(lines, size, EDGE, page.height + (cell - height_of(lines, size)) / 2))
            for left, image in zip(lefts, shown.images, strict=True):
                page.put(image, left, group.is_blurred)
            page.height += cell + GAP
    return page


def _label_of(shown: Shown, group: Group, width: float, height: float) -> tuple[list[Line], float]:
    return fitted(words_of(shown.prompt, group.strong), width - EDGE - _MARGIN, height, _SIZES)


def as_captions(title: str, groups: Sequence[Group], across: int) -> Page:
    """One model: ``across`` images a line, each with its prompt below it."""
    gap = 2 * GAP
    cell = min((TWO_COLUMNS + gap) / across - gap, _WIDEST)
    page = Page(across * (cell + gap) - gap, cell)
    page.title([title], [0], page.width)
    size = _SIZES[0 if across < 5 else -1]
    for group in groups:
        page.head(group.heading)
        for first in range(0, len(group.rows), across):
            deepest = 0.0
            for index, shown in enumerate(group.rows[first : first + across]):
                left = index * (cell + gap)
                page.put(shown.images[0], left, group.is_blurred)
                words = words_of(shown.prompt, group.strong)
                lines, _ = fitted(words, cell - EDGE, _MOST_LINES * LINE * size / POINTS, [size])
                page.blocks.append(Block(lines, size, left, page.height + cell + 0.02, centred_in=cell))
                deepest = max(deepest, height_of(lines, size))
            page.height += cell + deepest + gap
    return page
