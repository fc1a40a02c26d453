"""The pickles of NVIDIA's networks: objects that carry their own source text, for a reader that runs it.

Ours does not. Each object comes out as a :class:`Node`: the name of its class, its attributes, its tensors and the hash
of its source, which is dropped.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lethe.unpickling.core import Inert, Reader, RefusedError, Table
from lethe.unpickling.tensors import is_tensor, tensor_of, torch_table
from lethe.unpickling.torch_files import read_stream

_MOST_MODULES = 10_000


class _Object(Inert):
    """A persistent object: class and hash of its source are its arguments, its attributes the state."""

    __slots__ = ()


class _Container(Inert):
    """A ModuleDict of torch: its attributes are the state."""

    __slots__ = ()


class _Blob(Inert):
    """A storage as the bytes of a file of its own."""

    __slots__ = ()


@dataclass(frozen=True)
class Node:
    """One module of a network: ``kind`` is the name of its class, ``source`` the sha256 of its module's source text (""
    for a container of torch)."""

    kind: str
    source: str
    attributes: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    children: Mapping[str, Node]

    def modules(self, prefix: str = "") -> Iterator[tuple[str, Node]]:
        """All nodes of the network with their dotted names, itself first."""
        yield prefix, self
        for name, child in self.children.items():
            yield from child.modules(f"{prefix}.{name}".removeprefix("."))

    def all_tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers by their dotted names, in the order of the network's state dictionary."""
        return {
            f"{prefix}.{name}".removeprefix("."): tensor
            for prefix, node in self.modules()
            for name, tensor in node.tensors.items()
        }


def read_persistent(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """The dictionary in such a file, with its networks as :class:`Node`; and how often each global was asked for.

    Other objects than networks have no tensors and no children. RefusedError where something is not of this format.
    """
    with path.open("rb") as stream:
        reader = Reader(stream, _table())
        values = reader.load()
        if stream.read(1):
            raise RefusedError("there are bytes behind its end")
    if not isinstance(values, dict):
        raise RefusedError(f"it holds a {type(values).__name__}, not a dictionary")
    made = _Maker()
    nodes = {key: made.node(value) if isinstance(value, _Object) else value for key, value in values.items()}
    return nodes, dict(sorted(reader.named.items()))


def _table() -> Table:
    kinds = {kind: type(kind.__name__, (kind,), {"__slots__": ()}) for kind in (_Object, _Container, _Blob)}
    known = torch_table()

    def persistent(meta: Any) -> Any:
        parts = (
            [meta.get(key) for key in ("type", "class_name", "module_src", "state")] if isinstance(meta, dict) else []
        )
        if not parts or parts[0] != "class" or not all(isinstance(part, str) for part in parts[1:3]):
            raise RefusedError("a persistent object has no class and source")
        _, name, source, state = parts
        made = kinds[_Object](name, hashlib.sha256(source.encode()).hexdigest())
        made.state = state
        return made

    used = ("_rebuild_tensor_v2", "_rebuild_parameter", "OrderedDict", "dtype", "scalar", "set", "encode")
    return {
        **{key: value for key, value in known.items() if key[1] in used},
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): persistent,
        ("torch.nn.modules.container", "ModuleDict"): kinds[_Container],
        ("torch.storage", "_load_from_bytes"): kinds[_Blob],
        ("dnnlib.util", "EasyDict"): known["collections", "OrderedDict"],
    }


class _Maker:
    """Makes nodes of a file's inert objects."""

    def __init__(self) -> None:
        self._count = 0

    def node(self, value: Any) -> Node:
        self._count += 1
        if self._count > _MOST_MODULES:
            raise RefusedError(f"its network has more than {_MOST_MODULES} modules")
        if not isinstance(value, _Object | _Container):
            raise RefusedError(f"a module of its network is a {type(value).__name__}")
        kind, source = value.arguments[:2] if isinstance(value, _Object) else ("ModuleDict", "")
        state = value.state if isinstance(value.state, dict) else {}
        tensors = {**_part(state, "_parameters"), **_part(state, "_buffers")}
        return Node(
            kind,
            source,
            {name: part for name, part in state.items() if name not in ("_parameters", "_buffers", "_modules")},
            {name: self._tensor(name, part) for name, part in tensors.items() if part is not None},
            {name: self.node(part) for name, part in _part(state, "_modules").items() if part is not None},
        )

    def _tensor(self, name: str, part: Any) -> Tensor:
        if not is_tensor(part):
            raise RefusedError(f"{name} is a {type(part).__name__}, not a tensor")
        return tensor_of(part, _elements)


def _part(state: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = state.get(name, {})
    if not (isinstance(found, dict) and all(isinstance(key, str) for key in found)):
        raise RefusedError(f"{name} of a module is no dictionary of names")
    return found


def _elements(storage: Any) -> Tensor:
    """What ``torch.save`` wrote of a storage: one tensor, with all its elements."""
    if not (isinstance(storage, _Blob) and len(storage.arguments) == 1 and isinstance(storage.arguments[0], bytes)):
        raise RefusedError("a tensor has no storage")
    blob = bytearray(storage.arguments[0])
    elements = read_stream(io.BytesIO(storage.arguments[0]), blob)
    if not isinstance(elements, Tensor) or elements.dim() != 1:
        raise RefusedError("the bytes of a tensor's storage are not those of a storage")
    return elements
