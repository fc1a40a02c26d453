"""Figure 6 of the RGD paper for a study of ours: distance (left) and remaining accuracy (right) by lambda, a box over
alpha, targets and seeds for each method. A model that has not forgotten is drawn hollow and is in no box: its distance
and accuracy are those of a model that was hardly changed. Writes the drawn numbers as csv too."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lethe.artefacts.naming import CellName, cell_named, title_of, titles_of
from lethe.artefacts.outputs import add_figure_outputs
from lethe.artefacts.rows import RATES, check_judged_alike, distance_of, of_one_study
from lethe.artefacts.style import GREY, TWO_COLUMNS, colours_of, over_white, paper_style, save
from lethe.artefacts.wrapped import POINTS, Block, height_of, lines_of, words_of, write
from lethe.errors import LetheError
from lethe.files import write_rows
from lethe.record import Record, read_records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Figure 6: distance and remaining accuracy over lambda and alpha"
COLUMNS = ("variant", "title", "retain_weight", "truncation", "target", "seed")
_MARKERS = ("v", "o", "^", "s", "D", "P")
_HIGH, _NOTE_SIZE, _EDGE = 2.5, 6.0, 0.06
# Inches above and below the panels: the legend, the names of the axis.
_TOP, _BOTTOM = 0.28, 0.42
# Distances that reach over more than this factor are drawn on a logarithmic axis.
_LINEAR_UP_TO = 12


class Point(NamedTuple):
    """A cell of the sweep: a row of the study with another lambda (``retain_weight``) and alpha (``truncation``)."""

    variant: str
    retain_weight: float
    truncation: float
    cell: CellName


class Measured(NamedTuple):
    point: Point
    values: Mapping[str, float]
    is_forgotten: bool


def point_named(word: str) -> Point:
    """``rgd~retain_weight-0.5~truncation-0.1/3/0=rgd:0.5:0.1``: a cell, its row, lambda and alpha."""
    cell, _, settings = word.partition("=")
    parts = settings.split(":")
    try:
        variant, retain_weight, truncation = parts
        return Point(variant, float(retain_weight), float(truncation), cell_named(cell))
    except ValueError:
        raise LetheError(
            f"--points {word}: not a point of the sweep", "write variant/target/seed=row:lambda:alpha"
        ) from None


def measured(points: Sequence[Point], records: Sequence[Record], forgotten: float) -> list[Measured]:
    """UA, RA and the distance of each point; it has forgotten where UA is ``forgotten`` at least."""
    metrics = tuple(metric.name for metric in (*RATES, distance_of(records)))
    known = {(CellName(r.variant, r.target, str(r.seed)), r.metric): r for r in records if r.metric in metrics}
    for metric in metrics:
        check_judged_alike(metric, [record for (_, name), record in known.items() if name == metric])
    found = []
    for point in points:
        for metric in metrics:
            if (point.cell, metric) not in known:
                raise LetheError(
                    f"there is no record of {metric} for {'/'.join(point.cell)}", "measure that cell, or leave it out"
                )
        values = {metric: known[point.cell, metric].value for metric in metrics}
        found.append(Measured(point, values, values["UA"] >= forgotten))
    return found


def draw(cells: Sequence[Measured], titles: Mapping[str, str], note: str) -> Figure:
    """Two panels; groups of boxes by lambda, one box a method, a point for each cell with a marker for its alpha."""
    from matplotlib.figure import Figure

    distance = distance_in(cells)
    variants = list(dict.fromkeys(cell.point.variant for cell in cells))
    weights = sorted({cell.point.retain_weight for cell in cells})
    markers = markers_of(cells)
    lines = lines_of(words_of(note), (TWO_COLUMNS - 2 * _EDGE) * POINTS / _NOTE_SIZE)
    high = _HIGH + height_of(lines, _NOTE_SIZE)
    figure = Figure(figsize=(TWO_COLUMNS, high))
    panels = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.075, right=0.99, top=1 - _TOP / high, bottom=1 - (_HIGH - _BOTTOM) / high, wspace=0.2)
    colours = colours_of(variants)
    width = 0.8 / len(variants)
    for axes, (metric, label) in zip(panels, ((distance, f"{distance} ↓"), ("RA", "RA ↑")), strict=True):
        for place, variant in enumerate(variants):
            for group, weight in enumerate(weights):
                own = [c for c in cells if c.point.variant == variant and c.point.retain_weight == weight]
                middle = group + (place - (len(variants) - 1) / 2) * width
                _draw_box(axes, own, metric, middle, width, colours[variant])
                _draw_points(axes, own, metric, middle, width, colours[variant], markers)
        _frame(axes, metric, label, weights, cells)
    _draw_legend(figure, variants, titles, colours, markers, not all(cell.is_forgotten for cell in cells))
    write(figure, Block(lines, _NOTE_SIZE, _EDGE, _HIGH, colour=GREY))
    return figure


def distance_in(cells: Sequence[Measured]) -> str:
    """The name of the metric that is no rate."""
    (name,) = set(cells[0].values) - {metric.name for metric in RATES}
    return name


def markers_of(cells: Sequence[Measured]) -> dict[float, str]:
    """A marker for each alpha, in their order; one for all where there are more than markers."""
    truncations = sorted({cell.point.truncation for cell in cells})
    if len(truncations) > len(_MARKERS):
        return dict.fromkeys(truncations, "o")
    return dict(zip(truncations, _MARKERS, strict=False))


def _draw_box(axes: Axes, cells: Sequence[Measured], metric: str, middle: float, width: float, colour: str) -> None:
    """Quartiles, median, and whiskers to the extremes, of the models that have forgotten."""
    values = [cell.values[metric] for cell in cells if cell.is_forgotten]
    if not values:
        return
    line = {"color": colour, "linewidth": 0.8}
    axes.boxplot(
        [values],
        positions=[middle],
        widths=0.72 * width,
        whis=(0, 100),
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": over_white(colour, 0.22), "edgecolor": colour, "linewidth": 0.8},
        medianprops={**line, "linewidth": 1.6},
        whiskerprops=line,
        capprops=line,
        showfliers=False,
    )


def _draw_points(
    axes: Axes,
    cells: Sequence[Measured],
    metric: str,
    middle: float,
    width: float,
    colour: str,
    markers: Mapping[float, str],
) -> None:
    order = list(markers)
    for cell in cells:
        # Side by side by alpha, so that equal values do not hide each other.
        shift = (order.index(cell.point.truncation) - (len(order) - 1) / 2) * 0.5 * width / max(1, len(order) - 1)
        axes.plot(
            middle + shift,
            cell.values[metric],
            marker=markers[cell.point.truncation],
            markersize=3.6,
            markerfacecolor=colour if cell.is_forgotten else "white",
            markeredgecolor="white" if cell.is_forgotten else colour,
            markeredgewidth=0.4 if cell.is_forgotten else 0.8,
            linestyle="none",
            zorder=4,
            clip_on=False,
        )


def _frame(axes: Axes, metric: str, label: str, weights: Sequence[float], cells: Sequence[Measured]) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set_xticks(range(len(weights)), [f"{weight:g}" for weight in weights])
    axes.set_xlim(-0.5, len(weights) - 0.5)
    axes.set_xlabel("λ (weight of the retain gradient)", labelpad=2)
    axes.set_ylabel(label, labelpad=2)
    for edge in range(1, len(weights)):
        axes.axvline(edge - 0.5, color="#dddddd", linewidth=0.6, zorder=0)
    values = [cell.values[metric] for cell in cells]
    if metric != "RA" and min(values) > 0 and max(values) > _LINEAR_UP_TO * min(values):
        axes.set_yscale("log")
        subs = (1, 2, 5) if max(values) < 300 * min(values) else (1,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel(f"{label} (log)", labelpad=2)


def _draw_legend(
    figure: Figure,
    variants: Sequence[str],
    titles: Mapping[str, str],
    colours: Mapping[str, str],
    markers: Mapping[float, str],
    some_failed: bool,
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Patch | Line2D] = [
        Patch(facecolor=over_white(colours[name], 0.22), edgecolor=colours[name], label=titles[name])
        for name in variants
    ]
    point = {"linestyle": "none", "markersize": 4}
    if len(set(markers.values())) == len(markers):
        handles += [
            Line2D([], [], marker=marker, color=GREY, label=f"α = {truncation:g}", **point)  # noqa: RUF001
            for truncation, marker in markers.items()
        ]
    if some_failed:
        hollow = {"markerfacecolor": "white", "markeredgecolor": GREY}
        handles.append(Line2D([], [], marker="o", label="not forgotten", **point, **hollow))
    look = {"handlelength": 1.1, "handletextpad": 0.4, "columnspacing": 1.4, "borderaxespad": 0.2}
    figure.legend(handles=handles, loc="upper center", ncols=len(handles), **look)


def note_of(cells: Sequence[Measured], study: str, forgotten: float) -> str:
    targets = sorted({cell.point.cell.target for cell in cells}, key=lambda name: (len(name), name))
    seeds = sorted({cell.point.cell.seed for cell in cells}, key=int)
    failed = sum(not cell.is_forgotten for cell in cells)
    known = f"All {len(cells)} models have forgotten (UA of {forgotten:g} at least)."
    if failed:
        known = (
            f"Boxes are of models that have forgotten (UA of {forgotten:g} at least). Hollow: {failed} of {len(cells)} "
            "models have not; what was hardly changed keeps a small distance and a high accuracy."
        )
    measured_in = "FD is measured in the features of the study's own judge."
    if distance_in(cells) != "FD":
        measured_in = "FID is to the training images of the remaining classes."
    over = "α" + (", targets" if len(targets) > 1 else "") + (", seeds" if len(seeds) > 1 else "")  # noqa: RUF001
    return (
        f"{study}, target{'s' * (len(targets) > 1)} {', '.join(targets)}, training seed{'s' * (len(seeds) > 1)} "
        f"{', '.join(seeds)}. Box: quartiles over {over} (truncation of the forget loss); whiskers: extremes; thick "
        f"line: median. {known} {measured_in} The paper's Figure 6 "
        "(CIFAR-10) has no readable values to set beside these."
    )


def csv_rows(cells: Iterable[Measured], titles: Mapping[str, str]) -> list[dict[str, object]]:
    return [
        {
            "variant": point.variant,
            "title": titles[point.variant],
            "retain_weight": point.retain_weight,
            "truncation": point.truncation,
            "target": point.cell.target,
            "seed": point.cell.seed,
            **values,
            "is_forgotten": is_forgotten,
        }
        for point, values, is_forgotten in cells
    ]


def main(arguments: argparse.Namespace) -> None:
    if math.isnan(arguments.forgotten) or not 0 <= arguments.forgotten <= 1:
        raise LetheError(f"--forgotten {arguments.forgotten}: not a share", "give a UA between 0 and 1, such as 0.9")
    points = [point_named(word) for word in arguments.points]
    given = titles_of(arguments.titles, "--titles")
    titles = {point.variant: title_of(given, point.variant) for point in points}
    records = of_one_study(read_records(arguments.records))
    cells = measured(points, records, arguments.forgotten)
    with paper_style():
        figure = draw(cells, titles, note_of(cells, records[0].study, arguments.forgotten))
        save(figure, arguments.pdf, arguments.png)
    columns = (*COLUMNS, *cells[0].values, "is_forgotten")
    write_rows(arguments.csv, columns, csv_rows(cells, titles))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files, one study")
    parser.add_argument(
        "--points",
        nargs="+",
        required=True,
        metavar="VARIANT/TARGET/SEED=ROW:LAMBDA:ALPHA",
        help="the cells, and which row with which lambda and alpha each is",
    )
    parser.add_argument("--titles", nargs="+", required=True, metavar="NAME=TITLE", help="titles of the rows")
    parser.add_argument(
        "--forgotten", type=float, default=0.9, help="UA from which on a model has forgotten its target [0.9]"
    )
    add_figure_outputs(parser, numbers=True)
