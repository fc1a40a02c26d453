"""An image set in shards: where each lies in its set, and what was seen in all of them put together again.

A shard is drawn, and judged, by a job of its own. A judge's batches are nevertheless those of the whole set: where a
shard ends within one, zeros stand for the images that are not its own. Each image is then at the same place of a batch
of the same size whatever the shards, so that what is seen in it has the same bits, and putting shards together is mere
concatenation: what is measured cannot depend on their size. No torch: the workflow's stages after judging use it too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.files import array_shapes, read_arrays, read_provenance


class Batch(NamedTuple):
    """One call of a judge: ``rows`` are a shard's own images in it, ``before`` and ``after`` count those of other
    shards."""

    rows: slice
    before: int
    after: int

    @property
    def own(self) -> slice:
        """Where the shard's images are in the call's output."""
        return slice(self.before, self.before + self.rows.stop - self.rows.start)

    @property
    def is_shared(self) -> bool:
        return self.before + self.after > 0


class Shard(NamedTuple):
    """``images`` of a set ``of`` so many, from image ``first`` on."""

    number: int
    first: int
    images: int
    of: int

    @property
    def end(self) -> int:
        return self.first + self.images

    def batches(self, size: int) -> Iterator[Batch]:
        """The batches of ``size`` of the whole set that hold images of this shard; the set's last may be smaller."""
        for start in range(self.first // size * size, self.end if self.images else 0, size):
            stop = min(start + size, self.of)
            first, last = max(start, self.first), min(stop, self.end)
            yield Batch(slice(first - self.first, last - self.first), first - start, stop - last)

    def among(self, chosen: np.ndarray) -> Shard:
        """Where this shard's share lies among the ``chosen`` (M,), which are rows of the whole set in their order."""
        first, end = np.searchsorted(chosen, [self.first, self.end]).tolist()
        return Shard(self.number, first, end - first, len(chosen))


def whole(images: int) -> Shard:
    """A set of one shard."""
    return Shard(0, 0, images, images)


def read_shards(
    paths: Sequence[Path], only: Collection[str] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What the judges have seen in one image set, from the files of its shards: the arrays, those of ``only`` where it
    is given, and the provenance that the shards share. One shard is in memory besides.

    Raises LetheError unless the files are all shards of one set, each once and in their order.
    """
    made = [read_provenance(path) for path in paths]
    if len(paths) == 1 and "shard" not in made[0]:  # what is no part of anything
        return read_arrays(paths[0], only)
    _check_one_set(paths, made)
    _check_complete(paths, [_shard_of(path, record) for path, record in zip(paths, made, strict=True)])
    if len(paths) == 1:
        return read_arrays(paths[0], only)[0], _shared(made[0])
    shapes = [array_shapes(path) for path in paths]
    merged: dict[str, np.ndarray] = {}
    filled = dict.fromkeys(shapes[0], 0)
    for path in paths:
        for name, array in read_arrays(path, only)[0].items():
            if name not in merged:
                length = sum(shape[name][0] for shape in shapes)
                merged[name] = np.empty((length, *array.shape[1:]), array.dtype)
            merged[name][filled[name] : filled[name] + len(array)] = array
            filled[name] += len(array)
    return merged, _shared(made[0])


def _shared(record: Mapping[str, Any]) -> dict[str, Any]:
    """Of a provenance what all shards of a set have in common."""
    kept = {name: value for name, value in record.items() if name != "shard"}
    if "images" in kept:
        kept["images"] = {name: value for name, value in kept["images"].items() if name != "shard"}
    return kept


def _check_one_set(paths: Sequence[Path], made: Sequence[Mapping[str, Any]]) -> None:
    first = _shared(made[0])
    for path, record in zip(paths[1:], made[1:], strict=True):
        other = _shared(record)
        for name in sorted(first.keys() | other.keys()):
            if first.get(name) != other.get(name):
                raise LetheError(
                    f"{path} and {paths[0]} are not shards of one set: they differ in '{name}'",
                    "give the shards of one image set, all judged by the same judges",
                )


def _shard_of(path: Path, record: Mapping[str, Any]) -> Shard:
    try:
        return Shard(**record["shard"])
    except (KeyError, TypeError):
        raise LetheError(
            f"{path}: it does not say which part of a set it is", "make it with python -m lethe.judge"
        ) from None


def _check_complete(paths: Sequence[Path], shards: Sequence[Shard]) -> None:
    remedy = "give every shard of the set once, in their order"
    total, numbers = shards[0].of, [shard.number for shard in shards]
    for path, shard in zip(paths, shards, strict=True):
        if shard.of != total:
            raise LetheError(f"{path} is of a set of {shard.of} images, {paths[0]} of one of {total}", remedy)
    if twice := [number for number in numbers if numbers.count(number) > 1]:
        raise LetheError(f"shard {twice[0]} is given {numbers.count(twice[0])} times ({paths[0]} ...)", remedy)
    if numbers != sorted(numbers):
        raise LetheError(f"shards in the order {', '.join(map(str, numbers))} ({paths[0]} ...)", remedy)
    edges = [Shard(-1, 0, 0, total), *shards, Shard(-1, total, 0, total)]
    for before, after in pairwise(edges):
        if before.end < after.first:
            raise LetheError(
                f"images {before.end} to {after.first - 1} of {total} are in no shard ({paths[0]} ...)", remedy
            )
        if before.end > after.first:
            raise LetheError(
                f"image {after.first} of {total} is in two shards ({paths[0]} ...)",
                f"{remedy}, all drawn with one shard_images",
            )
