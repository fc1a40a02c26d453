"""The outcomes of the rules against how much their gradients conflict, and against what a step costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lethe.artefacts.laboratory_rows import CONFLICT, OF_TEXT, SECONDS, Quantity, Study
from lethe.artefacts.points import draw_row, legend
from lethe.artefacts.spread import side_by_side
from lethe.artefacts.style import GREY, TWO_COLUMNS, Look, looks_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 0.045  # between two markers, of what the cells span


class Panel(NamedTuple):
    study: Study
    quantity: Quantity


def panels_of(studies: Sequence[Study]) -> list[Panel]:
    """What is forgotten, and what is kept, of each study."""
    return [Panel(study, quantity) for study in studies for quantity in study.outcome[:2]]


def draw(studies: Sequence[Study], confidence: float) -> Figure:
    """A column for each outcome; above against conflict, below against seconds a step. A rule has one marker."""
    from matplotlib.figure import Figure

    panels = panels_of(studies)
    titles = {row.variant: row.title for study in studies for row in study.rows}
    looks = looks_of(list(titles))
    figure = Figure(figsize=(TWO_COLUMNS, 4.3), layout="constrained")
    grid = figure.subplots(2, len(panels), sharey="col", squeeze=False)
    for column, panel in enumerate(panels):
        for axes, across in zip(grid[:, column], (CONFLICT, SECONDS), strict=True):
            _draw_panel(axes, panel, across, looks, confidence)
        words = f"{panel.study.name}: {panel.quantity.heading}"
        grid[0, column].set_title(words, loc="left")
        if panel.quantity.better == "lower":
            grid[0, column].invert_yaxis()
    legend(figure, titles, looks, across=4)
    figure.supxlabel(_note(studies, confidence), fontsize=6.5, color=GREY)
    return figure


def _draw_panel(axes: Axes, panel: Panel, across: Quantity, looks: Mapping[str, Look], confidence: float) -> None:
    places = [row.mean(across, confidence).mean for row in panel.study.rows]
    every = [value for row in panel.study.rows for value in row.values[across.name].values()]
    moved = side_by_side(places, _GAP * (max(every) - min(every)))
    for row, before, after in zip(panel.study.rows, places, moved, strict=True):
        x, y = row.values[across.name], row.values[panel.quantity.name]
        height = row.mean(panel.quantity, confidence)
        bounds = height.low, height.high
        if panel.quantity.is_share and None not in bounds:
            bounds = max(height.low, 0.0), min(height.high, 1.0)
        cells = [(x[cell] + after - before, y[cell]) for cell in x]
        draw_row(axes, looks[row.variant], (after, height.mean), cells, up=bounds)
    axes.margins(0.08)
    axes.set_xlabel(across.title)
    axes.locator_params(axis="x", nbins=4)


def _note(studies: Sequence[Study], confidence: float) -> str:
    units = {row.mean(study.outcome[0], confidence).unit for study in studies for row in study.rows}
    over = " or ".join(f"{unit}s" for unit in ("target", "seed") if unit in units)
    turned = " (where low is better, the axis is turned)" if any(study.outcome is OF_TEXT for study in studies) else ""
    return (
        f"Large: mean of a rule, bar its {100 * confidence:g} % interval (over {over}); small: a cell (target, seed).\n"
        f"Up is better in every panel{turned}. Markers that would cover each other across stand side by side.\n"
        "steps in conflict: share of the steps in which the two gradients have a negative cosine."
    )
