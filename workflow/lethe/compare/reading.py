"""A run to compare: a folder or a zip in which record files lie, or one table of records."""

from __future__ import annotations

import csv
import hashlib
import math
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lethe.errors import LetheError
from lethe.files import read_json
from lethe.record import COLUMNS, Record, read_records

_NAMES = ("records.csv", "captions.csv", "metrics.csv")
_COST = "cost.json"


class Key(NamedTuple):
    """What two runs' records of the same thing share. ``prompts`` is empty in a class study."""

    study: str
    target: str
    variant: str
    seed: int
    metric: str
    prompts: str


@dataclass(frozen=True)
class Run:
    """The records of a run, and where each was read; ``seconds`` of unlearning by (study, target, variant, seed).
    ``raw`` says whether the judges' outputs may lie beside the record files."""

    name: str
    records: dict[Key, Record]
    files: dict[Key, Path] = field(default_factory=dict)
    costs: dict[tuple[str, str, str, int], dict[str, float]] = field(default_factory=dict)
    raw: bool = False
    digest: str = ""


def _named(key: Key) -> str:
    prompts = f" on {key.prompts}" if key.prompts else ""
    return f"{key.metric}{prompts} for {key.study} {key.target} {key.variant}, seed {key.seed}"


def key_of(record: Record) -> Key:
    return Key(*(getattr(record, name) for name in Key._fields))


@contextmanager
def opened(path: Path) -> Iterator[Run]:
    """The run at ``path``. LetheError where there is none, or it has two records of the same thing."""
    if path.is_dir():
        yield _of_folder(path, path, raw=True)
    elif path.is_file() and zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory() as folder:
            _unpack(path, Path(folder))
            yield _of_folder(path, Path(folder), raw=False)
    elif path.is_file():
        yield _run(path, [path], None, raw=False)
    else:
        raise LetheError(f"{path}: no such folder or file", "name a folder of results, a zip of one, or a records.csv")


def _unpack(path: Path, folder: Path) -> None:
    """The record files and costs alone, each in a folder of its own number: a name in a zip may point anywhere."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name for name in archive.namelist() if name.rpartition("/")[2] in (*_NAMES, _COST)]
            places = {name: number for number, name in enumerate(dict.fromkeys(n.rpartition("/")[0] for n in members))}
            for name in members:
                place = folder / str(places[name.rpartition("/")[0]])
                place.mkdir(exist_ok=True)
                (place / name.rpartition("/")[2]).write_bytes(archive.read(name))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise LetheError(f"{path}: not a readable zip ({error})", "make or copy it again") from None


def _of_folder(path: Path, folder: Path, raw: bool) -> Run:
    found = sorted(file for name in _NAMES for file in folder.rglob(name) if file.is_file() and _has_records(file))
    if not found:
        raise LetheError(f"{path}: no records.csv in it", "name a folder of results, as results/miniature")
    return _run(path, found, folder, raw)


def _has_records(path: Path) -> bool:
    """Whether the file is one of records. A table has the name of one kind too; records.csv must be one."""
    if path.name == _NAMES[0]:
        return True
    with path.open(newline="", encoding="utf-8", errors="replace") as stream:
        return tuple(next(csv.reader(stream), ())) == COLUMNS


def _run(path: Path, files: list[Path], folder: Path | None, raw: bool) -> Run:
    records: dict[Key, Record] = {}
    places: dict[Key, Path] = {}
    costs = {}
    total = hashlib.sha256()
    for file in files:
        total.update(file.read_bytes())
        try:
            own = read_records([file])
        except LetheError as error:
            shown = error.problem.replace(str(folder), str(path)) if folder else error.problem
            raise LetheError(shown, "measure that cell again, or leave its file out") from None
        for record in own:
            key = key_of(record)
            if not math.isfinite(record.value):
                raise LetheError(
                    f"{path}: {_named(key)} is {record.value}", "find out why, or leave that cell's file out"
                )
            if records.get(key, record) != record:
                raise LetheError(f"{path}: two records of {_named(key)}", "name the folder of one preset's results")
            records[key], places[key] = record, file
        if own and (file.parent / _COST).is_file() and file.name == _NAMES[0] and folder:
            costs[key_of(own[0])[:4]] = read_json(file.parent / _COST)
    if not records:
        raise LetheError(f"{path}: no record in it", "run the measure stage first")
    return Run(str(path), records, places, costs, raw, total.hexdigest())
