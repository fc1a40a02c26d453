"""The real images of a study, split into train and test."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lethe.errors import LetheError
from lethe.files import read_arrays


@dataclass(frozen=True)
class LabelledImages:
    """uint8 images (N, C, H, W), their classes (N,) int64, the names of all classes, and where they come from."""

    images: np.ndarray
    conditions: np.ndarray
    classes: tuple[str, ...]
    source: str

    def where(self, mask: np.ndarray) -> LabelledImages:
        return dataclasses.replace(self, images=self.images[mask], conditions=self.conditions[mask])


def read_images(path: str | Path) -> LabelledImages:
    """Read a file of the data stage."""
    arrays, provenance = read_arrays(path)
    if not {"images", "conditions"} <= arrays.keys() or not {"classes", "source"} <= provenance.keys():
        raise LetheError(f"{path}: not a file of labelled images", "give train.safetensors or test.safetensors")
    return LabelledImages(arrays["images"], arrays["conditions"], tuple(provenance["classes"]), provenance["source"])
