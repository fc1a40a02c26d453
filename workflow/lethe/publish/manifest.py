"""What an archive of published records says of itself, and what its files may be called."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from lethe.settings.common import Settings

MANIFEST = "manifest.json"
MOST_FILES, MOST_BYTES = 100_000, 8 * 2**30
# Short enough for the file systems of today, a temporary name beside it too.
_PART = re.compile(r"[A-Za-z0-9_+~-][A-Za-z0-9_.+~-]{0,199}")
# Formats that hold numbers and text and run nothing when they are read.
_SUFFIXES = (".csv", ".json", ".safetensors")


def _checked_name(name: str) -> str:
    """The name of a file below a preset's folder: study/..., with no way out of that folder."""
    parts = name.split("/")
    if len(parts) < 2 or not all(map(_PART.fullmatch, parts)) or PurePosixPath(name).suffix not in _SUFFIXES:
        raise ValueError(f"{name!r} is no file of records, costs, images or the like, inside a study's folder")
    return name


def _checked_together(files: dict[str, PublishedFile]) -> dict[str, PublishedFile]:
    """Not too much, and no file where another needs a folder."""
    for name in files:
        if above := next((str(folder) for folder in PurePosixPath(name).parents if str(folder) in files), None):
            raise ValueError(f"{name!r} is inside {above!r}, which is a file too")
    total = sum(file.bytes for file in files.values())
    if len(files) > MOST_FILES or total > MOST_BYTES:
        raise ValueError(
            f"{len(files):,} files of {total:,} bytes; at most {MOST_FILES:,} files and {MOST_BYTES:,} bytes are taken"
        )
    return files


FileName = Annotated[str, AfterValidator(_checked_name)]


class PublishedFile(Settings):
    """One file: its size, its sha256, and the fingerprint of what it was made from, where it carries one."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    fingerprint: str = ""


class Manifest(Settings):
    """``computed`` is the configuration that decided the numbers, defaults of methods included (:mod:`.computed`).
    ``fits`` says whether every fingerprint was that of the configuration and code which packed the archive."""

    format: Literal[1] = 1
    preset: str = Field(pattern="^[a-z][a-z0-9_]*$")
    versions: dict[str, str]
    fits: bool
    computed: dict[str, dict[str, Any]]
    files: Annotated[dict[FileName, PublishedFile], AfterValidator(_checked_together)] = Field(min_length=1)
