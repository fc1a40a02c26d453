"""One number of a table in its cells (ours, the paper's, the difference), and what its protocol says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lethe.artefacts.typeset import decimals_of, mean_and_std, number
from lethe.report import words
from lethe.report.headline import BY_PART, Block, Column, Number, Row
from lethe.report.markup import Markup, element, joined
from lethe.report.numbers import Numbers
from lethe.report.verdict import SIGNS, WORDS, Verdict

NOTHING = "–"  # noqa: RUF001
_COUNTS, _PART = ("detections",), "count:"
_BYTES = "_bytes"
_MEGABYTE = 1e6  # as the tables have it
# Columns of csv files that a protocol repeats as they are, and what it calls them.
_REPEATED = {
    "formula": "made as",
    "verdict": "the first is",
    "devices": "device",
}
# Where no records tell them.
_COUNTED = {"n_cells": "models", "n_images": "images", "n_prompts": "prompts", "n_seeds": "how many training seeds"}


class NumberCells:
    """Makes cells, keeps what their protocols say in ``numbers``, and counts verdicts."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers
        self._places: dict[int, int] = {}
        self.verdicts: Counter[Verdict] = Counter()

    def again(self, held: Number, words: str) -> Markup:
        """A number that stands in a table already, in other words."""
        return self._numbers.button(words, self._places[id(held)])

    def cells(self, table: str, block: Block, row: Row, column: Column) -> Markup:
        """As many as the column is wide."""
        has_ours, has_paper = block.has_ours_in(column), block.has_paper_in(column)
        held = row.numbers.get(column)
        if held is None or (held.value is None and held.paper is None):
            width = has_ours + has_paper * (1 + has_ours)
            return joined(element("td", NOTHING, class_="first"), [element("td")] * (width - 1))
        place = self._numbers.add(_protocol(table, block, row, column, held))
        self._places[id(held)] = place
        theirs: str | Markup = _paper(column, held)
        if held.value is None:  # then the paper's is what opens the protocol
            theirs = self._numbers.button(theirs, place)
        cells = []
        if has_ours:
            ours = NOTHING if held.value is None else self._numbers.button(ours_in_words(column, held), place)
            cells.append(element("td", ours, class_="first", data_number=place))
        if has_paper:
            first = "paper" if has_ours else "paper first"
            cells.append(element("td", theirs, class_=first, data_number=place if held.paper else None))
        if has_ours and has_paper:
            cells.append(element("td", self._difference(column, held), class_="difference", data_number=place))
        return joined(cells)

    def _difference(self, column: Column, held: Number) -> Markup:
        if held.difference is None or held.verdict is None:
            return Markup("")
        code, _ = held.verdict
        self.verdicts[code] += 1
        digits = 0 if is_count(column, held.difference) else decimals_of(held.value or 0.0)
        text = number(held.difference, digits)
        sign = element("span", SIGNS[code], aria_hidden="true")
        told = element("span", sign, element("span", WORDS[code], class_="unseen"), class_=f"verdict {code}")
        return joined(f"+{text} " if held.difference > 0 else f"{text} ", told)


def name_of(column: Column) -> str:
    """A column's name, and which way is better; bytes are shown as megabytes."""
    arrow = {"higher": " ↑", "lower": " ↓"}.get(column.better, "")
    name = column.metric.removesuffix(":all")
    if name.startswith(_PART):
        name = name.removeprefix(_PART).lower()
    if name.endswith(_BYTES):
        name = f"{name.removesuffix(_BYTES)}, MB"
    return f"{name.replace('_', ' ')}{arrow}"


def heading_of(block: Block, column: Column) -> Markup:
    """A column's name, which of two numbers it has, on which prompts, and what stands in brackets."""
    held = [row.numbers[column] for row in block.rows.values() if column in row.numbers]
    under = [
        column.side,
        words.prompts_title(column.prompts) if column.prompts else "",
        "in brackets: lost" if any(number.line.get("loss") for number in held) else "",
    ]
    small = "; ".join(filter(None, under))
    return joined(name_of(column), element("small", small) if small else None)


def name_in_paper(block: Block, column: Column) -> str:
    """What the paper's number is, where it is not called as ours."""
    held = [row.numbers[column].line for row in block.rows.values() if column in row.numbers]
    names = {line["published_metric"] for line in held if line.get("published_metric")} - {column.metric}
    return f": {', '.join(sorted(names))}" if names else ""


def ours_in_words(column: Column, held: Number) -> str:
    """Our value as it is printed: with what was lost against the base, its deviation or its interval."""
    unit = _MEGABYTE if column.metric.endswith(_BYTES) else 1.0
    value, std, low, high = (None if x is None else x / unit for x in (held.value, held.std, held.low, held.high))
    value = value or 0.0
    if not column.better:  # costs are often the same in all cells, and whole
        std = std or None
        low, high = (low, high) if low != high else (None, None)
    is_whole = is_count(column, value) and std is None and (column.better or low is None)
    digits = 0 if is_whole else decimals_of(value)
    if held.line.get("loss"):
        return f"{number(value, digits)} ({number(float(held.line['loss']), 3)})"
    if std is not None or low is None or high is None:
        return mean_and_std(value, std, digits)
    chance = f", p {_chance(float(held.line['p_value']))}" if held.line.get("p_value") else ""
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]{chance}"


def is_count(column: Column, value: float) -> bool:
    """Whether it is printed without decimals: what is counted, and is whole."""
    counts = not column.better or column.metric in _COUNTS or column.metric.startswith(_PART)
    return counts and value.is_integer()


def _chance(p_value: float) -> str:
    return "<0.001" if p_value < 0.001 else number(p_value, 3)


def _paper(column: Column, held: Number) -> str:
    if held.paper is None:
        return ""
    value = held.paper.value
    return mean_and_std(value, held.paper.std, 0 if is_count(column, value) else decimals_of(value))


def _protocol(table: str, block: Block, row: Row, column: Column, held: Number) -> dict[str, Any]:
    """What the page tells of a number; of what is in its records only their places."""
    line = held.line
    metric = line.get("metric") or column.metric
    told: dict[str, Any] = {
        "of": row.title,
        "study": block.study,
        "target": block.target or line.get("targets", ""),
        "metric": metric,
        "prompts": column.prompts,
        "at": "" if block.part == BY_PART else block.part,
        "value": held.value,
        "std": held.std,
        "low": held.low,
        "high": held.high,
        "interval": held.interval,
        "file": f"tables/{table}.csv",
        "records": list(held.records),
        "more": _more(line, bool(held.records)),
    }
    if not held.records:  # real images, costs, or records that are not there: what the table itself says
        told |= {key: line.get(key, "") for key in ("judge", "judge_sha256", "features", "seeds")}
        told["n"] = line.get("images_min") or line.get("images") or ""
    if held.paper is not None:
        artefact = held.paper.artefact or table
        task = f", {held.paper.task}" if held.paper.task else ""
        its = line.get("published_metric", "")
        told["paper"] = {
            "value": held.paper.value,
            "std": held.paper.std,
            "from": f"{words.number_of(artefact)} of the RGD paper{task}"
            + (f"; there it is {its}" if its not in ("", metric) else ""),
        }
    if held.verdict is not None:
        told |= {"difference": held.difference, "verdict": f"{WORDS[held.verdict[0]]}: {held.verdict[1]}"}
    return told


def _more(line: Mapping[str, str], has_records: bool) -> list[list[str]]:
    """[name, words] pairs of what else the csv file says of a number."""
    repeated = _REPEATED if has_records else _REPEATED | _COUNTED
    more = [[name, line[key]] for key, name in repeated.items() if line.get(key)]
    if line.get("loss"):
        low, high = line.get("loss_low", ""), line.get("loss_high", "")
        within = f", interval {float(low):.4g} to {float(high):.4g}" if low and high else ""
        more.append(["lost against the base", f"{float(line['loss']):.4g}{within}"])
    if line.get("p_value"):
        more.append(["p", f"{float(line['p_value']):.4g}"])
    if line.get("wins"):
        more.append(["wins, ties, losses", f"{line['wins']}, {line['ties']}, {line['losses']}"])
    if line.get("compute"):
        steps = " to ".join(dict.fromkeys((line["steps_min"], line["steps_max"])))
        more.append(["compute", f"{steps} steps, {float(line['compute']):,.0f} examples through the network"])
    return more
