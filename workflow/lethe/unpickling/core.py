"""A pickle machine that makes nothing but plain Python values and inert objects of our own."""

from __future__ import annotations

import contextlib
import pickle
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

from lethe.errors import LetheError

Table = Mapping[tuple[str, str], Any]
"""What stands for each global that a file may name, by its module and name. The functions and classes in it are made
for one load: whatever a pickle does to them is gone with it."""

REMEDY = "get the file again from its publisher; do not open it with tools that run what it says"


class RefusedError(Exception):
    """What is wrong with a pickle, in words; :func:`refusing` adds the file's name."""


class Inert:
    """In the place of an object whose class is not made: keeps what it was made from, and does nothing."""

    __slots__ = ("arguments", "state")

    def __new__(cls, *arguments: Any, **_: Any) -> Inert:
        made = object.__new__(cls)
        made.arguments, made.state = arguments, None
        return made

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, item: Any) -> None:
        """Of a class that is a list: its items are dropped."""

    def extend(self, items: Any) -> None:
        """The same."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Of a class that is a dictionary: its entries are dropped."""


def inert_class() -> type[Inert]:
    """A class of its own for each global and load."""
    return type("Placeholder", (Inert,), {"__slots__": ()})


class Reader(pickle.Unpickler):
    """Reads one pickle from ``stream``, which is left behind its last byte.

    ``otherwise(module, name)`` gives what stands for a global that is not in ``table``, or raises RefusedError; without
    it all others are refused. ``persistent(identifier)`` gives what a persistent id means; without it there may be
    none. ``named`` counts the globals that the pickle asked for.
    """

    def __init__(
        self,
        stream: BinaryIO,
        table: Table,
        *,
        otherwise: Callable[[str, str], Any] | None = None,
        persistent: Callable[[Any], Any] | None = None,
        encoding: str = "ASCII",
    ) -> None:
        super().__init__(stream, encoding=encoding)
        self._table, self._otherwise, self._persistent = table, otherwise or refuse_global, persistent
        self.named: Counter[str] = Counter()

    def find_class(self, module: str, name: str) -> Any:
        self.named[f"{module}.{name}"] += 1
        if (module, name) in self._table:
            return self._table[module, name]
        return self._otherwise(module, name)

    def persistent_load(self, identifier: Any) -> Any:
        if self._persistent is None:
            raise RefusedError("it has a persistent id, which this format does not know")
        return self._persistent(identifier)


def python_table() -> Table:
    """What pickles of older protocols name to write Python's own sets and bytes."""

    def encode(text: str, encoding: str = "latin1") -> bytes:
        if encoding != "latin1" or not isinstance(text, str):
            raise RefusedError(f"it encodes bytes as {encoding!r}, not as latin1")
        return text.encode("latin1")

    table: dict[tuple[str, str], Any] = {("_codecs", "encode"): encode}
    for module in ("builtins", "__builtin__"):
        table[module, "set"] = lambda items=(): set(items)
        table[module, "frozenset"] = lambda items=(): frozenset(items)
        table[module, "bytes"] = lambda: b""
    return table


def refuse_global(module: str, name: str) -> Any:
    """For a global that is in no table."""
    raise RefusedError(f"it asks for {module}.{name}, which such a file has no use for; nothing was run")


def plain(value: Any, leaf: Callable[[Any], Any]) -> Any:
    """``value`` with dictionaries and lists made anew and all else as ``leaf`` gives it; what is ``DROPPED`` of a
    dictionary or list is left out. What stands in it twice is looked at once, so that no small file becomes large."""
    made: dict[int, Any] = {}

    def walk(part: Any) -> Any:
        if not (isinstance(part, dict) or type(part) in (list, tuple, set, frozenset)):
            return leaf(part)
        if id(part) not in made:
            made[id(part)] = _UNFINISHED
            if isinstance(part, dict):
                items = ((key, walk(item)) for key, item in part.items())
                made[id(part)] = {key: item for key, item in items if item is not DROPPED}
            else:
                made[id(part)] = [item for item in map(walk, part) if item is not DROPPED]
        if made[id(part)] is _UNFINISHED:
            raise RefusedError("something in it contains itself")
        return made[id(part)]

    return walk(value)


DROPPED = object()
"""What :func:`plain` leaves out."""
_UNFINISHED = object()


@contextlib.contextmanager
def refusing(file: object) -> Iterator[None]:
    """Turn whatever goes wrong in reading ``file`` into a LetheError that names it."""
    try:
        yield
    except LetheError:
        raise
    except RefusedError as fault:
        raise LetheError(f"{file}: {fault}", REMEDY) from None
    except FileNotFoundError:
        raise LetheError(f"{file}: no such file", "correct the path, or fetch the file") from None
    except OSError:
        raise
    except Exception as error:  # a broken pickle can raise anything
        raise LetheError(f"{file}: not a readable pickle ({type(error).__name__}: {error})", REMEDY) from None
