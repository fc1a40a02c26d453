"""Prompts that somebody else has listed, from a csv file such as I2P's."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lethe.errors import LetheError, nearest
from lethe.settings.listed import ListedPrompts


class ListedPrompt(NamedTuple):
    """A prompt with its own seed and guidance, None where they are not to be used."""

    prompt: str
    seed: int | None
    guidance: float | None


def listed_prompts(settings: ListedPrompts) -> list[ListedPrompt]:
    """The prompts of the csv file ``settings.given`` (a path), in its order. A number of them other than ``count``, a
    column that is not there and a value that is none are errors that name them."""
    path = Path(settings.given)
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            lines = csv.DictReader(stream, strict=True)
            _check_columns(path, lines.fieldnames or (), settings)
            found = list(_chosen(path, lines, settings))
    except FileNotFoundError:
        raise LetheError(f"{path}: no such file of prompts", "correct the path, or fetch the asset") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise LetheError(f"{path}: not a csv file ({error})", "give one with a column of prompts") from None
    if len(found) != settings.count:
        of = "".join(f" with {column} above {number:g}" for column, number in settings.above.items())
        raise LetheError(f"{path}: it has {len(found)} prompts{of}, but count = {settings.count}", "correct count")
    return found


def _check_columns(path: Path, there: list[str] | tuple[str, ...], settings: ListedPrompts) -> None:
    wanted = [settings.column, *settings.above]
    wanted += [settings.seed_column] if settings.own_seeds else []
    wanted += [settings.guidance_column] if settings.own_guidance else []
    for column in wanted:
        if column not in there:
            raise LetheError(f"{path}: it has no column '{column}'", nearest(column, there))


def _chosen(path: Path, lines: csv.DictReader, settings: ListedPrompts) -> Iterator[ListedPrompt]:
    for line in lines:
        where = f"{path}, line {lines.line_num}"
        if not all(_number(line, column, where) > number for column, number in settings.above.items()):
            continue
        if not line[settings.column]:
            raise LetheError(f"{where}: the prompt is empty", "mend the file")
        seed = _number(line, settings.seed_column, where) if settings.own_seeds else None
        if seed is not None and (seed < 0 or seed != int(seed)):
            raise LetheError(f"{where}: the seed {seed:g} is no whole number from 0 on", "mend the file")
        guidance = _number(line, settings.guidance_column, where) if settings.own_guidance else None
        yield ListedPrompt(line[settings.column], None if seed is None else int(seed), guidance)


def _number(line: Mapping[str, str], column: str, where: str) -> float:
    try:
        value = float(line[column])
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise LetheError(f"{where}: {column} '{line[column]}' is not a number", "mend the file")
    return value
