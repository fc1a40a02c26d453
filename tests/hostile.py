"""Pickles that would do harm where they were run, and the proof that they were not."""

from __future__ import annotations

import contextlib
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lethe.errors import LetheError


class Called:
    """Pickles as a call of ``function``: what an attacker writes."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._call


def global_(module: str, name: str) -> bytes:
    """The opcode GLOBAL."""
    return f"c{module}\n{name}\n".encode()


def stack_global(module: str, name: str) -> bytes:
    """The opcode STACK_GLOBAL of protocol 4."""
    return b"".join(b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, name)) + b"\x93"


def text(words: str) -> bytes:
    return b"X" + len(words.encode()).to_bytes(4, "little") + words.encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    """REDUCE."""
    return function + b"(" + b"".join(arguments) + b"tR"


def values(sentinel: Path) -> dict[str, bytes]:
    """Opcodes that push one value, by what they would do; each that runs leaves the file ``sentinel``."""
    shell, python = f"touch {sentinel}", f"__import__('pathlib').Path({str(sentinel)!r}).touch()"
    found: dict[str, bytes] = {}
    for how, named in (("GLOBAL", global_), ("STACK_GLOBAL", stack_global)):
        found |= {
            f"os.system by {how}": call(named("os", "system"), text(shell)),
            f"posix.system by {how}": call(named("posix", "system"), text(shell)),
            f"eval by {how}": call(named("builtins", "eval"), text(python)),
            f"exec by {how}": call(named("builtins", "exec"), text(python)),
            f"eval of Python 2 by {how}": call(named("__builtin__", "eval"), text(python)),
            f"getattr by {how}": call(
                call(named("builtins", "getattr"), call(named("builtins", "__import__"), text("os")), text("system")),
                text(shell),
            ),
            f"a new module by {how}": call(named("this", "s")),
            f"a partial call by {how}": call(call(named("functools", "partial"), named("os", "system"), text(shell))),
        }
    ordered = global_("collections", "OrderedDict")
    return found | {
        "a dotted name": call(stack_global("collections", "OrderedDict.fromkeys.__self__.__init__.__globals__")),
        "a dotted name of numpy": call(stack_global("numpy", "dtype.__class__.__subclasses__")),
        "INST": b"(" + text(shell) + b"ios\nsystem\n",
        "OBJ": b"(" + global_("os", "system") + text(shell) + b"o",
        "NEWOBJ": global_("subprocess", "Popen") + b"(" + text(shell) + b"t\x81",
        "BUILD that calls": call(ordered)
        + b"}("
        + text("__setstate__")
        + global_("os", "system")
        + b"ub"
        + text(shell)
        + b"b",
        "BUILD on a class": ordered + b"}" + text("x") + text("y") + b"s\x86b",
        "an extension": b"\x80\x02\x82\x01",
    }


@contextlib.contextmanager
def harmless(sentinel: Path) -> Iterator[None]:
    """The block leaves no ``sentinel``, and Python with the modules that it had."""
    before = set(sys.modules)
    yield
    assert not sentinel.exists()
    assert set(sys.modules) - before == set()


def is_refused(read: Callable[[], object], *words: str) -> str:
    """``read`` raises a LetheError with these words; its text."""
    with pytest.raises(LetheError) as caught:
        read()
    message = str(caught.value)
    assert all(word in message for word in words), message
    return message


def does_harm(pickled: bytes, sentinel: Path) -> bool:
    """Whether Python's own reader would leave the sentinel: the test's proof that its pickle is a real one."""
    with contextlib.suppress(Exception):
        pickle.loads(pickled)
    done = sentinel.exists()
    sentinel.unlink(missing_ok=True)
    return done
