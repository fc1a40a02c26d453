"""The tables of results, number by number: ours, and where there is one the paper's, their difference and a verdict.

They are read from the csv files of the artefacts stage, so that report and tables cannot disagree; the records behind a
number give its interval, where the csv has none, and its protocol.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lethe.artefacts.typeset import decimals_of, number
from lethe.errors import LetheError
from lethe.measures.summary import mean_interval
from lethe.report.records import Records
from lethe.report.verdict import Paper, Verdict, verdict

_NEEDED = {"study", "title", "better"}
_TWO_NUMBERS = "released_mean"
"""A column of tables whose lines have two numbers each: they are read as a whole."""


class Column(NamedTuple):
    metric: str
    prompts: str
    better: str


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

    @property
    def words(self) -> str:
        """Our value as it is printed."""
        return "" if self.value is None else number(self.value, decimals_of(self.value))


@dataclass
class Row:
    title: str
    method: str
    role: str
    numbers: dict[Column, Number] = field(default_factory=dict)


@dataclass
class Block:
    """The rows of one target (empty: over targets) at equal steps or equal compute."""

    study: str
    target: str
    at: str
    columns: list[Column] = field(default_factory=list)
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)

    @property
    def has_paper(self) -> bool:
        return any(self.has_paper_in(column) for column in self.columns)

    def has_paper_in(self, column: Column) -> bool:
        return any(row.numbers[column].paper for row in self.rows.values() if column in row.numbers)


def read_blocks(path: str | Path, records: Records, confidence: Mapping[str, float]) -> list[Block]:
    """The blocks of a table, or none where it is not one of rows by metrics. ``confidence`` is by study."""
    with Path(path).open(newline="", encoding="utf-8") as stream:
        lines = csv.DictReader(stream)
        names = set(lines.fieldnames or ())
        if not names >= _NEEDED or _TWO_NUMBERS in names:
            return []
        blocks: dict[tuple[str, str, str], Block] = {}
        for line in lines:
            metric = line.get("metric") or line.get("quantity", "")
            if metric.startswith("count:") or not line["title"] or not line["better"]:
                continue  # parts: theirs are others than ours; differences of two rows; costs
            try:
                _put({**line, "metric": metric}, blocks, records, confidence)
            except (KeyError, ValueError) as error:
                raise LetheError(
                    f"{path}, line {lines.line_num}: {error}", "delete it, and run snakemake again"
                ) from None
    return list(blocks.values())


def _put(
    line: dict[str, str], blocks: dict[tuple[str, str, str], Block], records: Records, confidence: Mapping[str, float]
) -> None:
    study, target = line["study"], line.get("target", "")
    at = line.get("at", "").removeprefix("at ")
    if not at and any(key[:2] == (study, target) for key in blocks):
        at = next(key[2] for key in blocks if key[:2] == (study, target))  # what needs no steps stands with the first
    block = blocks.setdefault((study, target, at), Block(study, target, at))
    column = Column(line["metric"], line.get("prompts", ""), line.get("better", ""))
    if column not in block.columns:
        block.columns.append(column)
    set_of_row = line.get("retain_set", "")
    key = line.get("variant") or line.get("method", ""), set_of_row
    title = " ".join(filter(None, (line["title"], f"({set_of_row})" if set_of_row else "")))
    row = block.rows.setdefault(key, Row(title, line.get("method", ""), line.get("role", "")))
    row.numbers[column] = _number(line, records, confidence.get(study, 0.95))


def _number(line: Mapping[str, str], records: Records, confidence: float) -> Number:
    targets = [line["target"]] if line.get("target") else line.get("targets", "").split()
    study, variant = line["study"], line.get("variant", "")
    places = records.places(study, variant, line["metric"], line.get("prompts", ""), targets)
    value = _float(line.get("mean") or line.get("value"))
    low, high, interval = _float(line.get("low")), _float(line.get("high")), line.get("interval", "")
    if low is not None and not interval and line.get("unit"):
        interval = _student(int(line["n"]), line["unit"], float(line["confidence"]))
    if value is not None and low is None and len(places) > 1:
        cells = {(records.all[p].target, records.all[p].seed): records.all[p].value for p in places}
        made = mean_interval(cells, confidence)
        low, high = made.low, made.high
        interval = _student(made.n, made.unit, confidence) if low is not None else ""
    elif value is not None and low is None and len(places) == 1:
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


def _student(count: int, unit: str, confidence: float) -> str:
    return f"Student's t over {count} {unit}s, {100 * confidence:g} %"


def _float(text: str | None) -> float | None:
    return float(text) if text else None
