"""Figure 2 of the RGD paper, from real gradients: the sum of two conflicting gradients, and the restricted gradient.

The step shown is, among the conflicting steps of a trajectory, the one whose cosine is nearest to their median. Norms
and cosine are the Gram matrix of g_f and g_r, which places both exactly in the plane they span."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from lethe.artefacts.outputs import add_figure_outputs
from lethe.artefacts.plane import in_plane
from lethe.artefacts.scene import SHAPE, Scene, fit, legend_entries, magnified, short_side
from lethe.artefacts.steps import read_steps
from lethe.artefacts.style import GREY, TWO_COLUMNS, paper_style, save
from lethe.artefacts.typeset import MINUS, number
from lethe.errors import LetheError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Figure 2: the restricted gradient, drawn from real gradients"
_COLUMNS = ("step", "forget_norm", "retain_norm", "cosine", "conflict")


class Step(NamedTuple):
    """A conflicting step and what it was chosen from."""

    number: int
    forget_norm: float
    retain_norm: float
    cosine: float
    median_cosine: float
    conflicting: int
    steps: int


def choose_step(table: pd.DataFrame, path: str | Path) -> Step:
    """Of the steps whose gradients conflict, the one with the cosine nearest to their median (the first of equals)."""
    conflicting = table[table["conflict"] == 1]
    if conflicting.empty:
        raise LetheError(
            f"{path}: in none of its {len(table)} steps do the gradients conflict",
            "give the trajectory of another target, seed or method; Figure 2 shows a conflict",
        )
    median = float(conflicting["cosine"].median())
    chosen = conflicting.loc[(conflicting["cosine"] - median).abs().idxmin()]
    return Step(
        int(chosen["step"]),
        float(chosen["forget_norm"]),
        float(chosen["retain_norm"]),
        float(chosen["cosine"]),
        median,
        len(conflicting),
        len(table),
    )


def draw(step: Step, title: str, retain_weight: float) -> Figure:
    """Two panels to one scale: (a) the sum, (b) the projections and their sum. Arrows are descent directions."""
    from matplotlib.figure import Figure

    gradients = in_plane(step.forget_norm, step.retain_norm * retain_weight, step.cosine)
    weight = "" if retain_weight == 1 else r"\lambda"
    figure = Figure(figsize=(TWO_COLUMNS, 3.3))
    panels = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.01, right=0.99, wspace=0.03)
    bottom = 0.335
    height = panels[0].get_position().width * TWO_COLUMNS / SHAPE / figure.get_figheight()
    figure.subplots_adjust(bottom=bottom, top=bottom + height)
    view, side = fit(gradients), short_side(gradients)
    for axes, restricted in zip(panels, (False, True), strict=True):
        scene = Scene(axes, view, gradients, weight, restricted)
        if side:
            magnified(scene, side)
        combined = (gradients.projected() if restricted else gradients).sum
        slopes = -float(combined @ gradients.forget), -float(combined @ gradients.retain) / retain_weight
        words = ", ".join(f"$L_{name}$ {_direction(slope)}" for name, slope in zip("fr", slopes, strict=True))
        axes.text(0.5, -0.03, f"along the black arrow: {words}", transform=axes.transAxes, ha="center", va="top")
    panels[0].set_title(f"(a) sum: $\\nabla L_f + {weight}\\nabla L_r$")
    panels[1].set_title(f"(b) restricted gradient: $\\delta_f^* + {weight}\\delta_r^*$")
    figure.suptitle(title, y=0.985, fontsize=8.5)
    figure.legend(handles=legend_entries(), loc="lower center", bbox_to_anchor=(0.5, 0.175), ncols=4, columnspacing=2)
    figure.text(0.5, 0.015, _caption(step, retain_weight), ha="center", va="bottom", color=GREY, linespacing=1.4)
    return figure


def _direction(slope: float) -> str:
    verb = "falls" if slope < 0 else "rises" if slope > 0 else "stays"
    return f"{verb} ({slope:+.3g})".replace("-", MINUS)


def _caption(step: Step, retain_weight: float) -> str:
    weight = "" if retain_weight == 1 else f"   $\\lambda = {retain_weight:g}$"
    return (
        f"Step {step.number} (steps 0 to {step.steps - 1}): of the {step.conflicting} conflicting ones, that with the "
        f"cosine nearest to their median, {number(step.median_cosine, 3)}.\n"
        f"$\\Vert\\nabla L_f\\Vert = {step.forget_norm:.3g}$   $\\Vert\\nabla L_r\\Vert = {step.retain_norm:.3g}$   "
        f"$\\cos = {step.cosine:.3f}${weight}\n"
        "Arrows: descent directions in the plane that both gradients span, to scale. In parentheses: the loss's slope."
    )


def main(arguments: argparse.Namespace) -> None:
    if not (math.isfinite(arguments.retain_weight) and arguments.retain_weight > 0):
        raise LetheError(f"--retain-weight {arguments.retain_weight}: no conflict can be drawn", "give more than 0")
    step = choose_step(read_steps(arguments.trajectory, _COLUMNS), arguments.trajectory)
    with paper_style():
        save(draw(step, arguments.title, arguments.retain_weight), arguments.pdf, arguments.png)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--trajectory", type=Path, required=True, metavar="CSV", help="one cell's trajectory")
    parser.add_argument("--title", required=True, help="title of the figure: method, study, target")
    parser.add_argument(
        "--retain-weight", type=float, default=1.0, help="the paper's lambda: draws lambda g_r [1, the paper's sketch]"
    )
    add_figure_outputs(parser)
