"""The methods, one file each: a file here that defines ``METHOD`` is a method by the name of the file."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from lethe.errors import LetheError, nearest
from lethe.methods.method import Control, Method


@functools.cache
def method_names() -> tuple[str, ...]:
    """Names of all methods and controls, sorted."""
    return tuple(
        sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name != "method" and info.name[0] != "_")
    )


@functools.cache
def method_named(name: str) -> Method | Control:
    """The method or control called ``name``; an unknown name is an error that offers the nearest."""
    if name not in method_names():
        raise LetheError(f"there is no method '{name}'", nearest(name, method_names()))
    module = importlib.import_module(f"lethe.methods.{name}")
    method = getattr(module, "METHOD", None)
    if not isinstance(method, Method | Control):
        raise LetheError(f"{module.__file__} defines no METHOD", "write METHOD = Method(...), see methods/rgd.py")
    return method


def is_control(name: str) -> bool:
    """Whether the method called ``name`` bounds the metrics, so that its rows are set apart and do not compete."""
    method = method_named(name)
    return isinstance(method, Control) and method.bounds
