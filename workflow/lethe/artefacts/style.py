"""The look of all figures: sizes for a two-column paper, one colour for each method, files without dates."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from lethe.files import written_whole

# Widths in inches: one column, both columns.
ONE_COLUMN = 3.35
TWO_COLUMNS = 6.9


class Look(NamedTuple):
    """The colour of a method, and its marker where points are drawn: no two methods share both."""

    colour: str
    marker: str


# Okabe and Ito's colours (2008) first, then Tol's muted ones (2021), each told apart with any colour vision. Together
# they are more than an eye can tell apart, so markers differ where colours are near. Rules of gradients stand among the
# methods; the plain sum is GradDiff's, the restricted one RG's.
_METHODS = {
    "base": Look("#000000", "*"),
    "retrained": Look("#7f7f7f", "P"),
    "destroyed": Look("#bdbdbd", "X"),
    "finetune": Look("#56B4E9", "<"),
    "graddiff": Look("#0072B2", "s"),
    "graddiff_d": Look("#0072B2", "s"),
    "sum": Look("#0072B2", "s"),
    "rg": Look("#009E73", "^"),
    "restricted": Look("#009E73", "^"),
    "rgd": Look("#D55E00", "o"),
    "salun": Look("#E69F00", "D"),
    "random_label": Look("#CC79A7", "v"),
    "gradient_ascent": Look("#7A6A00", ">"),
    "esd": Look("#882255", "h"),
    "esd_u": Look("#CC6677", "p"),
    "esd_x": Look("#AA4499", "d"),
    "doco_first_upload": Look("#44AA99", "v"),
    "doco_release": Look("#117733", ">"),
    "concept_ablation": Look("#999933", "H"),
    "pcgrad_per_tensor": Look("#88CCEE", "D"),
    "mgda": Look("#332288", "p"),
    "cagrad": Look("#C9A227", "h"),
    "nash": Look("#661100", "d"),
}
# For rows that are no method's: a colour that no row beside it has, in one marker after another.
_OTHERS = ("#332288", "#882255", "#44AA99", "#999933", "#AA4499", "#661100")
_OTHER_MARKERS = ("o", "s", "^", "D", "v", "P")

# The two gradients, in figures that show no methods.
FORGET = "#AA3377"
RETAIN = "#147A75"
GREY = "#666666"
# What is to be forgotten: its frame, its words.
FORGOTTEN = "#CC3311"

_LOOK = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "mathtext.fontset": "dejavusans",
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.1,
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # text stays text; journals refuse Type 3 fonts
}


@contextlib.contextmanager
def paper_style() -> Iterator[None]:
    """Draw and save inside; a user's own matplotlib settings do not reach in."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_LOOK)
        yield


def looks_of(variants: Sequence[str]) -> dict[str, Look]:
    """A look for each variant: a method's own where the variant bears its name, else the next of a reserve."""
    taken = {_METHODS[variant].colour for variant in variants if variant in _METHODS}
    free = [colour for colour in _OTHERS if colour not in taken] or list(_OTHERS)
    reserve = [variant for variant in variants if variant not in _METHODS]
    others = {
        variant: Look(free[index % len(free)], _OTHER_MARKERS[index // len(free) % len(_OTHER_MARKERS)])
        for index, variant in enumerate(reserve)
    }
    return {variant: _METHODS.get(variant) or others[variant] for variant in variants}


def colours_of(variants: Sequence[str]) -> dict[str, str]:
    """The colours of :func:`looks_of`."""
    return {variant: look.colour for variant, look in looks_of(variants).items()}


def over_white(colour: str, strength: float) -> tuple[float, float, float]:
    """``colour`` as it looks on white paper with the opacity ``strength``."""
    return tuple(1 - strength * (1 - channel) for channel in to_rgb(colour))


def save(figure: Figure, pdf: str | Path, png: str | Path) -> None:
    """Write both files; neither carries a date, so the same figure gives the same bytes."""
    with written_whole(pdf) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
    with written_whole(png) as temporary:
        figure.savefig(temporary, format="png")
