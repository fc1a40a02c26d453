"""scikit-learn's digits: 1,797 real handwritten 8x8 images in 17 grey levels (UCI, Alpaydin & Kaynak 1998)."""

from __future__ import annotations

import numpy as np

from lethe.data import LabelledImages


def digits() -> LabelledImages:
    """All images as uint8 (1797, 1, 8, 8); grey level g of 0..16 becomes round(g * 255 / 16)."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8).reshape(-1, 1, 8, 8)
    return LabelledImages(images, bunch.target.astype(np.int64), tuple(str(name) for name in range(10)), "digits")
