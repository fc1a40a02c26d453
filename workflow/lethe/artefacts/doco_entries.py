"""What table ``doco`` is made of: for each target and row how near its images are to the concept's name and to its
neighbours' names, and how far the neighbours' images are from the base's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from lethe.artefacts.rows import check_judged_alike
from lethe.artefacts.text_rows import Cell, TextRecords
from lethe.errors import LetheError
from lethe.prompts import NEIGHBOUR


class Column(NamedTuple):
    """A number that every row has: a metric on a prompt set."""

    prompts: str
    metric: str
    better: Literal["higher", "lower"]

    @property
    def arrow(self) -> str:
        return "↑" if self.better == "higher" else "↓"


ON_TARGET = (Column("forget_test", "CS", "lower"), Column("forget_test", "CER", "higher"))
ABSENT = (Column("retain_test", "CS", "lower"), Column("retain_test", "CER", "higher"))
"""The same on prompts without the concept: where the columns of ON_TARGET end."""


def of_neighbour(name: str) -> tuple[Column, ...]:
    prompts = f"{NEIGHBOUR}{name}"
    return (
        Column(prompts, "CS", "higher"),
        Column(prompts, "FD_to_base", "lower"),
        Column(prompts, "recognised_neighbour", "higher"),
    )


class Row(NamedTuple):
    variant: str
    title: str
    method: str
    is_control: bool


@dataclass(frozen=True)
class Shown:
    """A target with its neighbours (name: title) and its numbers by variant and column; empty where not measured."""

    name: str
    title: str
    neighbours: Mapping[str, str]
    cells: Mapping[tuple[str, Column], Cell]

    @property
    def columns(self) -> list[Column]:
        return [*ON_TARGET, *(column for name in self.neighbours for column in of_neighbour(name))]


def rows_of(records: TextRecords, titles: Mapping[str, str]) -> list[Row]:
    """A row for each title; one of them must be the base, which says where the numbers begin and end."""
    rows = [Row(name, title, records.method(name), records.is_control(name)) for name, title in titles.items()]
    if not any(row.method == "base" for row in rows):
        raise LetheError(f"none of the rows {', '.join(titles)} is the base", "add the base to the rows")
    return rows


def shown_target(
    records: TextRecords, rows: Sequence[Row], name: str, title: str, neighbours: Mapping[str, str]
) -> Shown:
    columns = (*ON_TARGET, *ABSENT, *(column for neighbour in neighbours for column in of_neighbour(neighbour)))
    cells = {
        (row.variant, column): records.cell(row.variant, name, column.prompts, column.metric)
        for row in rows
        for column in columns
    }
    for column in columns:
        measured = [record for row in rows for record in cells[row.variant, column].values()]
        check_judged_alike(f"{column.metric} of {name}", measured)
        if not measured and column.metric == "CS":
            raise LetheError(
                f"no row has a CS of {name} on {column.prompts}", "judge and measure its cells again, with all names"
            )
    return Shown(name, title, neighbours, cells)
