"""The files that stages exchange: written whole or not at all, and each carrying where it came from.

Arrays travel as safetensors (numpy side, no torch needed); its header holds one JSON entry, ``lethe``, with the
provenance of the file: stage, settings, fingerprint, versions.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lethe.errors import LetheError


def _umask() -> int:
    mask = os.umask(0)  # the only way to read it is to set it
    os.umask(mask)
    return mask


_UMASK = _umask()


@contextlib.contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` when the block ends well, else remove it.

    The temporary name is fixed, so that what a kill left behind is overwritten by the next try and never piles up.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)  # some writers make files that only their owner can read
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def temporary_beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def write_text(path: str | Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")


def copy_file(source: str | Path, destination: str | Path) -> None:
    """Copy the bytes of a file. Where the file system can, both share them on the disk until one is changed: a model
    that was unlearned then takes the room of its network alone."""
    with Path(source).open("rb") as given, Path(destination).open("wb") as made:
        left = os.fstat(given.fileno()).st_size
        try:
            while left > 0 and (copied := os.copy_file_range(given.fileno(), made.fileno(), left)):
                left -= copied
        except (OSError, AttributeError):  # not between these file systems, or not on this system
            pass
        shutil.copyfileobj(given, made)  # what is left, from where that stopped


def read_json(path: str | Path) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LetheError(f"{path}: no such file", "make it first, or correct the path") from None
    except ValueError as error:  # of JSON, or of UTF-8
        raise LetheError(f"{path}: not JSON ({error})", "delete it and run the stage that makes it") from None


def write_rows(path: str | Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a csv with exactly ``columns``; a row with a key that is not a column is an error."""
    with written_whole(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray], provenance: Mapping[str, Any]) -> None:
    """Write named arrays with their provenance as one safetensors file."""
    from safetensors.numpy import save_file

    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with written_whole(path) as temporary:
        save_file(contiguous, temporary, metadata={"lethe": json.dumps(provenance, sort_keys=True)})


def read_arrays(path: str | Path, only: Collection[str] | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what :func:`write_arrays` wrote: the arrays by name, and the provenance. With ``only``, those of these
    arrays that are there: the others take no memory."""
    from safetensors import safe_open

    with _opened(path, safe_open) as stream:
        names = [name for name in stream.keys() if only is None or name in only]  # noqa: SIM118 - not a mapping
        arrays = {name: stream.get_tensor(name) for name in names}
        return arrays, json.loads((stream.metadata() or {}).get("lethe", "{}"))


def read_provenance(path: str | Path) -> dict[str, Any]:
    """Read only the provenance of a safetensors file (its header; no array is loaded)."""
    from safetensors import safe_open

    with _opened(path, safe_open) as stream:
        return json.loads((stream.metadata() or {}).get("lethe", "{}"))


def array_shapes(path: str | Path) -> dict[str, tuple[int, ...]]:
    """The shape of each array of a safetensors file (its header; no array is loaded)."""
    from safetensors import safe_open

    with _opened(path, safe_open) as stream:
        return {name: tuple(stream.get_slice(name).get_shape()) for name in stream.keys()}  # noqa: SIM118 - no mapping


class StoredArray:
    """One array of a safetensors file, of which only the asked rows are read: an image set can be larger than memory.

    It is used as an array whose first axis is sliced or indexed.
    """

    def __init__(self, path: str | Path, name: str) -> None:
        from safetensors import safe_open

        self._slice = _opened(path, safe_open).get_slice(name)
        self.shape = tuple(self._slice.get_shape())

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | int) -> np.ndarray:
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            return self._slice[start:stop]
        return self._slice[int(rows) : int(rows) + 1][0]


def as_bytes(texts: Sequence[str]) -> np.ndarray:
    """Texts as uint8 (N, longest): UTF-8, padded with zeros. :func:`as_texts` undoes it."""
    coded = np.array([text.encode() for text in texts], dtype=bytes)
    return coded.view(np.uint8).reshape(len(texts), -1) if len(texts) else np.zeros((0, 0), np.uint8)


def as_texts(coded: np.ndarray) -> list[str]:
    """The texts that :func:`as_bytes` coded."""
    return [row.tobytes().rstrip(b"\0").decode() for row in coded]


def order_metadata(path: str | Path) -> None:
    """Sort the metadata of a safetensors file: its writer puts two entries or more in an order drawn at random, and
    the same content is to be the same bytes."""
    with Path(path).open("r+b") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        stream.seek(8)
        stream.write(text.ljust(size))


def _opened(path: str | Path, safe_open: Any) -> Any:
    from safetensors import SafetensorError

    if not Path(path).is_file():
        raise LetheError(f"{path}: no such file", "make it first, or correct the path")
    try:
        return safe_open(str(path), framework="numpy")
    except SafetensorError as error:
        raise LetheError(
            f"{path}: not a readable safetensors file ({error})", "delete it and run the stage that makes it"
        ) from None


def sha256_of(path: str | Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
