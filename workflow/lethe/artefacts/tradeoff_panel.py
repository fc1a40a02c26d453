"""Panels of forgetting against retention: a point a cell, a marker a row, and the Pareto front of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from lethe.artefacts.estimates import Estimate
from lethe.artefacts.points import draw_row, legend, size_of
from lethe.artefacts.spread import near_one, side_by_side, ticks_near_one
from lethe.artefacts.style import GREY, TWO_COLUMNS, Look, looks_of
from lethe.measures.pareto import pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GAP = 0.038  # between two markers, of the panel's width
_TICK_GAP = 0.09
_PANEL_HEIGHT = 2.35


class Mark(NamedTuple):
    """A row: its mean forgetting (``x``) and retention (``y``), and those of each cell (target, seed)."""

    variant: str
    is_control: bool
    x: Estimate
    y: Estimate
    cells: Mapping[tuple[str, int], tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """``x`` is a share of images, drawn open near 1 down to ``resolution`` (one image); ``better`` is y's direction.

    Intervals of a y that ``is_share`` end at 0 and 1, which Student's do not know.
    """

    title: str
    x_label: str
    y_label: str
    better: Literal["higher", "lower"]
    resolution: float
    marks: Sequence[Mark]
    is_share: bool = True

    def bounds(self, mark: Mark) -> tuple[float | None, float | None]:
        """The interval of y as it is drawn."""
        low, high = mark.y.low, mark.y.high
        if low is None or high is None or not self.is_share:
            return low, high
        return max(low, 0.0), min(high, 1.0)

    @property
    def front(self) -> list[Mark]:
        """The methods that no other is better than in both means, by rising forgetting. Controls do not compete."""
        methods = [mark for mark in self.marks if not mark.is_control]
        sign = 1 if self.better == "higher" else -1
        return [methods[i] for i in pareto_front([(mark.x.mean, sign * mark.y.mean) for mark in methods])]


def draw(panels: Sequence[Panel], titles: Mapping[str, str], confidence: float) -> Figure:
    """Two panels a row, where there are two; the legend above and what the marks mean below."""
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(TWO_COLUMNS, 0.9 + _PANEL_HEIGHT * rows), layout="constrained")
    looks = looks_of(list(titles))
    grid = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, panel in zip(grid, panels, strict=False):
        _draw_panel(axes, panel, looks, titles)
    for axes in grid[len(panels) :]:
        axes.axis("off")
    shown = {mark.variant for panel in panels for mark in panel.marks}
    legend(figure, {name: title for name, title in titles.items() if name in shown}, looks, across=7)
    figure.supxlabel(_note(panels, confidence), fontsize=6.5, color=GREY)
    return figure


def _note(panels: Sequence[Panel], confidence: float) -> str:
    units = {estimate.unit for panel in panels for mark in panel.marks for estimate in (mark.x, mark.y)} - {""}
    over = [f"over {unit}" for unit in ("targets", "seeds") if unit in units]
    over += ["of a single cell: over its images or prompts"] if units - {"targets", "seeds"} else []
    bars = f", bars its {100 * confidence:g} % interval ({', '.join(over)})" if over else ""
    several = any(len(mark.cells) > 1 for panel in panels for mark in panel.marks)
    lines = [
        f"Large: mean of a row{bars}." + (" Small: one cell (target, seed)." if several else ""),
        "Staircase: Pareto front of the methods' means; up and right is better. "
        "At the edge: a control outside the panel, with its value.",
        "Markers that would cover each other across stand side by side; all in the grey band are at 1.",
    ]
    return "\n".join(lines)


def _draw_panel(axes: Axes, panel: Panel, looks: Mapping[str, Look], titles: Mapping[str, str]) -> None:
    whole = near_one(1.0, panel.resolution)
    places = [near_one(mark.x.mean, panel.resolution) for mark in panel.marks]
    moved = side_by_side(places, _GAP * whole)
    low, high = _range(panel)
    worst, best = (low, high) if panel.better == "higher" else (high, low)
    axes.set_ylim(worst, best)
    axes.set_xlim(min(0, *moved) - 0.05 * whole, max(whole, *moved) + 0.05 * whole)
    for mark, before, after in zip(panel.marks, places, moved, strict=True):
        if low <= mark.y.mean <= high:
            _draw_mark(axes, mark, panel, looks[mark.variant], after - before)
        else:
            edge = low if mark.y.mean < low else high
            _draw_outside(axes, f"{titles[mark.variant]}: {mark.y.mean:.3g}", looks[mark.variant], after, edge)
    at_one = [after for before, after in zip(places, moved, strict=True) if before >= whole * (1 - 1e-9)]
    band = (min(at_one) - _GAP * whole / 2, max(at_one) + _GAP * whole / 2) if at_one else (whole, whole)
    axes.axvspan(*band, color=GREY, alpha=0.12, linewidth=0, zorder=0)
    # All at 1 forget as much: the front goes to the end of their band.
    ends = {mark.variant: band[1] if after in at_one else after for mark, after in zip(panel.marks, moved, strict=True)}
    _draw_front(axes, [(ends[mark.variant], mark.y.mean) for mark in panel.front])
    _ticks(axes, panel.resolution, sum(band) / 2)
    axes.set_title(panel.title, loc="left")
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)


def _draw_front(axes: Axes, corners: Sequence[tuple[float, float]]) -> None:
    """A staircase from the left edge through its corners down to the panel's worst."""
    if corners:
        across = [axes.get_xlim()[0], *(x for x, _ in corners for _ in range(2))]
        down = [*(y for _, y in corners for _ in range(2)), axes.get_ylim()[0]]
        axes.plot(across, down, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)


def _range(panel: Panel) -> tuple[float, float]:
    """What the methods span, widened to the controls that are not far away, with a margin; a wider one for the names of
    those that are."""
    methods = [mark for mark in panel.marks if not mark.is_control] or panel.marks
    inside = [value for mark in methods for value in _heights(panel, mark)]
    span = max(inside) - min(inside)
    lowest, highest = min(inside) - span, max(inside) + span
    near = [mark for mark in panel.marks if lowest <= mark.y.mean <= highest]
    inside += [value for mark in near for value in _heights(panel, mark)]
    unit = max(inside) - min(inside) or 0.5
    below = 0.16 if any(mark.y.mean < lowest for mark in panel.marks) else 0.08
    above = 0.16 if any(mark.y.mean > highest for mark in panel.marks) else 0.08
    return min(inside) - below * unit, max(inside) + above * unit


def _heights(panel: Panel, mark: Mark) -> list[float]:
    bounds = [bound for bound in panel.bounds(mark) if bound is not None]
    return [mark.y.mean, *bounds, *(y for _, y in mark.cells.values())]


def _draw_mark(axes: Axes, mark: Mark, panel: Panel, look: Look, shift: float) -> None:
    def place(share: float) -> float:
        return near_one(min(max(share, 0.0), 1.0), panel.resolution) + shift

    across = None if mark.x.low is None else place(mark.x.low), None if mark.x.high is None else place(mark.x.high)
    cells = [(place(x), y) for x, y in mark.cells.values()]
    draw_row(axes, look, (place(mark.x.mean), mark.y.mean), cells, across, panel.bounds(mark))


def _draw_outside(axes: Axes, words: str, look: Look, place: float, edge: float) -> None:
    """A control at the edge of the panel nearest to it, with its name and value."""
    axes.scatter(
        place, edge, s=size_of(look), color=look.colour, marker=look.marker, linewidths=0, zorder=5, clip_on=False
    )
    is_right, is_bottom = place > sum(axes.get_xlim()) / 2, edge == axes.get_ylim()[0]
    axes.annotate(
        words,
        (place, edge),
        xytext=(-6 if is_right else 6, 4 if is_bottom else -4),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="bottom" if is_bottom else "top",
        fontsize=6.5,
        color=GREY,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        zorder=5,
    )


def _ticks(axes: Axes, resolution: float, one: float) -> None:
    """``one`` is where the middle of the rows at 1 stands."""
    (_, words), *others = ticks_near_one(resolution, _TICK_GAP)
    axes.set_xticks([one, *(place for place, _ in others)], [words, *(words for _, words in others)])
