"""Whether two judges are the same though their files differ: a file that the workflow has trained also says what code
and settings it comes from, so that its sha256 moves with them where the weights do not."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from lethe.compare.reading import Run
from lethe.files import sha256_of

_FOLDER = "judge"
_KINDS = (".safetensors", ".onnx")
_PARENTS = 4  # from the folder of a row up to that of its preset


def have_same_weights(a: Run, a_sha256: str, b: Run, b_sha256: str) -> bool:
    """Whether the judges' files lie with both runs and hold the same numbers."""
    first, second = _weights(a).get(a_sha256), _weights(b).get(b_sha256)
    return first is not None and first == second


def _weights(run: Run) -> dict[str, str]:
    return _weights_of(Path(run.name).resolve()) if run.raw else {}


@functools.cache
def _weights_of(folder: Path) -> dict[str, str]:
    """By the sha256 of a judge's file, a hash of what it holds but for its metadata."""
    return {sha256_of(path): _content(path) for path in _judges(folder)}


def _judges(folder: Path) -> Iterator[Path]:
    for place in (folder, *folder.parents[:_PARENTS]):
        if place.name == "results":
            break
        for pattern in (f"{_FOLDER}/**/*", f"*/{_FOLDER}/**/*"):
            yield from (path for path in sorted(place.glob(pattern)) if path.suffix in _KINDS)


def _content(path: Path) -> str:
    if path.suffix == ".safetensors":
        return _tensors(path)
    import onnx  # only here: it is slow to import

    model = onnx.load(str(path))
    del model.metadata_props[:]
    return hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()


def _tensors(path: Path) -> str:
    with path.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        header.pop("__metadata__", None)
        total = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
        while block := stream.read(1 << 20):
            total.update(block)
    return total.hexdigest()
