"""A record: one number with the protocol that made it. Cells write records; tables and figures read them."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lethe.errors import LetheError
from lethe.files import write_rows


@dataclass(frozen=True)
class Record:
    """One measured number.

    ``prompts`` is the prompt set that the images are of; empty in a class study. ``low`` and ``high`` bound ``value``
    by the interval named in ``interval`` (for KID: value -+ 1.96 standard errors); they are ``None`` for a metric that
    has none. ``control`` is the same metric between two sets of real images, with ``control_n`` images in the smaller
    one: the value a perfect model would show at that size. ``features`` says how the judge looked at the images.
    """

    preset: str
    study: str
    target: str
    variant: str
    method: str
    seed: int
    metric: str
    prompts: str
    value: float
    low: float | None
    high: float | None
    interval: str
    n: int
    control: float | None
    control_n: int | None
    reference: str
    judge: str
    judge_sha256: str
    features: str
    sampler: str
    image_seeds: str
    fingerprint: str


COLUMNS = tuple(field.name for field in dataclasses.fields(Record))
_INTEGERS = {"seed", "n", "control_n"}
_NUMBERS = {"value", "low", "high", "control"}
_MAY_BE_EMPTY = {"low", "high", "control", "control_n"}


def write_records(path: str | Path, records: Iterable[Record]) -> None:
    write_rows(path, COLUMNS, (dataclasses.asdict(record) for record in records))


def read_records(paths: Iterable[str | Path]) -> list[Record]:
    """Read record files, in the order given. Errors name the file, the line and the column."""
    records = []
    for path in paths:
        if not Path(path).is_file():
            raise LetheError(f"{path}: no such record file", "run the measure stage first")
        with Path(path).open(newline="", encoding="utf-8") as stream:
            rows = csv.DictReader(stream)
            try:
                if tuple(rows.fieldnames or ()) != COLUMNS:
                    raise LetheError(f"{path}: its columns are not those of a record", "run the measure stage again")
                records += [Record(**{name: _parse(name, row[name]) for name in COLUMNS}) for row in rows]
            except UnicodeDecodeError:
                raise LetheError(f"{path}: not a text in UTF-8", "name a table of records") from None
            except (csv.Error, ValueError) as error:
                raise LetheError(f"{path}, line {rows.line_num}: {error}", "run the measure stage again") from None
    return records


def _parse(name: str, text: str | None) -> object:
    if text is None:
        raise ValueError(f"the column '{name}' is missing: the line is cut")
    if not text and name in _MAY_BE_EMPTY:
        return None
    if name not in _INTEGERS | _NUMBERS:
        return text
    try:
        return int(text) if name in _INTEGERS else float(text)
    except ValueError:
        raise ValueError(f"the column '{name}' has '{text}', no number") from None
