"""Figure 4 of the RGD paper: what the detector still finds in each model's images, part by part. Zero bars are left
out, as in the paper; the legend has every model's total."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lethe.artefacts.alignment_entries import set_title
from lethe.artefacts.counted import Counted, counted, of_one_set
from lethe.artefacts.naming import titles_of
from lethe.artefacts.outputs import add_figure_outputs
from lethe.artefacts.published import Published, read_published
from lethe.artefacts.style import GREY, ONE_COLUMN, colours_of, paper_style, save
from lethe.artefacts.typeset import span_of
from lethe.artefacts.wrapped import POINTS, Block, height_of, lines_of, width_of, words_of, write
from lethe.prompts import LISTED
from lethe.record import read_records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Figure 4: detections by part, model by model"

# Inches, and points for letters.
_BAR, _BETWEEN = 0.125, 0.09
_LEGEND_LINE, _LEGEND_COLUMNS = 0.17, 3
_AXIS = 0.36
_LABEL_SIZE, _VALUE_SIZE, _NOTE_SIZE = 7.0, 6.0, 6.0
_EDGE, _RIGHT = 0.04, 0.14


class Bar(NamedTuple):
    """A bar ``top`` bars and gaps below the first, in inches."""

    variant: str
    part: str
    value: float
    low: float
    high: float
    top: float


def bars_of(rows: Sequence[Counted]) -> list[Bar]:
    """The bars that are not zero: parts with most detections first, the variants of a part in their order."""
    parts = sorted(rows[0].parts, key=lambda part: -sum(row.parts[part].value for row in rows))
    bars: list[Bar] = []
    for part in parts:
        for row in rows:
            if row.parts[part].value > 0:
                top = 0.0 if not bars else bars[-1].top + _BAR + _BETWEEN * (bars[-1].part != part)
                bars.append(Bar(row.variant, part, *row.parts[part], top))
    return bars


def readable(part: str) -> str:
    """``STRIPED_CIRCLE`` as ``striped circle``."""
    return part.replace("_", " ").lower()


def draw(rows: Sequence[Counted], titles: Mapping[str, str], notes: Sequence[str]) -> Figure:
    """Horizontal bars, one colour a variant, over each part's name."""
    from matplotlib.figure import Figure

    bars, colours = bars_of(rows), colours_of(list(titles))
    legend = _LEGEND_LINE * -(-len(rows) // _LEGEND_COLUMNS) + _EDGE
    plot = (bars[-1].top + _BAR if bars else 3 * _BAR) + _BETWEEN
    note = lines_of(words_of(" ".join(notes)), (ONE_COLUMN - 2 * _EDGE) * POINTS / _NOTE_SIZE)
    total = legend + plot + _AXIS + height_of(note, _NOTE_SIZE) + _EDGE
    names = {bar.part: readable(bar.part) for bar in bars}
    margin = max([width_of(name) for name in names.values()], default=1) * _LABEL_SIZE / POINTS + 0.12
    figure = Figure(figsize=(ONE_COLUMN, total))
    bottom = (total - legend - plot) / total
    axes = figure.add_axes((margin / ONE_COLUMN, bottom, 1 - (margin + _RIGHT) / ONE_COLUMN, plot / total))
    axes.set_ylim(plot - _BETWEEN / 2, -_BETWEEN / 2)
    _draw_bars(axes, bars, colours)
    tops = {part: [bar.top for bar in bars if bar.part == part] for part in names}
    axes.set_yticks([(places[0] + places[-1] + _BAR) / 2 for places in tops.values()], list(names.values()))
    _draw_legend(figure, rows, titles, colours)
    write(figure, Block(note, _NOTE_SIZE, _EDGE, legend + plot + _AXIS, colour=GREY))
    return figure


def _draw_bars(axes: Axes, bars: Sequence[Bar], colours: Mapping[str, str]) -> None:
    for bar in bars:
        middle = bar.top + _BAR / 2
        axes.barh(middle, bar.value, 0.88 * _BAR, color=colours[bar.variant])
        if bar.high > bar.low:
            # A bootstrap interval can lie beside the value.
            reach = [[max(0, bar.value - bar.low)], [max(0, bar.high - bar.value)]]
            axes.errorbar(bar.value, middle, xerr=reach, color=GREY, elinewidth=0.6, capsize=1.2, capthick=0.6)
        end = (max(bar.value, bar.high), middle)
        place = {"textcoords": "offset points", "va": "center_baseline", "fontsize": _VALUE_SIZE}
        axes.annotate(f"{bar.value:.4g}", end, (2.5, 0), **place)
    axes.set_xlim(0, 1.1 * max([bar.high for bar in bars], default=1))
    axes.set_xlabel("number of detections", labelpad=2)
    axes.tick_params(axis="y", length=0, labelsize=_LABEL_SIZE)
    axes.tick_params(axis="x", pad=1.5)
    if not bars:
        axes.text(0.5, 0.5, "no detection in any model", transform=axes.transAxes, ha="center", va="center")


def _draw_legend(
    figure: Figure, rows: Sequence[Counted], titles: Mapping[str, str], colours: Mapping[str, str]
) -> None:
    from matplotlib.patches import Patch

    handles = [Patch(color=colours[row.variant], label=f"{titles[row.variant]} {row.total.value:.5g}") for row in rows]
    look = {"handlelength": 0.9, "handleheight": 0.9, "handletextpad": 0.4, "columnspacing": 1.2, "borderpad": 0.2}
    figure.legend(handles=handles, loc="upper center", ncols=_LEGEND_COLUMNS, borderaxespad=0.2, **look)


def _readable_set(prompts: str) -> str:
    return set_title(prompts) if prompts.startswith(LISTED) else prompts


def notes_of(rows: Sequence[Counted], titles: Mapping[str, str], published: Mapping[str, Published]) -> list[str]:
    """The protocol, the parts that nothing was found of, and the paper's totals of the same methods."""
    every = [record for row in rows for record in row.records]
    seeds = [len({record.seed for record in row.records}) for row in rows]
    parts = [record for record in every if record.metric.startswith("count:")]
    notes = [
        f"{every[0].target}, prompts {_readable_set(every[0].prompts)}: {span_of([record.n for record in every])} "
        f"images a model, {', '.join(sorted({record.features for record in parts}))}; totals in the legend, zero bars "
        "left out."
    ]
    if intervals := sorted({record.interval for record in parts if record.interval}):
        notes.append(f"Error bars: {'; '.join(intervals)}.")
    if max(seeds) > 1:
        notes.append(f"Means over {span_of(seeds)} training seeds; error bars reach over the intervals of all.")
    if silent := [part for part in rows[0].parts if not any(row.parts[part].value for row in rows)]:
        notes.append(f"Never detected: {', '.join(map(readable, silent))}.")
    methods = {row.records[0].method: titles[row.variant] for row in reversed(rows)}
    totals = [f"{methods[method]} {paper.value:g}" for method, paper in published.items() if method in methods]
    if totals:
        task = next(iter(published.values())).task
        other = "" if every[0].prompts.startswith(LISTED) else ", not of these prompts"
        notes.append(f"The paper's totals are of {task}{other}: {', '.join(totals)}.")
    return notes


def main(arguments: argparse.Namespace) -> None:
    titles = titles_of(arguments.variants, "--variants")
    records = of_one_set(read_records(arguments.records), arguments.target, arguments.set)
    rows = counted(records, titles)
    published = {method: paper for (method, _), paper in read_published(arguments.published, "figure4").items()}
    with paper_style():
        save(draw(rows, titles, notes_of(rows, titles, published)), arguments.pdf, arguments.png)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files")
    parser.add_argument(
        "--variants", nargs="+", required=True, metavar="NAME=TITLE", help="the models, in this order, and their titles"
    )
    parser.add_argument("--target", required=True, help="the target that was forgotten")
    parser.add_argument("--set", default="forget_test", help="the prompt set whose images are counted [forget_test]")
    parser.add_argument("--published", type=Path, required=True, metavar="CSV", help="the paper's values")
    add_figure_outputs(parser)
