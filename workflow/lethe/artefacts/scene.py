"""A panel of Figure 2: descent directions from one origin, and the half-planes in which each loss falls."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lethe.artefacts.plane import Gradients
from lethe.artefacts.style import FORGET, GREY, RETAIN, over_white

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# Width of a panel over its height.
SHAPE = 2.0
_SUM = "#000000"
_SHADE = 0.13
_FAINT = 0.4
# Where one gradient is more times as long as the other, the surroundings of the origin are shown magnified too.
_READABLE = 12.0
_LOPSIDED = 4.0
_INSET = 0.31


class View(NamedTuple):
    """What a panel shows: limits of x and y; arrows that end within ``crowded`` of the origin carry no label."""

    left: float
    right: float
    bottom: float
    top: float
    crowded: float = 0.0


def short_side(gradients: Gradients) -> int:
    """Where the shorter gradient points, if it is too short to be seen beside the other: -1 left, 1 right, else 0."""
    forget, retain = np.linalg.norm(gradients, axis=1)
    if max(forget, retain) <= _READABLE * min(forget, retain):
        return 0
    return -1 if forget < retain else 1


def fit(gradients: Gradients) -> View:
    """Limits with the origin, all tips and room for their labels; on the short side, room for the inset."""
    projected, side = gradients.projected(), short_side(gradients)
    tips = -np.array([*gradients, *projected, gradients.sum, projected.sum, np.zeros(2)])
    (left, low), (right, high) = tips.min(axis=0), tips.max(axis=0)
    margins = {-1: (_INSET + 0.14, 0.14), 0: (0.14, 0.14), 1: (0.14, _INSET + 0.14)}[side]
    width = (right - left) / (1 - sum(margins))
    height = (high - low) / (1 - 0.08 - 0.15)
    spare = max(0.0, SHAPE * height - width)
    left -= width * margins[0] + spare * (1 - side) / 2
    right += width * margins[1] + spare * (1 + side) / 2
    bottom = low - 0.08 * (right - left) / SHAPE
    crowded = 1.5 * float(np.linalg.norm(gradients, axis=1).min()) if side else 0.03 * (right - left)
    return View(left, right, bottom, bottom + (right - left) / SHAPE, crowded)


class Scene:
    """Draws on ``axes`` the two gradients and their sum or, if ``restricted``, their projections and the sum of those.

    ``weight`` is what stands before the retain gradient in the labels.
    """

    def __init__(self, axes: Axes, view: View, gradients: Gradients, weight: str, restricted: bool) -> None:
        self.axes, self.view, self.gradients, self.weight, self.restricted = axes, view, gradients, weight, restricted
        axes.set(xlim=(view.left, view.right), ylim=(view.bottom, view.top), xticks=[], yticks=[])
        axes.set_aspect("equal")
        axes.spines[:].set_visible(False)
        self._half_planes()
        self._given(_FAINT if restricted else 1.0)
        if restricted:
            self._projections()
        self._combined()

    def _half_planes(self) -> None:
        """Shade where each loss falls: where the shades meet, both do."""
        far = 4 * max(map(abs, self.view[:4]))
        for gradient, colour in zip(self.gradients, (FORGET, RETAIN), strict=True):
            inwards = -gradient / np.linalg.norm(gradient)
            along = np.array([-inwards[1], inwards[0]])
            corners = np.array([along, along + inwards, inwards - along, -along]) * far
            self.axes.fill(*corners.T, color=colour, alpha=_SHADE, linewidth=0, zorder=0)
            self._line(along * far, -along * far, colour, 0.6, (0, (5, 3)))

    def _given(self, strength: float) -> None:
        for gradient, colour, name, side in (
            (self.gradients.forget, FORGET, r"-\nabla L_f", -1),
            (self.gradients.retain, RETAIN, rf"-{self.weight}\nabla L_r", 1),
        ):
            self._arrow(-gradient, over_white(colour, strength))
            self._label(-gradient, name, colour, (4 * side, -3))

    def _projections(self) -> None:
        for gradient, projection, colour, name, side in zip(
            self.gradients,
            self.gradients.projected(),
            (FORGET, RETAIN),
            (r"-\delta_f^*", rf"-{self.weight}\delta_r^*"),
            (-1, 1),
            strict=True,
        ):
            self._line(-gradient, -projection, GREY, 0.8, ":")
            self._right_angle(-projection, projection, projection - gradient)
            self._arrow(-projection, colour)
            self._label(-projection, name, colour, (5 * side, 1))

    def _combined(self) -> None:
        pair = self.gradients.projected() if self.restricted else self.gradients
        name = rf"\delta_f^* + {self.weight}\delta_r^*" if self.restricted else rf"\nabla L_f + {self.weight}\nabla L_r"
        for gradient in pair:
            self._line(-gradient, -pair.sum, GREY, 0.5, "-")
        self._arrow(-pair.sum, _SUM, 2)
        # Where one of the pair is nearly all of the sum, its label is near too: the sum's goes to the other side.
        forget, retain = np.linalg.norm(pair, axis=1)
        aside = 1 if forget > _LOPSIDED * retain else -1 if retain > _LOPSIDED * forget else 0
        self._label(-pair.sum, f"-({name})", _SUM, (2 * aside, 4))

    def _line(self, start: np.ndarray, end: np.ndarray, colour: str, width: float, style: object) -> None:
        self.axes.plot(*np.array([start, end]).T, color=colour, linewidth=width, linestyle=style, zorder=2)

    def _arrow(self, tip: np.ndarray, colour: object, width: float = 1.6) -> None:
        from matplotlib.patches import FancyArrowPatch

        head = "-|>,head_length=4.5,head_width=2.2"
        self.axes.add_patch(
            FancyArrowPatch(
                (0, 0),
                tuple(tip),
                arrowstyle=head,
                shrinkA=0,
                shrinkB=0,
                color=colour,
                linewidth=width,
                joinstyle="miter",
                zorder=3,
            )
        )

    def _label(self, tip: np.ndarray, name: str, colour: str, offset: tuple[float, float]) -> None:
        from matplotlib.patheffects import withStroke

        view = self.view
        if np.linalg.norm(tip) < view.crowded or not (view.left < tip[0] < view.right and tip[1] < view.top):
            return
        across = "left" if offset[0] > 0 else "right" if offset[0] < 0 else "center"
        up = "top" if offset[1] < 0 else "bottom"
        text = self.axes.annotate(
            f"${name}$", tip, offset, textcoords="offset points", color=colour, ha=across, va=up, fontsize=8, zorder=4
        )
        text.set_path_effects([withStroke(linewidth=2, foreground="white", alpha=0.8)])

    def _right_angle(self, corner: np.ndarray, one: np.ndarray, other: np.ndarray) -> None:
        """The small square at ``corner`` between two directions at right angles."""
        lengths = np.linalg.norm(one), np.linalg.norm(other)
        size = min(0.02 * (self.view.right - self.view.left), 0.6 * min(lengths))
        if size > 0:
            one, other = one / lengths[0] * size, other / lengths[1] * size
            self.axes.plot(*np.add(corner, [one, one + other, other]).T, color=_SUM, linewidth=0.6, zorder=2)


def magnified(scene: Scene, side: int) -> None:
    """The surroundings of the origin again, in the free corner of the panel on ``side``."""
    from matplotlib.patheffects import withStroke

    short = float(np.linalg.norm(scene.gradients, axis=1).min())
    size = 2.4 * short
    left, bottom = (-0.25 if side > 0 else -0.75) * size, -0.2 * size
    inset = scene.axes.inset_axes((0.99 - _INSET if side > 0 else 0.01, 0.03, _INSET, _INSET * SHAPE))
    inset.set_facecolor("white")
    Scene(inset, View(left, left + size, bottom, bottom + size), scene.gradients, scene.weight, scene.restricted)
    inset.spines[:].set(visible=True, color=GREY)
    factor = (scene.view.right - scene.view.left) * _INSET / size
    words = inset.text(
        0.5, 1.02, f"magnified {factor:.2g} times", transform=inset.transAxes, ha="center", va="bottom", color=GREY
    )
    words.set_path_effects([withStroke(linewidth=2, foreground="white", alpha=0.8)])
    scene.axes.indicate_inset((left, bottom, size, size), edgecolor=GREY, linewidth=0.6, alpha=1)


def legend_entries() -> list[Artist]:
    from matplotlib.patches import Patch

    forget, retain = over_white(FORGET, _SHADE), over_white(RETAIN, _SHADE)
    both = tuple(
        (1 - _SHADE) * below + _SHADE * above for below, above in zip(forget, over_white(RETAIN, 1), strict=True)
    )
    return [
        Patch(facecolor=forget, label="only the forget loss $L_f$ falls"),
        Patch(facecolor=retain, label="only the retain loss $L_r$ falls"),
        Patch(facecolor=both, label="both fall"),
        Patch(facecolor="white", edgecolor=GREY, linewidth=0.5, label="both rise"),
    ]
