"""What a number of a table is made of, in two columns of its csv file: the formula, and the records that it is over.

The report reads them and shows both beside the number; nothing about it has to be guessed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lethe.artefacts.rows import DDOF
from lethe.record import Record

COLUMNS = ("formula", "records")


class Key(NamedTuple):
    """What tells a record of a study from all others."""

    variant: str
    metric: str
    prompts: str
    target: str
    seed: int


def protocol(formula: str, records: Iterable[Record]) -> dict[str, str]:
    """Both columns. Records stand as ``VARIANT METRIC@PROMPTS: TARGET/SEED TARGET/SEED; ...``."""
    groups: dict[str, dict[str, None]] = {}
    for record in records:
        name = f"{record.variant} {record.metric}" + (f"@{record.prompts}" if record.prompts else "")
        groups.setdefault(name, {})[f"{record.target}/{record.seed}"] = None
    return {"formula": formula, "records": "; ".join(f"{name}: {' '.join(cells)}" for name, cells in groups.items())}


def mean_protocol(records: Sequence[Record], more: str = "") -> dict[str, str]:
    """Of a mean over records (targets and training seeds), each weighing alike. ``more`` is said after it."""
    formula = (
        f"mean of {len(records)} records, one for each target and training seed; ±: their sample standard deviation "
        f"(ddof {DDOF})"
        if len(records) > 1
        else "the value of one record"
    )
    return protocol("; ".join(filter(None, (formula, more))), records)


def keys_of(text: str) -> list[Key]:
    """The records that a csv file names in its column ``records``; ValueError where it is not as written above."""
    keys = []
    for group in filter(None, text.split("; ")):
        name, colon, cells = group.partition(": ")
        variant, _, measured = name.partition(" ")
        metric, _, prompts = measured.partition("@")
        named = [cell.rpartition("/") for cell in cells.split()]
        if not (colon and metric and named and all(target and seed.isdecimal() for target, _, seed in named)):
            raise ValueError(f"'{group}' names no records")
        keys += [Key(variant, metric, prompts, target, int(seed)) for target, _, seed in named]
    return keys
