"""An image metric: one number for each image, from its pixels alone. No torch: the workflow reads it when it plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lethe.errors import LetheError


@dataclass(frozen=True)
class ImageMetric:
    """What a metric is called and means, which direction is better ("" where neither is), and how it looks at images.

    ``look`` turns uint8 images (N, C, H, W), C being 1 or 3, into N numbers; the number of an image depends on that
    image alone.
    """

    title: str
    means: str
    source: str
    better: Literal["higher", "lower", ""]
    look: Callable[[np.ndarray], np.ndarray]

    @property
    def heading(self) -> str:
        """The title with the direction that is better."""
        return self.title + {"higher": " ↑", "lower": " ↓", "": ""}[self.better]

    def of(self, images: np.ndarray) -> np.ndarray:
        """The numbers (N,) of images (N, C, H, W); LetheError where ``look`` does not give one number each."""
        values = np.asarray(self.look(images), dtype=np.float64)
        if values.shape != images.shape[:1] or not np.isfinite(values).all():
            raise LetheError(
                f"{self.title}: values of shape {values.shape} for {len(images)} images, "
                f"{np.isfinite(values).sum()} of them finite",
                "let its look() give one finite number for each image",
            )
        return values
