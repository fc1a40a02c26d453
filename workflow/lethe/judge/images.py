"""The images that a judging command looks at: those of real data, or one shard of an image set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from lethe.errors import LetheError
from lethe.files import StoredArray, array_shapes, read_arrays
from lethe.image_plan import class_images, shard_rows
from lethe.prompt_images import prompt_images
from lethe.prompts import PromptRow
from lethe.settings.sampling import SamplingSettings
from lethe.settings.text_sampling import TextSamplingSettings
from lethe.shards import Shard, whole


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


def shard_of_classes(images: Images, classes: int) -> tuple[Shard, np.ndarray]:
    """Where the images lie in their set, and the conditions (N,) of the whole set. Real images are a whole set."""
    if "shard" not in images.made:
        return whole(len(images.pixels)), images.column("conditions")
    settings = _settings(images, SamplingSettings)
    plan = class_images(images.made["target"], classes, settings)
    return _shard(images, "conditions", plan.conditions, plan.seeds, settings), plan.conditions


def shard_of_prompts(images: Images, prompts: list[PromptRow]) -> tuple[Shard, np.ndarray]:
    """Where the images lie in their set, and the prompt rows (N,) of the whole set."""
    rows = images.column("rows")
    for row in rows[(rows < 0) | (rows >= len(prompts))]:
        raise LetheError(
            f"{images.path}: an image of prompt row {row}, but the prompts have {len(prompts)} rows",
            "give the prompts that the images were drawn from",
        )
    if "shard" not in images.made:
        return whole(len(images.pixels)), rows
    settings = _settings(images, TextSamplingSettings)
    plan = prompt_images(prompts, images.made["purpose"], settings)
    return _shard(images, "rows", plan.rows, plan.seeds, settings), plan.rows


def _settings(images: Images, kind: type[SamplingSettings] | type[TextSamplingSettings]) -> Any:
    try:
        return kind(**images.made["settings"])
    except (KeyError, TypeError, ValidationError) as error:
        raise LetheError(
            f"{images.path}: it does not say how it was sampled ({str(error).partition(chr(10))[0]})",
            "sample the model again",
        ) from None


def _shard(images: Images, name: str, of_set: np.ndarray, seeds: np.ndarray, settings: Any) -> Shard:
    """LetheError unless the images are those that this shard of the set should have."""
    number = images.made["shard"]
    rows = shard_rows(len(of_set), number, settings.shard_images)
    same_seeds = settings.unseeded or np.array_equal(images.column("seeds"), seeds[rows])
    if not (same_seeds and np.array_equal(images.column(name), of_set[rows])):
        raise LetheError(
            f"{images.path}: its {len(images.pixels)} images are not those of shard {number} of a set of {len(of_set)}",
            "give the prompts or the model that it was drawn from, or sample it again",
        )
    return Shard(number, rows.start, len(images.pixels), len(of_set))
