"""Words of the command line that name rows and cells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lethe.errors import LetheError, nearest


class CellName(NamedTuple):
    """A cell of one study, written variant/target/seed."""

    variant: str
    target: str
    seed: str


def cell_named(word: str) -> CellName:
    parts = word.split("/")
    if len(parts) != 3 or not all(parts):
        raise LetheError(f"--cells {word}: not a cell", "write variant/target/seed, such as rgd/3/0")
    return CellName(*parts)


def titles_of(words: Iterable[str], option: str) -> dict[str, str]:
    """``name=Title`` words as a dictionary, in their order."""
    titles: dict[str, str] = {}
    for word in words:
        name, sign, title = word.partition("=")
        if not (name and sign and title):
            raise LetheError(f"{option} {word}: not name=Title", "write for example rgd=RGD")
        if name in titles:
            raise LetheError(f"{option}: '{name}' is there twice", "name each variant once")
        titles[name] = title
    return titles


def title_of(titles: Mapping[str, str], variant: str, option: str = "--titles") -> str:
    if variant not in titles:
        raise LetheError(f"{option} gives no title for the variant '{variant}'", nearest(variant, titles))
    return titles[variant]


def check_parallel(names: Sequence[str], files: Sequence[object], option: str) -> None:
    if len(names) != len(files):
        raise LetheError(
            f"--cells has {len(names)} entries, {option} has {len(files)}", "give one file for each cell, in one order"
        )
