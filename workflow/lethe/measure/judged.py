"""The judges' outputs on the images of a text study's cell, as the measures need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lethe.errors import LetheError, nearest
from lethe.measures.attributes import Heads
from lethe.measures.detections import Detections, of_images
from lethe.prompt_images import PromptImages
from lethe.shards import read_shards

_ARRAYS = (
    *("seeds", "rows", "similarity", "similarity_as_released"),
    *("detection_image", "detection_part", "detection_score"),
)
_PROVENANCE = ("judges", "parts", "smallest_score", "channels", "cut", "images")


class Named(NamedTuple):
    """A name and the cosine (N,) of each image with it."""

    text: str
    cosine: np.ndarray


@dataclass(frozen=True)
class Judged:
    """What the judges say of N images, in the order of a plan.

    ``similarity`` and ``similarity_as_released`` (N,) are cosines with the image's own prompt, under the evaluation and
    under the training transform. ``attributes`` (N, A) is None where the study has no attribute judge; ``heads`` names
    its columns and their classes, ``parts`` the detector's parts. ``features`` (N, d) are the attribute judge's.
    ``named`` are the cosines with names, by what they are the names of: concept, anchor, a neighbour's prompt set;
    empty where no names were given. ``seeds`` (N,) are the images', those of the plan unless they were drawn
    ``unseeded``. ``channels`` is the order of colours that the detector was shown, ``cut`` how many prompts of a set
    the alignment judge had to cut.
    """

    similarity: np.ndarray
    similarity_as_released: np.ndarray
    found: Detections
    parts: Sequence[str]
    attributes: np.ndarray | None
    heads: Heads
    features: np.ndarray | None
    named: Mapping[str, Named]
    seeds: np.ndarray
    unseeded: bool
    channels: str
    cut: Mapping[str, int]

    @property
    def which_seeds(self) -> str:
        """What the base's images have, for a record's words."""
        return "other seeds" if self.unseeded else "seeds"

    def parts_of(self, names: Sequence[str]) -> list[int]:
        """The numbers of the parts ``names``; of all parts for no name."""
        for name in names:
            if name not in self.parts:
                raise LetheError(f"the detector has no part '{name}'", nearest(name, self.parts))
        return [self.parts.index(name) for name in names or self.parts]


def read_judged(paths: Sequence[Path], plan: PromptImages, unseeded: bool = False) -> tuple[Judged, dict[str, Any]]:
    """The outputs on the images of ``plan``, from the files of all shards, and their provenance; an image that is not
    there is an error.

    Images drawn ``unseeded`` have other seeds than the plan: they are those of its rows, in its order.
    """
    path = paths[0]
    arrays, made = read_shards(paths)
    for name, there in [*((name, arrays) for name in _ARRAYS), *((name, made) for name in _PROVENANCE)]:
        if name not in there:
            raise LetheError(f"{path}: it has no '{name}'", "make it with python -m lethe.judge text apply")
    if unseeded:
        _check_rows(path, plan, arrays["rows"])
        chosen = np.arange(len(plan.rows))
    else:
        chosen = _places(path, plan, arrays["rows"], arrays["seeds"])
    columns = (arrays[f"detection_{name}"] for name in ("image", "part", "score"))
    judged = Judged(
        similarity=arrays["similarity"][chosen],
        similarity_as_released=arrays["similarity_as_released"][chosen],
        found=of_images(Detections(*columns, len(arrays["rows"]), made["smallest_score"]), chosen),
        parts=made["parts"],
        attributes=arrays["attributes"][chosen] if "attributes" in arrays else None,
        heads=dict(made.get("heads", ())),
        features=arrays["features"][chosen] if "features" in arrays else None,
        named={
            name: Named(text, arrays["named"][chosen, column])
            for column, (name, text) in enumerate(made.get("named", ()))
        },
        seeds=arrays["seeds"][chosen],
        unseeded=unseeded,
        channels=made["channels"],
        cut=made["cut"],
    )
    return judged, made


def _check_rows(path: Path, plan: PromptImages, rows: np.ndarray) -> None:
    if not np.array_equal(rows, plan.rows):
        raise LetheError(
            f"{path}: its {len(rows)} images are not of the {len(plan.rows)} measured prompt rows, in their order",
            "sample the model again with these prompts and sampling settings, and judge its images",
        )


def _places(path: Path, plan: PromptImages, rows: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Where each image of the plan is in a file."""
    images = list(zip(rows.tolist(), seeds.tolist(), strict=True))
    place = {image: index for index, image in enumerate(images)}
    if len(place) < len(images):
        raise LetheError(f"{path}: two images have the same prompt and seed", "give each image file to the judge once")
    wanted = list(zip(plan.rows.tolist(), plan.seeds.tolist(), strict=True))
    if missing := [image for image in wanted if image not in place]:
        row, seed = missing[0]
        raise LetheError(
            f"{path}: {len(missing)} of {len(wanted)} images are missing, as that of prompt row {row} with seed {seed}",
            "sample the model again with these prompts and sampling settings, and judge its images",
        )
    return np.array([place[image] for image in wanted], dtype=np.int64)
