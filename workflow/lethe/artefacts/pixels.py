"""Images as figures show them: squares of equal pixels, or made smaller; blurred on request; side by side on white."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def enlarged(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 images (..., C, H, W) as (..., h, w, 3): each pixel a square of equal pixels, h as near to ``size`` as that
    allows, and at least H."""
    scale = max(1, round(size / images.shape[-2]))
    large = np.moveaxis(images.repeat(scale, axis=-2).repeat(scale, axis=-1), -3, -1)
    return large.repeat(3, axis=-1) if large.shape[-1] == 1 else large


def shrunk(image: np.ndarray, size: int) -> np.ndarray:
    """A uint8 image (C, H, W) no higher than ``size`` pixels: a higher one is resampled with Lanczos' filter."""
    from PIL import Image

    _, height, width = image.shape
    if height <= size:
        return image
    shape = max(1, round(width * size / height)), size
    planes = [Image.fromarray(plane).resize(shape, Image.Resampling.LANCZOS) for plane in image]
    return np.stack([np.asarray(plane) for plane in planes])


def blurred(images: np.ndarray) -> np.ndarray:
    """uint8 images (..., H, W) blurred past recognition: three passes of a box as wide as half the image."""
    pixels = images.astype(np.float64)
    for axis in (-2, -1):
        reach = max(1, images.shape[axis] // 4)
        width = [(0, 0)] * images.ndim
        width[axis] = (reach, reach)
        for _ in range(3):
            windows = np.lib.stride_tricks.sliding_window_view(
                np.pad(pixels, width, mode="symmetric"), 2 * reach + 1, axis
            )
            pixels = windows.mean(axis=-1)
    return np.rint(pixels).astype(np.uint8)


def on_white(images: Iterable[np.ndarray], corners: Iterable[tuple[int, int]], height: int, width: int) -> np.ndarray:
    """A white canvas (height, width, 3) with each image (h, w, 3) at its corner (top, left)."""
    canvas = np.full((height, width, 3), 255, np.uint8)
    for image, (top, left) in zip(images, corners, strict=True):
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas
