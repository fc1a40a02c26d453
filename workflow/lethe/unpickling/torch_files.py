"""Files of ``torch.save``: the zip archives since torch 1.6, and the plain streams before."""

from __future__ import annotations

import io
import mmap
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from lethe.unpickling.core import Reader, RefusedError, inert_class, plain, refuse_global, refusing
from lethe.unpickling.tensors import Storage, storage_of, torch_table, with_tensors

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
# Of Python's own library, only what honest checkpoints hold beside their tensors; the rest runs things, and a file that
# names it is not honest.
_PYTHON = {*sys.stdlib_module_names, "__builtin__", "copy_reg", "exceptions", "commands"}
_INERT_OF_PYTHON = {"argparse.Namespace", "types.SimpleNamespace", "copyreg._reconstructor", "copy_reg._reconstructor"}
_INERT_MODULES_OF_PYTHON = {"pathlib", "datetime", "decimal", "fractions", "uuid"}
_MODULES_OF_TENSORS = {"torch._utils", "torch._tensor", "torch.storage"}


def read_torch_file(path: str | Path) -> dict[Any, Any]:
    """The dictionary that ``torch.save`` wrote: nested dictionaries, lists, strings, numbers and tensors.

    The tensors lie in the file, mapped into memory and copied where written to: keep it in place while they are used.
    Objects of other classes (a trainer's, say) are left out, nothing of them is made or run. LetheError where the file
    is cut or asks for what runs things.
    """
    with refusing(path):
        place = Path(path)
        with place.open("rb") as stream:
            if not place.stat().st_size:
                raise RefusedError("it is empty")
            content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
            values = _read_zip(stream, content) if zipfile.is_zipfile(stream) else read_stream(content, content)
        if not isinstance(values, dict):
            raise RefusedError(f"it holds a {type(values).__name__}, not a dictionary")
        return values


def _read_zip(stream: BinaryIO, content: mmap.mmap) -> Any:
    """One entry ends in ``/data.pkl``, the others are the storages, uncompressed: ``data/KEY``."""
    with zipfile.ZipFile(stream) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        roots = [name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl")]
        if len(roots) != 1:
            raise RefusedError(f"its archive has {len(roots)} entries data.pkl; files of torch.save have one")
        root = roots[0]
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise RefusedError("its archive is compressed; that of torch.save is not")
        if f"{root}byteorder" in entries and archive.read(f"{root}byteorder") != b"little":
            raise RefusedError("its numbers are big-endian")
        pickled = io.BytesIO(archive.read(f"{root}data.pkl"))
    value = _reader(pickled).load()
    if pickled.read(1):
        raise RefusedError("there are bytes behind the end of data.pkl")
    known: dict[str, Tensor] = {}

    def elements_of(storage: Storage) -> Tensor:
        if storage.key not in known:
            entry = entries.get(f"{root}data/{storage.key}")
            if entry is None or entry.file_size != storage.size:
                raise RefusedError(
                    f"the archive has no {storage.elements} elements of {storage.dtype} as data/{storage.key}"
                )
            known[storage.key] = storage.in_bytes(content, _start_of(entry, content))
        return _as(known[storage.key], storage)

    return with_tensors(value, elements_of)


def _start_of(entry: zipfile.ZipInfo, content: mmap.mmap) -> int:
    """Where the bytes of an entry begin: behind its local header, whose name and extra field have their own lengths."""
    head = content[entry.header_offset : entry.header_offset + 30]
    if head[:4] != b"PK\x03\x04" or len(head) < 30:
        raise RefusedError(f"the archive's entry {entry.filename} has no header")
    return entry.header_offset + 30 + sum(struct.unpack("<HH", head[26:30]))


def read_stream(stream: BinaryIO, content: mmap.mmap | bytearray) -> Any:
    """The format before torch 1.6, which pickles of single storages have still: five pickles (magic number, protocol,
    system, the value, the keys of its storages), then for each key the count of its elements and their bytes.

    ``stream`` and ``content`` are the same bytes. LetheError and RefusedError as in :func:`read_torch_file`.
    """
    for expected, what in ((_MAGIC, "magic number"), (_PROTOCOL, "protocol")):
        if (found := _reader(stream).load()) != expected:
            raise RefusedError(f"it is no file of torch.save: its {what} is {found!r}")
    system = _reader(stream).load()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise RefusedError("its numbers are big-endian")
    described: dict[str, Storage] = {}
    value = _reader(stream, described).load()
    keys = plain(_reader(stream).load(), str)
    if sorted(keys) != sorted(described):
        raise RefusedError("its list of storages is not that of its tensors")
    known: dict[str, Tensor] = {}
    for key in keys:
        count = int.from_bytes(stream.read(8), "little")
        if count != described[key].elements:
            raise RefusedError(f"storage {key} has {count} elements, not {described[key].elements}")
        known[key] = described[key].in_bytes(content, stream.tell())
        stream.seek(described[key].size, io.SEEK_CUR)
    if stream.read(1):
        raise RefusedError("there are bytes behind its end")
    return with_tensors(value, lambda storage: _as(known[storage.key], storage))


def _reader(stream: BinaryIO, described: dict[str, Storage] | None = None) -> Reader:
    """``described`` collects the storages that the pickle names."""

    def persistent(identifier: Any) -> Any:
        if isinstance(identifier, tuple) and len(identifier) > 1 and identifier[0] == "module":
            return identifier[1]  # a class with its source, as whole modules were saved with: it stays inert
        storage = storage_of(identifier)
        if described is not None and described.setdefault(storage.key, storage) != storage:
            raise RefusedError(f"storage {storage.key} is described in two ways")
        return storage

    return Reader(stream, torch_table(), otherwise=_inert, persistent=persistent, encoding="utf-8")


def _inert(module: str, name: str) -> Any:
    if module in _MODULES_OF_TENSORS:
        raise RefusedError(f"it holds a kind of tensor that Lethe does not read ({module}.{name})")
    if module.split(".")[0] in _PYTHON and not (
        f"{module}.{name}" in _INERT_OF_PYTHON or module in _INERT_MODULES_OF_PYTHON
    ):
        return refuse_global(module, name)
    return inert_class()


def _as(elements: Tensor, storage: Storage) -> Tensor:
    if elements.dtype != storage.dtype or len(elements) != storage.elements:
        raise RefusedError(f"storage {storage.key} is described in two ways")
    return elements
