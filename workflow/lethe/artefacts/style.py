"""The look of all figures: sizes for a two-column paper, one colour for each method, files without dates."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from lethe.files import written_whole

# Widths in inches: one column, both columns.
ONE_COLUMN = 3.35
TWO_COLUMNS = 6.9

# Okabe and Ito's colours (2008), told apart with any colour vision.
_METHODS = {
    "base": "#000000",
    "retrained": "#7f7f7f",
    "destroyed": "#bdbdbd",
    "finetune": "#56B4E9",
    "graddiff": "#0072B2",
    "rg": "#009E73",
    "rgd": "#D55E00",
    "salun": "#E69F00",
    "random_label": "#CC79A7",
    "gradient_ascent": "#7A6A00",
}
_OTHERS = ("#332288", "#882255", "#44AA99", "#999933", "#AA4499", "#661100")

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


def colours_of(variants: Sequence[str]) -> dict[str, str]:
    """A colour for each variant: a method's own where the variant bears its name, else the next of a reserve."""
    reserve = (variant for variant in variants if variant not in _METHODS)
    others = {variant: _OTHERS[index % len(_OTHERS)] for index, variant in enumerate(reserve)}
    return {variant: _METHODS.get(variant) or others[variant] for variant in variants}


def over_white(colour: str, strength: float) -> tuple[float, float, float]:
    """``colour`` as it looks on white paper with the opacity ``strength``."""
    return tuple(1 - strength * (1 - channel) for channel in to_rgb(colour))


def save(figure: Figure, pdf: str | Path, png: str | Path) -> None:
    """Write both files; neither carries a date, so the same figure gives the same bytes."""
    with written_whole(pdf) as temporary:
        figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
    with written_whole(png) as temporary:
        figure.savefig(temporary, format="png")
