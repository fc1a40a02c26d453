"""What pickles of torch have: storages, and tensors that are views of them."""

from __future__ import annotations

import math
import mmap
import operator
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lethe.unpickling.core import DROPPED, Inert, RefusedError, Table, plain
from lethe.unpickling.numbers import numpy_table

_DTYPES = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


class Storage(NamedTuple):
    """A storage as a persistent id names it: ``dtype`` and number of its elements, and the key of its bytes."""

    dtype: torch.dtype
    key: str
    elements: int

    @property
    def size(self) -> int:
        """In bytes."""
        return self.elements * self.dtype.itemsize

    def in_bytes(self, content: mmap.mmap | bytearray, start: int) -> Tensor:
        """Its elements, one-dimensional; they share the memory of ``content`` from ``start``."""
        if start + self.size > len(content):
            raise RefusedError(f"storage {self.key} ends beyond the end of the file: {self.elements} of {self.dtype}")
        if not self.elements:
            return torch.empty(0, dtype=self.dtype)
        return torch.frombuffer(content, dtype=self.dtype, count=self.elements, offset=start)


def storage_of(identifier: Any) -> Storage:
    """The storage that a persistent id of ``torch.save`` names. On which device it was does not matter."""
    if not (isinstance(identifier, tuple) and len(identifier) in (5, 6) and identifier[0] == "storage"):
        raise RefusedError("a persistent id names no storage")
    _, kind, key, _, count, *view = identifier
    if kind not in _DTYPES or not isinstance(key, str):
        raise RefusedError(f"a persistent id names no storage of numbers ({kind!r})")
    if view not in ([], [None]):
        raise RefusedError(f"storage {key} is a view of another, as files before torch 0.4 have them")
    return Storage(_DTYPES[kind], key, _count(count))


class _Tensor(Inert):
    """A tensor: storage, offset, size and stride are its first arguments."""

    __slots__ = ()


def torch_table() -> Table:
    """Of torch, storages' types come out as their names, tensors as what :func:`tensor_of` takes."""
    made = type("Tensor", (_Tensor,), {"__slots__": ()})
    ordered = type("Ordered", (dict,), {})

    def parameter(data: Any, *_: Any) -> Any:
        return data

    return {
        **numpy_table(),
        **{("torch", name): name for name in _DTYPES},
        ("torch._utils", "_rebuild_tensor"): made,
        ("torch._utils", "_rebuild_tensor_v2"): made,
        ("torch._utils", "_rebuild_parameter"): parameter,
        ("collections", OrderedDict.__name__): ordered,
        ("collections", "defaultdict"): lambda *_: ordered(),
    }


def is_tensor(value: Any) -> bool:
    """Whether :func:`tensor_of` can make a tensor of it."""
    return isinstance(value, _Tensor)


def tensor_of(value: _Tensor, elements_of: Callable[[Any], Tensor]) -> Tensor:
    """The tensor that a pickle describes, a view of the elements (n,) of its storage. RefusedError where it reaches
    beyond them, or would have more elements than they are."""
    if len(value.arguments) < 4:
        raise RefusedError("a tensor has no size")
    storage, offset, size, stride, *_ = value.arguments
    elements = elements_of(storage)
    if not (isinstance(size, tuple) and isinstance(stride, tuple) and len(size) == len(stride)):
        raise RefusedError(f"a tensor has size {size!r} and stride {stride!r}")
    offset, size, stride = _count(offset), tuple(map(_count, size)), tuple(map(_count, stride))
    count = math.prod(size)
    last = offset + sum(map(operator.mul, (extent - 1 for extent in size), stride)) if count else offset - 1
    if last >= len(elements) or count > len(elements):
        raise RefusedError(
            f"a tensor of size {size}, stride {stride} and offset {offset} does not fit its storage of "
            f"{len(elements)} elements"
        )
    return elements.as_strided(size, stride, offset)


def with_tensors(value: Any, elements_of: Callable[[Storage], Tensor]) -> Any:
    """A whole pickle with its tensors, as nested dictionaries and lists; inert objects are left out."""

    def elements(storage: Any) -> Tensor:
        if not isinstance(storage, Storage):
            raise RefusedError("a tensor has no storage")
        return elements_of(storage)

    def leaf(part: Any) -> Any:
        if is_tensor(part):
            return tensor_of(part, elements)
        if isinstance(part, Storage):
            return elements_of(part)
        if part is None or type(part) in (bool, int, float, complex, str, bytes):
            return part
        return DROPPED

    return plain(value, leaf)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise RefusedError(f"{value!r} is no count of elements")
    return value
