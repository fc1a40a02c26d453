"""The plane that two gradients span, and what the restricted gradient does in it (RGD paper, Theorem 4)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Gradients(NamedTuple):
    """g_f and g_r in the plane they span, each (2,): lengths and angle are those of the network's gradients."""

    forget: np.ndarray
    retain: np.ndarray

    def projected(self) -> Gradients:
        """delta_f* and delta_r*: on conflict, each gradient's part at right angles to the other (Theorem 4)."""
        cross = float(self.forget @ self.retain)
        if cross >= 0:
            return self
        return Gradients(
            self.forget - cross / float(self.retain @ self.retain) * self.retain,
            self.retain - cross / float(self.forget @ self.forget) * self.forget,
        )

    @property
    def sum(self) -> np.ndarray:
        return self.forget + self.retain


def in_plane(forget_norm: float, retain_norm: float, cosine: float) -> Gradients:
    """Coordinates of two gradients from their Gram matrix, which they reproduce exactly.

    The descent directions -g_f (left) and -g_r (right) lie symmetrically about the upward axis, so that the directions
    in which both losses fall open upwards.
    """
    half = math.acos(min(max(cosine, -1.0), 1.0)) / 2
    across, up = math.sin(half), math.cos(half)
    return Gradients(np.array([across, -up]) * forget_norm, np.array([-across, -up]) * retain_norm)
