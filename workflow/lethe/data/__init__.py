"""The real images of a study, split into train and test."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lethe.errors import LetheError
from lethe.files import as_texts, read_arrays


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


@dataclass(frozen=True)
class CaptionedImages:
    """uint8 images (N, 3, H, W) with one caption each, what can be seen in them, and where they come from.

    ``labels`` (N, A) int64 has a column for each of ``heads``: the class of that attribute, -1 where it does not apply.
    ``boxes`` (N, 4) float32 is where the one object is: left, top, right, bottom in pixels.
    """

    images: np.ndarray
    captions: list[str]
    labels: np.ndarray
    boxes: np.ndarray
    heads: dict[str, tuple[str, ...]]
    source: str


def read_captioned(path: str | Path) -> CaptionedImages:
    """Read a file of the data stage of a text study."""
    arrays, provenance = read_arrays(path)
    if not {"images", "captions", "labels", "boxes"} <= arrays.keys() or not {"heads", "source"} <= provenance.keys():
        raise LetheError(f"{path}: not a file of captioned images", "make it with python -m lethe.data text")
    heads = {head: tuple(classes) for head, classes in provenance["heads"]}
    return CaptionedImages(
        arrays["images"],
        as_texts(arrays["captions"]),
        arrays["labels"],
        arrays["boxes"],
        heads,
        provenance["source"],
    )
