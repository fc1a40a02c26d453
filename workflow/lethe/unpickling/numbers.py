"""What pickles have of numpy: numbers, and arrays of numbers."""

from __future__ import annotations

import codecs
import math
from typing import Any

import numpy as np

from lethe.unpickling.core import Inert, RefusedError, Table, python_table

_KINDS = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")
_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")  # before and since numpy 2


class _Dtype(Inert):
    """A dtype: its code among the arguments, its byte order in the state."""

    __slots__ = ()


class _Array(Inert):
    """An array: shape, dtype, order and bytes in the state."""

    __slots__ = ()


def numpy_table() -> Table:
    """Of numpy, numbers come out as Python's, arrays as what :func:`array_of` takes."""
    dtype, array = (type(kind.__name__, (kind,), {"__slots__": ()}) for kind in (_Dtype, _Array))

    def scalar(kind: Any, raw: Any) -> Any:
        chosen = _dtype_of(kind)
        content = _bytes_of(raw)
        if len(content) != chosen.itemsize:
            raise RefusedError(f"a number of {chosen} has {len(content)} bytes")
        return np.frombuffer(content, chosen)[0].item()

    def from_buffer(raw: Any, kind: Any, shape: Any, order: Any) -> Any:
        made = array()
        made.state = (1, shape, kind, order == "F", bytes(raw) if isinstance(raw, bytearray) else raw)
        return made

    table: dict[tuple[str, str], Any] = {
        **python_table(),
        ("numpy", "dtype"): dtype,
        ("numpy", "ndarray"): "ndarray",
    }
    for module in _MODULES:
        table[module, "scalar"] = scalar
        table[module, "_reconstruct"] = lambda *_: array()
    for module in ("numpy.core.numeric", "numpy._core.numeric"):  # protocol 5
        table[module, "_frombuffer"] = from_buffer
    return table


def is_array(value: Any) -> bool:
    """Whether :func:`array_of` can make an array of it."""
    return isinstance(value, _Array)


def array_of(value: _Array) -> np.ndarray:
    """The array that a pickle describes; RefusedError where its bytes do not fill its shape."""
    if not (isinstance(value.state, tuple) and len(value.state) == 5):
        raise RefusedError("an array has no shape")
    _, shape, kind, in_fortran_order, raw = value.state
    if not (isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape)):
        raise RefusedError(f"an array has the shape {shape!r}")
    dtype, content = _dtype_of(kind), _bytes_of(raw)
    if len(content) != dtype.itemsize * math.prod(shape):
        raise RefusedError(f"an array of shape {shape} and type {dtype} has {len(content)} bytes")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if in_fortran_order else "C")


def _dtype_of(value: Any) -> np.dtype:
    if not isinstance(value, _Dtype) or not value.arguments:
        raise RefusedError("a number has no dtype of numpy")
    code = value.arguments[0]
    code = codecs.decode(code, "latin1") if isinstance(code, bytes) else code
    if code not in _KINDS:
        raise RefusedError(f"numpy's dtype {code!r} is not one of numbers ({', '.join(_KINDS)})")
    order = value.state[1] if isinstance(value.state, tuple) and len(value.state) > 1 else "<"
    if order not in ("<", "|", "=", b"<", b"|", b"="):
        raise RefusedError(f"numbers in the byte order {order!r}")
    return np.dtype(f"<{code}")


def _bytes_of(raw: Any) -> bytes:
    """Bytes; a string of Python 2 is read as latin1 and has one character a byte."""
    if isinstance(raw, str):
        return raw.encode("latin1")
    if not isinstance(raw, bytes):
        raise RefusedError(f"numbers are kept in a {type(raw).__name__}, not in bytes")
    return raw
