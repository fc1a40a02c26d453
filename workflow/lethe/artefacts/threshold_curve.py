"""How many detections each model has left, whatever threshold the detector is used with: a method that only pushes
scores below the usual one is seen to. Lines are means over training seeds, bands their range."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lethe.artefacts.naming import CellName, cell_named, check_parallel, title_of, titles_of
from lethe.artefacts.outputs import add_figure_outputs
from lethe.artefacts.style import GREY, ONE_COLUMN, colours_of, paper_style, save
from lethe.artefacts.typeset import span_of
from lethe.errors import LetheError, nearest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "detections against the detector's threshold, model by model"
_COLUMNS = ("prompts", "threshold", "detections", "detected")
_LINEAR_UP_TO = 30


def read_curve(path: str | Path, prompts: str) -> pd.Series:
    """Detections by threshold, ascending, in the images of the prompt set ``prompts``."""
    remedy = "give a threshold.csv of the measure stage, or run that stage again"
    try:
        table = pd.read_csv(path, dtype={"prompts": str})
        if missing := [name for name in _COLUMNS if name not in table.columns]:
            raise LetheError(f"{path}: a threshold curve has the column '{missing[0]}', this file has not", remedy)
        numbers = table[["threshold", "detections"]].astype("float64")
    except FileNotFoundError:
        raise LetheError(f"{path}: no such file", remedy) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError) as error:
        raise LetheError(f"{path}: not a threshold curve ({error})", remedy) from None
    own = numbers[table["prompts"] == prompts]
    if own.empty:
        known = list(table["prompts"].unique())
        raise LetheError(f"{path}: no row of the prompt set '{prompts}'", nearest(prompts, known) if known else remedy)
    curve = own.set_index("threshold")["detections"].sort_index()
    if curve.isna().any() or curve.index.has_duplicates or curve.index.hasnans:
        raise LetheError(f"{path}: a threshold of {prompts} is there twice, or blank", remedy)
    return curve


def curves_of(cells: Sequence[CellName], paths: Sequence[Path], prompts: str) -> dict[str, pd.DataFrame]:
    """By variant, a table of detections: one row a threshold, one column a training seed; all of one target."""
    targets = sorted({cell.target for cell in cells})
    if len(targets) > 1:
        raise LetheError(f"--cells: cells of {len(targets)} targets, {' and '.join(targets)}", "show one target")
    seeds: dict[str, dict[str, pd.Series]] = {}
    first: pd.Series | None = None
    for cell, path in zip(cells, paths, strict=True):
        curve = read_curve(path, prompts)
        first = curve if first is None else first
        if not curve.index.equals(first.index):
            raise LetheError(
                f"{path} has other thresholds than {paths[0]}", "measure both cells with the same thresholds"
            )
        if cell.seed in seeds.setdefault(cell.variant, {}):
            raise LetheError(f"--cells: {'/'.join(cell)} is there twice", "name each cell once")
        seeds[cell.variant][cell.seed] = curve
    return {variant: pd.DataFrame(curves) for variant, curves in seeds.items()}


def draw(curves: Mapping[str, pd.DataFrame], titles: Mapping[str, str], used: float) -> Figure:
    """One line and band a variant; the threshold in use as an upright line, a dot where a curve has it."""
    from matplotlib.figure import Figure

    colours = colours_of(list(curves))
    figure = Figure(figsize=(ONE_COLUMN, 2.5), layout="constrained")
    axes = figure.subplots()
    for variant, table in curves.items():
        mean = table.mean(axis=1)
        if table.shape[1] > 1:
            band = table.min(axis=1), table.max(axis=1)
            axes.fill_between(table.index, *band, color=colours[variant], alpha=0.18, linewidth=0)
        axes.plot(mean.index, mean, color=colours[variant], label=titles[variant], clip_on=False)
        at_used = mean[np.isclose(mean.index, used)]
        axes.plot(at_used.index, at_used, "o", color=colours[variant], markersize=3, clip_on=False)
    axes.axvline(used, color=GREY, linewidth=0.6, linestyle="--", zorder=0)
    axes.text(used, 1.02, f"used: {used:g}", transform=axes.get_xaxis_transform(), ha="center", color=GREY)
    _scale(axes, max(table.to_numpy().max() for table in curves.values()))
    seeds = [table.shape[1] for table in curves.values()]
    over = f"\nmeans and ranges over {span_of(seeds)} training seeds" if max(seeds) > 1 else ""
    axes.set_xlabel(f"threshold of the detector's score{over}")
    axes.margins(x=0.02)
    figure.legend(loc="outside upper center", ncols=3, handlelength=1.2, handletextpad=0.5, columnspacing=1.2)
    return figure


def _scale(axes: Axes, most: float) -> None:
    """Logarithmic from 1 on where counts differ much, but with a zero: none left is what is sought."""
    from matplotlib.ticker import NullLocator

    if most > _LINEAR_UP_TO:
        axes.set_yscale("symlog", linthresh=1, linscale=0.4)
        decades = 10 ** np.arange(np.ceil(np.log10(most)) + 1)
        axes.set_yticks([0, *decades[decades <= 1.2 * most]])
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
        axes.set_ylabel("number of detections (log)")
    else:
        axes.set_ylabel("number of detections")
    axes.set_ylim(0, 1.15 * max(most, 1))


def main(arguments: argparse.Namespace) -> None:
    cells = [cell_named(word) for word in arguments.cells]
    check_parallel(cells, arguments.curves, "--curves")
    given = titles_of(arguments.titles, "--titles")
    titles = {cell.variant: title_of(given, cell.variant) for cell in cells}
    curves = curves_of(cells, arguments.curves, arguments.set)
    with paper_style():
        save(draw(curves, titles, arguments.threshold), arguments.pdf, arguments.png)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cells", nargs="+", required=True, metavar="VARIANT/TARGET/SEED", help="the cells shown")
    parser.add_argument(
        "--curves", type=Path, nargs="+", required=True, metavar="CSV", help="their threshold curves, in that order"
    )
    parser.add_argument("--titles", nargs="+", required=True, metavar="NAME=TITLE", help="titles of the variants")
    parser.add_argument("--set", default="forget_test", help="the prompt set whose images are counted [forget_test]")
    parser.add_argument("--threshold", type=float, required=True, help="the threshold that the records were made with")
    add_figure_outputs(parser)
