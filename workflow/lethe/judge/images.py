"""The images that a judging command looks at: one shard of an image set, or those of real data.

Real data is not cut: the largest, CIFAR-10's, has 154 MB, and of either a batch at a time is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from pydantic import ValidationError

from lethe.errors import LetheError
from lethe.files import StoredArray, array_shapes, read_arrays
from lethe.image_plan import shard_rows
from lethe.settings.common import Settings
from lethe.shards import Shard

Sampling = TypeVar("Sampling", bound=Settings)


class Images(NamedTuple):
    """``pixels`` (N, C, H, W), read batch by batch; what else the file has of each image; and its provenance."""

    path: Path
    pixels: StoredArray
    columns: dict[str, np.ndarray]
    made: dict[str, Any]

    def column(self, name: str) -> np.ndarray:
        if name not in self.columns:
            raise LetheError(f"{self.path}: its images have no {name}", "give images that python -m lethe.sample drew")
        return self.columns[name]


def open_images(path: Path) -> Images:
    """The images of one file; no pixel is read yet."""
    names = array_shapes(path).keys()
    if "images" not in names:
        raise LetheError(f"{path}: holds no images", "give files of the sample stage or of the data stage")
    columns, made = read_arrays(path, only=names - {"images"})
    return Images(path, StoredArray(path, "images"), columns, made)


def settings_of(images: Images, kind: type[Sampling]) -> Sampling:
    """How the images were drawn."""
    try:
        return kind(**images.made["settings"])
    except (KeyError, TypeError, ValidationError) as error:
        raise LetheError(
            f"{images.path}: it does not say how it was sampled ({str(error).partition(chr(10))[0]})",
            "sample the model again",
        ) from None


def shard_of_set(images: Images, name: str, of_set: np.ndarray, seeds: np.ndarray, settings: Any) -> Shard:
    """Where the images lie in a set whose column ``name`` is ``of_set`` (N,) and whose seeds are ``seeds`` (N,).
    LetheError unless they are those that their shard of it should have."""
    number = images.made["shard"]
    rows = shard_rows(len(of_set), number, settings.shard_images)
    same_seeds = settings.unseeded or np.array_equal(images.column("seeds"), seeds[rows])
    if not (same_seeds and np.array_equal(images.column(name), of_set[rows])):
        raise LetheError(
            f"{images.path}: its {len(images.pixels)} images are not those of shard {number} of a set of {len(of_set)}",
            "give the prompts or the model that it was drawn from, or sample it again",
        )
    return Shard(number, rows.start, len(images.pixels), len(of_set))
