"""What happens while a model forgets: losses, gradient norms, their cosine and the share of conflicting steps, for each
method over its targets. Lines are means over targets, bands their range. Writes the drawn numbers as csv too."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from lethe.artefacts.naming import CellName, cell_named, check_parallel, title_of, titles_of
from lethe.artefacts.outputs import add_figure_outputs
from lethe.artefacts.steps import read_steps
from lethe.artefacts.style import GREY, TWO_COLUMNS, colours_of, paper_style, save
from lethe.errors import LetheError
from lethe.files import write_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "losses, gradient norms and conflicts step by step"
COLUMNS = ("variant", "title", "quantity", "step", "mean", "min", "max", "n_targets", "n_seeds")


class Panel(NamedTuple):
    quantity: str
    title: str
    is_log: bool = False


PANELS = (
    Panel("forget_loss", "forget loss $L_f$"),
    Panel("forget_norm", r"$\Vert\nabla L_f\Vert$", is_log=True),
    Panel("cosine", r"cosine of $\nabla L_f$ and $\nabla L_r$"),
    Panel("retain_loss", "retain loss $L_r$"),
    Panel("retain_norm", r"$\Vert\nabla L_r\Vert$", is_log=True),
    Panel("conflict_share", "share of conflicting steps so far"),
)
_READ = ("step", "forget_loss", "retain_loss", "forget_norm", "retain_norm", "cosine", "conflict")


def read_cells(cells: Sequence[CellName], paths: Sequence[Path]) -> pd.DataFrame:
    """All steps of all cells in one table, with variant, target, seed and the running share of conflicting steps.

    The share counts the steps that have a cosine. LetheError for a cell given twice, or cells of one variant with
    different numbers of steps: their mean would change its meaning on the way.
    """
    tables, lengths, seen = [], {}, set()
    for cell, path in zip(cells, paths, strict=True):
        if cell in seen:
            raise LetheError(f"--cells: {'/'.join(cell)} is there twice", "name each cell once")
        seen.add(cell)
        table = read_steps(path, _READ)
        first, length = lengths.setdefault(cell.variant, (path, len(table)))
        if length != len(table):
            raise LetheError(
                f"{path} has {len(table)} steps, {first} of the same variant {length}", "run both with the same steps"
            )
        table["conflict_share"] = table["conflict"].expanding().mean().where(table["conflict"].notna())
        tables.append(table.assign(**cell._asdict()))
    return pd.concat(tables, ignore_index=True)


def summarise_steps(steps: pd.DataFrame) -> pd.DataFrame:
    """Mean, minimum and maximum over targets (each the mean of its seeds) of each quantity, variant and step.

    Rows in the order of the variants' first cells, the panels and the steps; blanks are left out.
    """
    order = {variant: index for index, variant in enumerate(steps["variant"].unique())}
    parts = []
    for panel in PANELS:
        present = steps.dropna(subset=[panel.quantity])
        by_target = present.groupby(["variant", "step", "target"])[panel.quantity].agg(["mean", "count"]).reset_index()
        over_targets = by_target.groupby(["variant", "step"]).agg(
            mean=("mean", "mean"),
            min=("mean", "min"),
            max=("mean", "max"),
            n_targets=("target", "size"),
            n_seeds=("count", "max"),
        )
        parts.append(over_targets.reset_index().assign(quantity=panel.quantity))
    table = pd.concat(parts, ignore_index=True)
    table["step"] = table["step"].astype(int)
    return table.sort_values("variant", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def draw(summary: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Six small panels over the steps; one line and band a variant."""
    from matplotlib.figure import Figure

    variants = list(summary["variant"].unique())
    colours = colours_of(variants)
    figure = Figure(figsize=(TWO_COLUMNS, 3.5), layout="constrained")
    grid = figure.subplots(2, 3, sharex=True)
    for axes, panel in zip(grid.flat, PANELS, strict=True):
        for variant in variants:
            line = summary[(summary["variant"] == variant) & (summary["quantity"] == panel.quantity)]
            if line.empty:
                continue
            axes.fill_between(line["step"], line["min"], line["max"], color=colours[variant], alpha=0.18, linewidth=0)
            axes.plot(line["step"], line["mean"], color=colours[variant])
        axes.set_title(panel.title, loc="left")
        _frame(axes, panel)
    for axes in grid[1]:
        axes.set_xlabel("step")
    _legend(figure, summary, titles, colours)
    return figure


def _frame(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.margins(x=0.01)
    if panel.is_log:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        # Few decades need labels between them, many have no room for these.
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
    if panel.quantity == "cosine":
        axes.axhline(0, color=GREY, linewidth=0.6, zorder=0)
        axes.set_ylim(-1.05, max(0.3, axes.get_ylim()[1]))
    if panel.quantity == "conflict_share":
        axes.set_ylim(-0.03, 1.03)


def _legend(figure: Figure, summary: pd.DataFrame, titles: Mapping[str, str], colours: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for variant, part in summary.groupby("variant", sort=False):
        targets, seeds = int(part["n_targets"].max()), int(part["n_seeds"].max())
        words = f"{targets} target{'s' * (targets > 1)}" + (f", {seeds} seeds each" if seeds > 1 else "")
        handles.append(Line2D([], [], color=colours[variant], linewidth=2, label=f"{titles[variant]} ({words})"))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(4, len(handles)))


def main(arguments: argparse.Namespace) -> None:
    cells = [cell_named(word) for word in arguments.cells]
    check_parallel(cells, arguments.trajectories, "--trajectories")
    given = titles_of(arguments.titles, "--titles")
    titles = {cell.variant: title_of(given, cell.variant) for cell in cells}
    summary = summarise_steps(read_cells(cells, arguments.trajectories))
    if missing := [variant for variant in titles if variant not in set(summary["variant"])]:
        raise LetheError(f"the trajectories of {missing[0]} hold no loss and no gradient", "leave this variant out")
    summary["title"] = summary["variant"].map(titles)
    with paper_style():
        save(draw(summary, titles), arguments.pdf, arguments.png)
    write_rows(arguments.csv, COLUMNS, summary[list(COLUMNS)].to_dict("records"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cells", nargs="+", required=True, metavar="VARIANT/TARGET/SEED", help="the cells shown")
    parser.add_argument(
        "--trajectories", type=Path, nargs="+", required=True, metavar="CSV", help="their trajectories, in that order"
    )
    parser.add_argument("--titles", nargs="+", required=True, metavar="NAME=TITLE", help="titles of the variants")
    add_figure_outputs(parser, numbers=True)
