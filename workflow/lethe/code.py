"""Which of Lethe's modules a stage's result depends on: the closure of its imports, read from the source.

Snakemake does not see what a command imports. A job's fingerprint, which is among its options, therefore has a hash of
these files, so that an edit reruns just what uses it, and a touch nothing; jobs without a fingerprint (tables, figures,
cards) name them as inputs. A job of a big preset has dozens of them: as inputs they would be most of the planning.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def modules_behind(*names: str) -> tuple[Path, ...]:
    """Files of the modules ``names`` and of every lethe module they import, directly or not; sorted, and relative to
    the working directory, so that a moved checkout plans nothing anew."""
    return tuple(sorted(Path(os.path.relpath(path)) for path in _behind(*names)))


@functools.cache
def code_hash(*names: str) -> str:
    """A hash of the contents of ``modules_behind(*names)``."""
    total = hashlib.sha256()
    for path in _behind(*names):
        total.update(f"{path.relative_to(_PACKAGE)}\n".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@functools.cache
def _behind(*names: str) -> tuple[Path, ...]:
    found: set[Path] = set()
    waiting = [_file_of(part) for name in names for part in (name, *_packages_of(name))]
    while waiting:
        path = waiting.pop()
        if path is not None and path not in found:
            found.add(path)
            waiting.extend(_file_of(name) for name in _imported(path))
    return tuple(sorted(found))


@functools.cache
def _imported(path: Path) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "lethe":
            # `from lethe.data import digits` may name a module or something in one.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names if alias.name.split(".")[0] == "lethe"]
    # Importing a module runs its packages too.
    return tuple(part for name in names for part in (name, *_packages_of(name)))


def _packages_of(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(2, len(parts))]


@functools.cache
def _file_of(name: str) -> Path | None:
    """The file of a dotted name, or None where the name is not a module of Lethe."""
    place = _PACKAGE.joinpath(*name.split(".")[1:])
    for candidate in (place.with_suffix(".py"), place / "__init__.py"):
        if place != _PACKAGE and candidate.is_file():
            return candidate
    return None
