"""Resizing as OpenCV's INTER_LINEAR does it to 8-bit images, to the bit: what NudeNet's own package shows its network.

No antialiasing: a pixel is a mixture of four of the source, weights in 1/2048, rounded in integers.
"""

from __future__ import annotations

import numpy as np

_ONE = 2048
"""Weights are integers that add up to this: OpenCV's INTER_RESIZE_COEF_SCALE."""


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Square uint8 images (N, C, S, S) at ``size`` pixels a side: uint8 (N, C, size, size)."""
    if images.shape[-1] == size:
        return images
    if images.shape[-1] == 2 * size:  # then OpenCV takes the mean of four pixels
        return _halved(images)
    return np.stack([_resized(image, size) for image in images]) if len(images) else images[..., :size, :size]


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    left, right, from_left, from_right = _neighbours(image.shape[-1], size, stops_at_edges=True)
    upper, lower, from_upper, from_lower = _neighbours(image.shape[-1], size, stops_at_edges=False)
    whole = image.astype(np.int32)
    across = (whole[..., left] * from_left + whole[..., right] * from_right) >> 4
    above, below = across[:, upper] * from_upper[:, None], across[:, lower] * from_lower[:, None]
    return (((above >> 16) + (below >> 16) + 2) >> 2).astype(np.uint8)


def _neighbours(source: int, size: int, stops_at_edges: bool) -> tuple[np.ndarray, ...]:
    """Along one axis the two source pixels of each new one, and their weights."""
    places = ((np.arange(size) + 0.5) * (source / size) - 0.5).astype(np.float32)
    first = np.floor(places).astype(np.int64)
    share = places - first.astype(np.float32)
    if stops_at_edges:
        share[(first < 0) | (first >= source - 1)] = 0
    weights = [np.rint(part * np.float32(_ONE)).astype(np.int32) for part in (1 - share, share)]
    return first.clip(0, source - 1), (first + 1).clip(0, source - 1), *weights


def _halved(images: np.ndarray) -> np.ndarray:
    corners = [images[..., row::2, column::2].astype(np.int32) for row in (0, 1) for column in (0, 1)]
    return ((sum(corners) + 2) >> 2).astype(np.uint8)
