"""The outcomes of the rules against how much their gradients conflict, and against what a step costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lethe.artefacts.laboratory_rows import CONFLICT, SECONDS, Quantity, Study
from lethe.artefacts.points import draw_row, legend
from lethe.artefacts.spread import near_one, side_by_side, ticks_near_one
from lethe.artefacts.style import GREY, TWO_COLUMNS, Look, looks_of
from lethe.artefacts.typeset import MINUS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 0.045  # between two markers, of what the cells span


class Panel(NamedTuple):
    """An outcome of a study. A share is drawn open near 1, where most rules lie; if less is better, as 1 minus it."""

    study: Study
    quantity: Quantity

    @property
    def title(self) -> str:
        turned = self.quantity.is_share and self.quantity.better == "lower"
        return f"{self.study.name}: " + (f"1 {MINUS} {self.quantity.title} ↑" if turned else self.quantity.heading)

    def height(self, value: float) -> float:
        """Where a value is drawn; an interval of a share ends at 0 and 1, which Student's does not know."""
        if not self.quantity.is_share:
            return value
        share = min(max(value, 0.0), 1.0)
        return near_one(1 - share if self.quantity.better == "lower" else share, self.study.resolution)


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
        grid[0, column].set_title(panel.title, loc="left")
        if panel.quantity.is_share:
            _open_near_one(grid[0, column], panel.study.resolution)
    legend(figure, titles, looks, across=4)
    figure.supxlabel(_note(studies, confidence), fontsize=6.5, color=GREY)
    return figure


def _draw_panel(axes: Axes, panel: Panel, across: Quantity, looks: Mapping[str, Look], confidence: float) -> None:
    places = [row.mean(across, confidence).mean for row in panel.study.rows]
    every = [value for row in panel.study.rows for value in row.values[across.name].values()]
    moved = side_by_side(places, _GAP * (max(every) - min(every)))
    for row, before, after in zip(panel.study.rows, places, moved, strict=True):
        x, y = row.values[across.name], row.values[panel.quantity.name]
        mean = row.mean(panel.quantity, confidence)
        bounds = tuple(None if bound is None else panel.height(bound) for bound in (mean.low, mean.high))
        cells = [(x[cell] + after - before, panel.height(y[cell])) for cell in x]
        draw_row(axes, looks[row.variant], (after, panel.height(mean.mean)), cells, up=bounds)
    axes.margins(0.08)
    axes.set_xlabel(across.title)
    axes.locator_params(axis="x", nbins=4)


def _open_near_one(axes: Axes, resolution: float) -> None:
    """From what is drawn, or 0.9, up to 1."""
    top = near_one(1.0, resolution)
    low = min(axes.dataLim.y0, near_one(0.9, resolution))
    axes.set_ylim(low - 0.05 * (top - low), top + 0.05 * (top - low))
    shown = [(place, words) for place, words in ticks_near_one(resolution, 0.1) if place >= axes.get_ylim()[0]]
    axes.set_yticks([place for place, _ in shown], [words for _, words in shown])


def _note(studies: Sequence[Study], confidence: float) -> str:
    units = {row.mean(study.outcome[0], confidence).unit for study in studies for row in study.rows}
    over = " or ".join(f"{unit}s" for unit in ("target", "seed") if unit in units)
    return (
        f"Large: mean of a rule, bar its {100 * confidence:g} % interval (over {over}); small: a cell (target, seed).\n"
        "Up is better in every panel; shares are drawn open near 1. "
        "Markers that would cover each other across stand side by side.\n"
        "steps in conflict: share of the steps in which the two gradients have a negative cosine."
    )
