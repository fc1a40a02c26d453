"""All records of a preset: found by what they are of, and coded compactly for the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lethe.artefacts.protocol import Key
from lethe.plan import Plan
from lethe.record import COLUMNS, Record, read_records
from lethe.report.shelf import Shelf

# In every record of a preset the same.
_LEFT_OUT = {"preset"}
_VALUES = {"seed", "value", "low", "high", "n", "control", "control_n"}


class Records:
    """The records that there are, in the order of the plan; a record is known by its place among them."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.all = list(records)
        self._places: dict[tuple[str, Key], int] = {}
        self._of_cell: dict[tuple[str, str, str, int], list[int]] = {}
        for place, record in enumerate(self.all):
            key = Key(record.variant, record.metric, record.prompts, record.target, record.seed)
            self._places[record.study, key] = place
            cell = record.study, record.target, record.variant, record.seed
            self._of_cell.setdefault(cell, []).append(place)

    def places(self, study: str, keys: Iterable[Key]) -> list[int]:
        """Places of the records that a table names; those that are not there are left out."""
        return [self._places[study, key] for key in keys if (study, key) in self._places]

    def of_cell(self, study: str, target: str, variant: str, seed: int) -> list[int]:
        """Places of all records of one model."""
        return self._of_cell.get((study, target, variant, seed), [])

    def coded(self) -> dict[str, Any]:
        """By column its values; of a column of words its distinct words, and for each record which of them."""
        table: dict[str, Any] = {}
        for name in COLUMNS:
            if name in _LEFT_OUT:
                continue
            column = [getattr(record, name) for record in self.all]
            if name in _VALUES:
                table[name] = column
            else:
                number = {word: index for index, word in enumerate(dict.fromkeys(column))}
                table[name] = {"words": list(number), "at": [number[word] for word in column]}
        return table


def read_all(plan: Plan, shelf: Shelf) -> Records:
    paths = [path for study in plan.studies.values() for path in study.records()] + plan.metrics.records
    return Records(read_records(shelf.those_there(paths)))
