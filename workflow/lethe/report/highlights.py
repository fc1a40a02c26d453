"""What came out, made from the tables of results: which methods forgot most, and which of these kept most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lethe.artefacts.typeset import decimals_of, number
from lethe.report import words
from lethe.report.headline import Block, Column, Number, Row
from lethe.report.markup import Markup, element, joined, scrolling
from lethe.report.number_cells import NOTHING, NumberCells, is_count, name_of

# The first of them that a table has says how well the target was forgotten.
_FORGETTING = ("UA", "detected", "recognised", "detections", "CER", "CS")
_PARTS = ("", "at equal steps")
_RULE = (
    "Made from the tables below: methods only, no controls. Two rows are told apart where their intervals do not "
    "overlap, and never where one has no interval: a coarse test that misses differences which a comparison in pairs "
    "may find; many numbers are looked at, and nothing is corrected for that. What was kept is compared only among the "
    "methods that are not told apart from the one that forgot most, since a model that was hardly changed keeps most."
)


class Finding(NamedTuple):
    """``best``: the rows that print the best value of ``column``; ``level``: those not told apart from the first of
    them; ``apart``: the others. ``is_kept``: among the methods that forgot most."""

    column: Column
    is_kept: bool
    best: list[Row]
    level: list[Row]
    apart: list[Row]


def section(blocks: Sequence[tuple[str, Block]], cells: NumberCells) -> Markup:
    """Blocks with what they are called, each with its findings; empty where none has two methods."""
    found = [(name, block, findings(block)) for name, block in blocks if block.part in _PARTS]
    bodies = [_body(name, block, told, cells) for name, block, told in found if told]
    if not bodies:
        return Markup("")
    heads = ("", "best", "not told apart from it", "told apart")
    table = element(
        "table",
        element("thead", element("tr", (element("th", head or "number", scope="col") for head in heads))),
        bodies,
        class_="plain findings",
    )
    return element(
        "section",
        element("h3", "What came out"),
        scrolling("What came out", table),
        element("p", _RULE, class_="note"),
        id="highlights",
    )


def _body(name: str, block: Block, told: Sequence[Finding], cells: NumberCells) -> Markup:
    lines = [element("tr", element("th", name, scope="rowgroup", colspan=4), class_="group")]
    for finding in told:
        prompts = words.prompts_title(finding.column.prompts) if finding.column.prompts else ""
        what = f"{'kept' if finding.is_kept else 'forgotten'}{f', {prompts}' if prompts else ''}"
        held = finding.best[0].numbers[finding.column]
        best = joined(f"{_names(finding.best)} ", cells.again(held, _printed(finding.column, held)))
        rest = (element("td", _names(rows)) for rows in (finding.level, finding.apart))
        number_of = element("th", name_of(finding.column), element("small", what), scope="row")
        lines.append(element("tr", number_of, element("td", best), rest))
    return element("tbody", lines, data_study=block.study, data_target=block.target or None)


def findings(block: Block) -> list[Finding]:
    """Which methods forgot most, then by number which of these kept most; nothing of a block without two methods."""
    methods = [row for row in block.rows.values() if row.role == "method"]
    known = {column.metric: column for column in block.columns if len(_having(methods, column)) > 1}
    forgetting = next((known[name] for name in _FORGETTING if name in known), None)
    if forgetting is None:
        return []
    first = _finding(methods, forgetting, False)
    same = [row for row in methods if row in first.best or row in first.level]
    kept = [c for c in block.columns if c.better and c.metric not in _FORGETTING and len(_having(same, c)) > 1]
    return [first, *(_finding(same, column, True) for column in kept)]


def _finding(rows: Sequence[Row], column: Column, is_kept: bool) -> Finding:
    rows = _having(rows, column)
    sign = 1 if column.better == "higher" else -1
    first = max(rows, key=lambda row: sign * (row.numbers[column].value or 0.0))
    best = [row for row in rows if _printed(column, row.numbers[column]) == _printed(column, first.numbers[column])]
    others = [row for row in rows if row not in best]
    level = [row for row in others if not _apart(row.numbers[column], first.numbers[column])]
    return Finding(column, is_kept, best, level, [row for row in others if row not in level])


def _having(rows: Sequence[Row], column: Column) -> list[Row]:
    return [row for row in rows if column in row.numbers and row.numbers[column].value is not None]


def _apart(one: Number, other: Number) -> bool:
    """Whether both have intervals that do not overlap."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.high < other.low or other.high < one.low


def _printed(column: Column, held: Number) -> str:
    value = held.value or 0.0
    return number(value, 0 if is_count(column, value) else decimals_of(value))


def _names(rows: Sequence[Row]) -> str:
    names = [row.title for row in rows]
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0] if names else NOTHING
