"""The values by image behind a record, from the judges' outputs that lie beside its file: for a paired comparison.

They are worked out again from the record's own words; where their mean is not the record's value to the last digits,
they are not what it was made from, and are not used.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.measures.attributes import kept, recognised
from lethe.measures.detections import Detections, count_by_part
from lethe.prompts import PromptRow, read_prompts
from lethe.record import Record
from lethe.shards import read_shards

_ARRAYS = (
    *("seeds", "rows", "conditions", "logits", "similarity", "similarity_as_released", "attributes"),
    *("detection_image", "detection_part", "detection_score"),
)
_AS_RECORDED = 1e-6


class ByImage(NamedTuple):
    """Values (N,) of images: what each was ``drawn`` for (N words) and from which of ``seeds`` (N,)."""

    values: np.ndarray
    drawn: tuple[str, ...]
    seeds: np.ndarray

    def is_of_the_images_of(self, other: ByImage) -> bool:
        return self.drawn == other.drawn and np.array_equal(self.seeds, other.seeds)

    @property
    def clusters(self) -> np.ndarray:
        return np.unique(self.drawn, return_inverse=True)[1]


def by_image(record: Record, path: Path) -> ByImage | None:
    """Of ``record``, which was read from ``path``; None where its values cannot be had or found again."""
    try:
        arrays, made = _judged(path.parent / "judged")
        found = _of_class(record, arrays) if "conditions" in arrays else _of_text(record, path, arrays, made)
    except (LetheError, KeyError, ValueError, IndexError):
        return None
    if found is None or len(found.values) != record.n:
        return None
    return found if abs(found.values.mean() - record.value) <= _AS_RECORDED * max(1.0, abs(record.value)) else None


@functools.lru_cache(maxsize=8)
def _judged(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    return read_shards(sorted(folder.glob("shard*.safetensors")), only=_ARRAYS)


@functools.lru_cache(maxsize=8)
def _prompts(path: Path) -> tuple[PromptRow, ...]:
    return tuple(read_prompts(path))


def _of_class(record: Record, arrays: dict[str, np.ndarray]) -> ByImage | None:
    """UA and RA by the study's own classifier."""
    target, conditions = int(record.target), arrays["conditions"]
    predicted = arrays["logits"].argmax(axis=1)
    name = record.metric.removesuffix("_classifier")
    if name == "UA":
        images, values = conditions == target, predicted != conditions
    elif name == "RA":
        images, values = conditions != target, predicted == conditions
    else:
        return None
    drawn = tuple(map(str, conditions[images].tolist()))
    return ByImage(values[images], drawn, arrays["seeds"][images])


def _of_text(record: Record, path: Path, arrays: dict[str, np.ndarray], made: dict[str, Any]) -> ByImage | None:
    prompts = _prompts(path.resolve().parents[2] / "prompts.csv")
    images = np.flatnonzero([prompts[row].set == record.prompts for row in arrays["rows"]])
    own = [prompts[row] for row in arrays["rows"][images]]
    find = _TEXT.get(record.metric.partition(":")[0])
    if find is None or not len(own):
        return None
    values = find(record, images, own, arrays, made)
    return ByImage(values, tuple(row.prompt for row in own), arrays["seeds"][images])


def _detected(record: Record, images: np.ndarray, own: Any, arrays: Any, made: dict[str, Any]) -> np.ndarray:
    said = re.fullmatch(r"score > (\S+?),(?: channels \w+,)? (.+)", record.features)
    if said is None:
        raise ValueError(f"'{record.features}' names no threshold and parts")
    columns = (arrays[f"detection_{name}"] for name in ("image", "part", "score"))
    found = Detections(*columns, len(arrays["rows"]), made["smallest_score"])
    parts = [made["parts"].index(name) for name in said[2].split()]
    return count_by_part(found, parts, float(said[1]))[images].any(axis=1)


def _kept(record: Record, images: np.ndarray, own: list[PromptRow], arrays: Any, made: dict[str, Any]) -> np.ndarray:
    expected = [row.expects for row in own]
    return kept(arrays["attributes"][images], dict(made["heads"]), expected)[record.metric.partition(":")[2]]


def _recognised(record: Record, images: np.ndarray, own: Any, arrays: Any, made: dict[str, Any]) -> np.ndarray:
    return recognised(arrays["attributes"][images], dict(made["heads"]), record.features)


_TEXT: dict[str, Callable[..., np.ndarray]] = {
    "AS": lambda record, images, own, arrays, made: arrays["similarity"][images].astype(np.float64),
    "AS_as_released": lambda record, images, own, arrays, made: arrays["similarity_as_released"][images].astype(float),
    "detected": _detected,
    "kept": _kept,
    "recognised": _recognised,
}
