"""The tables of results, number by number: ours, and where there is one the paper's, their difference and a verdict.

They are read from the csv files of the artefacts stage, so that report and tables cannot disagree. A csv file says of
each number the formula and the records behind it (:mod:`lethe.artefacts.protocol`); these give its protocol, and its
interval where the csv has none.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lethe.artefacts.protocol import keys_of
from lethe.errors import LetheError
from lethe.measures.summary import mean_interval
from lethe.report.records import Records
from lethe.report.verdict import Paper, Verdict, verdict

BY_PART, DIFFERENCES = "by part", "differences"
_PART = "count:"
_NEEDED = {"study", "title"}
_METRIC, _VALUE = ("metric", "quantity"), ("mean", "value", "difference")
# Two numbers a line: what the csv calls the second's columns, and what the page calls the two.
_SECOND, _SIDES = "released_", ("fixed", "as released")


class Column(NamedTuple):
    """``side`` tells two numbers of one metric apart, where a table has two."""

    metric: str
    prompts: str
    better: str
    side: str = ""


@dataclass(frozen=True)
class Number:
    """One entry: our value with its interval (None where there is none), the paper's, and the records behind ours."""

    value: float | None
    std: float | None
    low: float | None
    high: float | None
    interval: str
    paper: Paper | None
    records: tuple[int, ...]
    line: Mapping[str, str]
    """The line of the csv file, for what else it says."""

    @property
    def difference(self) -> float | None:
        return None if self.value is None or self.paper is None else self.value - self.paper.value

    @property
    def verdict(self) -> tuple[Verdict, str] | None:
        if self.value is None or self.paper is None:
            return None
        return verdict(self.value, self.low, self.high, self.paper)


@dataclass
class Row:
    title: str
    method: str
    role: str
    says: str = ""
    """What a table says of a row in words."""
    variants: tuple[str, ...] = ()
    """Its variant, or the two that it compares."""
    numbers: dict[Column, Number] = field(default_factory=dict)


@dataclass
class Block:
    """The rows of one target (empty: over targets); ``part`` is which of its tables: at equal steps or equal compute,
    by part, differences."""

    study: str
    target: str
    part: str
    columns: list[Column] = field(default_factory=list)
    rows: dict[tuple[str, ...], Row] = field(default_factory=dict)

    @property
    def has_paper(self) -> bool:
        return any(self.has_paper_in(column) for column in self.columns)

    def has_paper_in(self, column: Column) -> bool:
        return any(row.numbers[column].paper for row in self.rows.values() if column in row.numbers)

    def has_ours_in(self, column: Column) -> bool:
        return any(row.numbers[column].value is not None for row in self.rows.values() if column in row.numbers)


def read_blocks(path: str | Path, records: Records, confidence: Mapping[str, float]) -> list[Block]:
    """The blocks of a table, or none where it is not one of rows by metrics. ``confidence`` is by study."""
    with Path(path).open(newline="", encoding="utf-8") as stream:
        lines = csv.DictReader(stream)
        names = set(lines.fieldnames or ())
        if not (names >= _NEEDED and names.intersection(_METRIC) and names.intersection(_VALUE)):
            return []
        blocks: dict[tuple[str, str, str], Block] = {}
        for line in lines:
            try:
                for column, number in _numbers_of(line):
                    _put(column, number, blocks, records, confidence)
            except (KeyError, ValueError, TypeError) as error:
                raise LetheError(
                    f"{path}, line {lines.line_num}: {error}", "delete it, and run snakemake again"
                ) from None
    return list(blocks.values())


def _numbers_of(line: dict[str, str]) -> Iterator[tuple[Column, dict[str, str]]]:
    """The one number of a line, or its two."""
    name = line.get("quantity") or line["metric"]
    column = Column(name, line.get("prompts", ""), line.get("better", ""))
    if f"{_SECOND}mean" not in line:
        yield column, line
        return
    second = {key.removeprefix(_SECOND): text for key, text in line.items() if key.startswith(_SECOND)}
    second.pop("variant", "")  # both stand in one row
    for side, own in zip(_SIDES, (line, {**line, **second}), strict=True):
        yield column._replace(side=side), own


def _put(
    column: Column,
    line: dict[str, str],
    blocks: dict[tuple[str, str, str], Block],
    records: Records,
    confidence: Mapping[str, float],
) -> None:
    study, target = line["study"], line.get("target", "")
    part = f"at {line['at'].removeprefix('at ')}" if line.get("at") else ""
    if column.metric.startswith(_PART):
        part = BY_PART
    elif line.get("against"):
        part = DIFFERENCES
    if not part and any(key[:2] == (study, target) for key in blocks):
        part = next(key[2] for key in blocks if key[:2] == (study, target))  # what needs no steps stands with the first
    block = blocks.setdefault((study, target, part), Block(study, target, part))
    if column not in block.columns:
        block.columns.append(column)
    set_of_row = line.get("retain_set", "")
    who = line.get("variant") or line.get("method") or line["title"]
    title = " ".join(filter(None, (line["title"], f"({set_of_row})" if set_of_row else "")))
    key = who, line.get("against", ""), set_of_row
    if key not in block.rows:
        is_taken = any(row.title == title for row in block.rows.values())
        title = f"{title} ({who})" if is_taken else title
        variants = tuple(filter(None, (line.get(name) for name in ("variant", "against", "first", "second"))))
        block.rows[key] = Row(title, line.get("method", ""), line.get("role", ""), line.get("verdict", ""), variants)
    row = block.rows[key]
    row.numbers[column] = _number(line, records, confidence.get(study, 0.95))


def _number(line: Mapping[str, str], records: Records, confidence: float) -> Number:
    places = records.places(line["study"], keys_of(line.get("records", "")))
    value = next((float(line[name]) for name in _VALUE if line.get(name)), None)
    low, high, interval = _float(line.get("low")), _float(line.get("high")), line.get("interval", "")
    is_difference = bool(line.get("p_value") or line.get("against"))
    if low is not None and not interval and line.get("confidence"):
        interval = _student(line.get("n", ""), line.get("unit", ""), float(line["confidence"]))
    if value is not None and low is None and not is_difference:
        if len(places) > 1:
            cells = {(records.all[p].target, records.all[p].seed): records.all[p].value for p in places}
            made = mean_interval(cells, confidence)
            low, high = made.low, made.high
            interval = _student(str(made.n), made.unit, confidence) if low is not None else ""
        elif places:
            only = records.all[places[0]]
            low, high, interval = only.low, only.high, only.interval
    paper = None
    if line.get("published_value"):
        paper = Paper(
            float(line["published_value"]),
            _float(line.get("published_std")),
            line.get("published_artefact", ""),
            line.get("published_task", ""),
            line.get("published_is_comparable") == "True",
        )
    return Number(value, _float(line.get("std")), low, high, interval, paper, tuple(places), line)


def _student(count: str, unit: str, confidence: float) -> str:
    over = f" over {count} {unit}s" if unit else ""
    return f"Student's t{over}, {100 * confidence:g} %"


def _float(text: str | None) -> float | None:
    return float(text) if text else None
