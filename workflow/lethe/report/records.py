"""All records of a preset: found by what they are of, and coded compactly for the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

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
        self._places: dict[tuple[str, str, str, str], list[int]] = {}
        for place, record in enumerate(self.all):
            key = record.study, record.variant, record.metric, record.prompts
            self._places.setdefault(key, []).append(place)

    def places(self, study: str, variant: str, metric: str, prompts: str, targets: Iterable[str]) -> list[int]:
        """Places of the records of a row's number, over ``targets`` and all their seeds."""
        wanted = set(targets)
        return [p for p in self._places.get((study, variant, metric, prompts), []) if self.all[p].target in wanted]

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
