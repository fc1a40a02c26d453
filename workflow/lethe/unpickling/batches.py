"""Batches of images as CIFAR's python version has them: a pickled dictionary of arrays, lists and strings."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from lethe.unpickling.core import Reader, RefusedError, plain, refusing
from lethe.unpickling.numbers import array_of, is_array, numpy_table


def read_batch(source: BinaryIO | bytes, name: object) -> dict[str, Any]:
    """The dictionary in a pickle (of Python 2 or 3) of numbers, strings, bytes, lists, dictionaries and numpy arrays.

    ``name`` is what messages call the file. Keys are strings; the arrays, read-only views, numpy's. LetheError where
    the pickle asks for anything else; nothing in it is run.
    """
    with refusing(name):
        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        values = Reader(stream, numpy_table(), encoding="latin1").load()
        if stream.read(1):
            raise RefusedError("there are bytes behind its end")
        if type(values) is not dict:
            raise RefusedError(f"it holds a {type(values).__name__}, not a dictionary")
        return {_text(key): plain(value, _leaf) for key, value in values.items()}


def _leaf(value: Any) -> Any:
    if is_array(value):
        return array_of(value)
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    raise RefusedError(f"it holds a {type(value).__name__}, which is no number, string, list, dictionary or array")


def _text(key: Any) -> str:
    if not isinstance(key, str | bytes):
        raise RefusedError(f"a key is {key!r}, not a string")
    return key.decode("latin1") if isinstance(key, bytes) else key
