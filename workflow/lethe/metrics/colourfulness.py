"""Colourfulness of an image: 0 for a grey one, about 100 for a very colourful photograph."""

from __future__ import annotations

import numpy as np

from lethe.metrics.metric import ImageMetric


def colourfulness(images: np.ndarray) -> np.ndarray:
    """sqrt(s_rg^2 + s_yb^2) + 0.3 sqrt(m_rg^2 + m_yb^2), with mean m and deviation s over the pixels of rg = R - G and
    yb = (R + G) / 2 - B, R, G, B in 0..255 (Hasler & Suesstrunk 2003, section 7)."""
    if images.shape[1] == 1:
        return np.zeros(len(images))
    red, green, blue = images.astype(np.float64).transpose(1, 0, 2, 3)
    opponents = red - green, (red + green) / 2 - blue
    spread = sum(opponent.var(axis=(1, 2)) for opponent in opponents)
    centre = sum(opponent.mean(axis=(1, 2)) ** 2 for opponent in opponents)
    return np.sqrt(spread) + 0.3 * np.sqrt(centre)


METRIC = ImageMetric(
    title="colourfulness",
    means="How colourful an image is: 0 is grey, about 100 very colourful. A model that has lost its colours falls.",
    source="Hasler & Süsstrunk 2003, Measuring colourfulness in natural images",
    better="",
    look=colourfulness,
)
