"""Where in the network forgetting and keeping pull apart: the cosine of the two gradients for each tensor and step, and
in how many steps it is negative, for each row. Writes the share and the mean cosine of each tensor as csv too."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lethe.artefacts.naming import CellName, cell_named, check_parallel, title_of, titles_of
from lethe.artefacts.outputs import add_figure_outputs
from lethe.artefacts.style import GREY, TWO_COLUMNS, colours_of, paper_style, save
from lethe.errors import LetheError
from lethe.files import read_arrays, write_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "conflict of the two gradients by tensor and step"
COLUMNS = ("variant", "target", "seed", "layer", "tensor", "steps", "conflicting", "share", "mean_cosine")
_ARRAYS = ("forget_square", "cross", "retain_square")
_MOST_COLUMNS = 240  # steps beyond are drawn as means of neighbouring ones
_ROOM = 0.05  # share of a panel's height that a layer's name takes
_LAYER = re.compile(r"(down|up)_blocks\.(\d+)|(mid)_block|(conv_in|time_embedding|time_proj)")


class Conflict(NamedTuple):
    """The cosines (tensors, steps) of one cell, NaN where a gradient vanished, with the tensors' names and layers."""

    cell: CellName
    cosine: np.ndarray
    tensors: list[str]
    layers: list[str]

    @property
    def share(self) -> np.ndarray:
        """Of the steps with a cosine, how many have a negative one: (tensors,), NaN for a tensor without any."""
        known = np.isfinite(self.cosine).sum(axis=1)
        return np.where(known > 0, (self.cosine < 0).sum(axis=1) / np.maximum(known, 1), np.nan)


def layer_of(tensor: str) -> tuple[int, int, str]:
    """Where a tensor stands on the way through the U-Net, as a key to sort by, and what that is called."""
    found = _LAYER.match(tensor)
    if found is None:
        return (4, 0, "out")
    side, number, middle, _ = found.groups()
    if side:
        return (1 if side == "down" else 3, int(number), f"{side} {number}")
    return (2, 0, "mid") if middle else (0, 0, "in")


def read_conflict(cell: CellName, path: Path) -> Conflict:
    """LetheError for a file of another kind, or of a method in which two gradients never met."""
    arrays, made = read_arrays(path)
    if not set(_ARRAYS) <= arrays.keys() or "tensors" not in made:
        raise LetheError(
            f"{path}: not a file of gradients by tensor", "give the conflict.safetensors of an unlearn job"
        )
    forget, cross, retain = (arrays[name].astype(np.float64) for name in _ARRAYS)
    norms = np.sqrt(forget * retain)
    cosine = np.divide(cross, norms, out=np.full_like(cross, np.nan), where=norms > 0)
    cosine = cosine[np.isfinite(cosine).any(axis=1)]
    if not cosine.size:
        raise LetheError(f"{path}: in no step of {cell.variant} two gradients meet", "leave this row out of the figure")
    order = sorted(range(len(made["tensors"])), key=lambda place: layer_of(made["tensors"][place])[:2])
    tensors = [made["tensors"][place] for place in order]
    return Conflict(cell, cosine.T[order], tensors, [layer_of(tensor)[2] for tensor in tensors])


def columns_of(cosine: np.ndarray, most: int = _MOST_COLUMNS) -> np.ndarray:
    """``cosine`` (tensors, steps) as at most ``most`` columns, each the mean of neighbouring steps that have one."""
    parts = np.array_split(np.arange(cosine.shape[1]), min(most, cosine.shape[1]))
    known = np.isfinite(cosine)
    sums = np.stack([np.where(known, cosine, 0)[:, part].sum(axis=1) for part in parts], axis=1)
    counts = np.stack([known[:, part].sum(axis=1) for part in parts], axis=1)
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def draw(conflicts: Sequence[Conflict], titles: Mapping[str, str]) -> Figure:
    """A row of two panels for each cell: cosines over the steps, layer by layer, and the share of conflicting steps."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(TWO_COLUMNS, 0.45 + 1.75 * len(conflicts)), layout="constrained")
    grid = figure.subplots(len(conflicts), 2, squeeze=False, width_ratios=(4, 1))
    colours = colours_of([conflict.cell.variant for conflict in conflicts])
    most = max(float(np.nanmax(np.abs(columns_of(conflict.cosine)))) for conflict in conflicts)
    for (left, right), conflict in zip(grid, conflicts, strict=True):
        size, steps = conflict.cosine.shape
        shown = left.imshow(
            columns_of(conflict.cosine),
            cmap="RdBu",
            vmin=-most,
            vmax=most,
            aspect="auto",
            interpolation="nearest",
            extent=(0, steps, size, 0),
        )
        share = float((conflict.cosine < 0).sum() / np.isfinite(conflict.cosine).sum())
        left.set_title(
            f"{titles[conflict.cell.variant]}: {size} tensors, in conflict in {100 * share:.0f} % of {steps} steps",
            loc="left",
        )
        right.barh(np.arange(size) + 0.5, conflict.share, height=1, color=colours[conflict.cell.variant])
        right.set_ylim(size, 0)
        right.set_xlim(0, 1)
        right.axvline(0.5, color=GREY, linewidth=0.5, linestyle=(0, (2, 2)))
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        _layers(left, right, conflict.layers)
    grid[-1, 0].set_xlabel("steps in which both gradients meet")
    grid[-1, 1].set_xlabel("share of steps in conflict")
    bar = figure.colorbar(shown, ax=grid[:, 0].tolist(), location="bottom", shrink=0.5, aspect=40, pad=0.03)
    bar.set_label("cosine of forget and retain gradient (red: conflict)")
    bar.outline.set_linewidth(0.4)
    return figure


def _layers(left: Any, right: Any, layers: Sequence[str]) -> None:
    """Names at the middle of each layer's tensors, white lines between two layers."""
    names = list(dict.fromkeys(layers))
    starts = [layers.index(name) for name in names]
    ends = [*starts[1:], len(layers)]
    # A layer of few tensors among many has no room for its name.
    ticks = {n: (s + e) / 2 for n, s, e in zip(names, starts, ends, strict=True) if e - s >= _ROOM * len(layers)}
    left.set_yticks(list(ticks.values()), list(ticks))
    left.tick_params(axis="y", length=0)
    right.set_yticks([])
    for axes, colour in ((left, "white"), (right, GREY)):
        for start in starts[1:]:
            axes.axhline(start, color=colour, linewidth=0.8 if axes is left else 0.3)
    for spine in left.spines.values():
        spine.set_visible(False)


def csv_rows(conflicts: Sequence[Conflict]) -> list[dict[str, Any]]:
    return [
        {
            **conflict.cell._asdict(),
            "layer": layer,
            "tensor": tensor,
            "steps": int(np.isfinite(cosine).sum()),
            "conflicting": int((cosine < 0).sum()),
            "share": "" if np.isnan(share) else float(share),
            "mean_cosine": float(np.nanmean(cosine)) if np.isfinite(cosine).any() else "",
        }
        for conflict in conflicts
        for layer, tensor, cosine, share in zip(
            conflict.layers, conflict.tensors, conflict.cosine, conflict.share, strict=True
        )
    ]


def main(arguments: argparse.Namespace) -> None:
    cells = [cell_named(word) for word in arguments.cells]
    check_parallel(cells, arguments.conflicts, "--conflicts")
    given = titles_of(arguments.titles, "--titles")
    titles = {cell.variant: title_of(given, cell.variant) for cell in cells}
    conflicts = [read_conflict(cell, path) for cell, path in zip(cells, arguments.conflicts, strict=True)]
    with paper_style():
        save(draw(conflicts, titles), arguments.pdf, arguments.png)
    write_rows(arguments.csv, COLUMNS, csv_rows(conflicts))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cells", nargs="+", required=True, metavar="VARIANT/TARGET/SEED", help="the cells shown")
    parser.add_argument(
        "--conflicts",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="their conflict.safetensors, in that order",
    )
    parser.add_argument("--titles", nargs="+", required=True, metavar="NAME=TITLE", help="titles of the variants")
    add_figure_outputs(parser, numbers=True)
