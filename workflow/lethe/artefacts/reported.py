"""What third parties report of DoCo, from ``workflow/published/doco_reported.csv``: one table for each source.

DoCo's own tables could not be read; nothing here is from its paper.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from lethe.artefacts.typeset import NOTHING, Group, Table, Text
from lethe.errors import LetheError

_ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}


class Reported(NamedTuple):
    """A number as it is printed, where it was read, and of what: ``erased`` by ``method``, measured on ``concept``."""

    source: str
    place: str
    base: str
    erased: str
    method: str
    concept: str
    role: str
    metric: str
    better: str
    value: str


def read_reported(path: Path) -> list[Reported]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = [Reported(**row) for row in csv.DictReader(stream)]
    except FileNotFoundError:
        raise LetheError(f"{path}: no such file", "give workflow/published/doco_reported.csv") from None
    except TypeError as error:
        raise LetheError(f"{path}: not a table of reported values ({error})", "restore the file") from None
    for row in rows:
        if row.better not in _ARROWS or not row.value.replace(".", "", 1).isdecimal():
            raise LetheError(
                f"{path}: {row.method}, {row.concept}: '{row.value}', better '{row.better}'", "mend the row"
            )
    return rows


def reported_lines(rows: list[Reported]) -> list[dict[str, str]]:
    """A line of a csv file for each, with where it was read."""
    return [
        {
            "study": row.source,
            "target": row.erased,
            "variant": row.method,
            "title": row.method,
            "role": "reported",
            "prompts": row.concept,
            "metric": row.metric,
            "better": row.better,
            "mean": row.value,
            "formula": f"as printed in {row.source}, {row.place}" + (f"; base model: {row.base}" if row.base else ""),
        }
        for row in rows
    ]


def reported_tables(rows: list[Reported]) -> list[Table]:
    return [_of_source([row for row in rows if row.source == name]) for name in dict.fromkeys(r.source for r in rows)]


def _of_source(rows: list[Reported]) -> Table:
    first, values = rows[0], {(row.method, row.concept, row.metric): row.value for row in rows}
    concepts = list(dict.fromkeys(row.concept for row in rows))
    columns = sorted({(row.concept, row.metric, row.better): None for row in rows}, key=lambda c: concepts.index(c[0]))
    spans = {concept: sum(column[0] == concept for column in columns) for concept in concepts}
    methods = dict.fromkeys(row.method for row in rows)
    return Table(
        caption=f"Reported by {first.source}, not by DoCo itself: {first.erased} erased"
        + (f" from {first.base}." if first.base else "."),
        label=f"tab:reported-{first.source.split()[0].lower()}",
        groups=[Group("", 1), *(Group(concept, span) for concept, span in spans.items())],
        columns=["Method", *(f"{metric}{_ARROWS[better]}" for _, metric, better in columns)],
        blocks=[
            [
                [
                    Text(method),
                    *(Text(values.get((method, concept, metric), NOTHING)) for concept, metric, _ in columns),
                ]
                for method in methods
            ]
        ],
        notes=[
            f"Source: {first.place}. On scales of its own: not comparable with the miniature, nor with another source."
        ],
        fitted=len(columns) > 9,
    )
