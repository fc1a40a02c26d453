"""How a row is drawn as points: small for its cells, large for its mean with interval bars; and the legend of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lethe.artefacts.style import Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Point = tuple[float, float]
Bounds = tuple[float | None, float | None]
_NONE: Bounds = (None, None)


def draw_row(
    axes: Axes, look: Look, mean: Point, cells: Iterable[Point], across: Bounds = _NONE, up: Bounds = _NONE
) -> None:
    """``across`` and ``up`` are the interval of the mean in each direction; a single cell is the mean itself."""
    cells = list(cells)
    if len(cells) > 1:
        x, y = zip(*cells, strict=True)
        axes.scatter(x, y, s=5, color=look.colour, marker=look.marker, alpha=0.35, linewidths=0, zorder=2)
    bar = {"color": look.colour, "linewidth": 0.7, "zorder": 3}
    if None not in across:
        axes.plot(across, [mean[1]] * 2, **bar)
    if None not in up:
        axes.plot([mean[0]] * 2, up, **bar)
    axes.scatter(
        *mean, s=size_of(look), color=look.colour, marker=look.marker, edgecolors="white", linewidths=0.5, zorder=4
    )


def size_of(look: Look) -> float:
    """Points squared: a star covers less than other markers of its size."""
    return 75 if look.marker == "*" else 34


def legend(figure: Figure, titles: Mapping[str, str], looks: Mapping[str, Look], across: int) -> None:
    """The markers of the rows above the panels, ``across`` in a line."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="", marker=looks[name].marker, color=looks[name].colour, markersize=5, label=title)
        for name, title in titles.items()
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(across, len(handles)), columnspacing=1.2)
