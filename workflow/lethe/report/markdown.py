"""The Markdown that Lethe writes (tables, model cards) as HTML. Everything is escaped first; only the constructs below
are known, and raw HTML stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lethe.report.markup import Markup, element, joined, scrolling

_SPAN = re.compile(
    r"\\(?P<escaped>[\\|*_<>`])"
    r"|`(?P<code>[^`]+)`"
    r"|\*\*(?P<bold>(?:\\.|[^\\*])+)\*\*"
    r"|\*(?P<italic>(?:\\.|[^\\*])+)\*"
    r"|(?P<address>https?://[^\s<>\"')]*[^\s<>\"').,;])"
)
_CELLS = re.compile(r"(?<!\\)\|")
_ALIGN = re.compile(r"\|?(\s*:?-+:?\s*\|)+\s*(:?-+:?\s*)?")


def as_html(text: str, label: str, deepest: int = 3) -> Markup:
    """``label`` names its tables for a screen reader; its headings start one below level ``deepest``. Front matter
    between lines of ``---`` is left out."""
    lines = text.splitlines()
    if lines[:1] == ["---"] and "---" in lines[1:]:
        lines = lines[lines.index("---", 1) + 1 :]
    return joined(_blocks(lines, label, deepest))


def _blocks(lines: list[str], label: str, deepest: int) -> Iterator[Markup]:
    at = 0
    while at < len(lines):
        line = lines[at]
        end = at + 1
        if line.startswith("```"):
            while end < len(lines) and not lines[end].startswith("```"):
                end += 1
            yield scrolling("code", element("pre", element("code", "\n".join(lines[at + 1 : end]))))
            end += 1
        elif line.startswith("|"):
            end = _run(lines, at, "|")
            yield scrolling(label, _table(lines[at:end]))
        elif line.startswith("- "):
            end = _run(lines, at, "- ")
            yield element("ul", (element("li", spans(item[2:])) for item in lines[at:end]))
        elif heading := re.fullmatch(r"(#{1,6}) (.*)", line):
            yield element(f"h{min(6, len(heading[1]) + deepest)}", spans(heading[2]))
        elif line.strip():
            while end < len(lines) and lines[end].strip() and not lines[end].startswith(("```", "|", "- ", "#")):
                end += 1
            yield element("p", spans(" ".join(lines[at:end])))
        at = end


def _run(lines: list[str], first: int, mark: str) -> int:
    end = first
    while end < len(lines) and lines[end].startswith(mark):
        end += 1
    return end


def spans(text: str) -> Markup:
    """Bold, italic, code and addresses in a line of text."""
    parts: list[str] = []
    at = 0
    for found in _SPAN.finditer(text):
        parts.append(text[at : found.start()])
        at = found.end()
        if found["escaped"]:
            parts.append(found["escaped"])
        elif found["code"]:
            parts.append(element("code", found["code"]))
        elif found["bold"]:
            parts.append(element("strong", spans(found["bold"])))
        elif found["italic"]:
            parts.append(element("em", spans(found["italic"])))
        else:
            parts.append(element("a", found["address"], href=found["address"], rel="noopener noreferrer"))
    return joined(*parts, text[at:])


def _table(lines: list[str]) -> Markup:
    rows = [[cell.strip() for cell in _CELLS.split(line.strip().removeprefix("|").removesuffix("|"))] for line in lines]
    head: list[list[str]] = []
    if len(lines) > 1 and _ALIGN.fullmatch(lines[1]):
        head, rows = rows[:1], rows[2:]
        if any(cell == "" for cell in head[0]) and rows and all(_is_bold(cell) for cell in rows[0] if cell):
            head.append([cell.strip("*") for cell in rows.pop(0)])  # the groups' line, then the columns' names
    return element(
        "table",
        element("thead", (element("tr", _headings(row, row is head[0] and len(head) > 1)) for row in head)),
        element("tbody", (element("tr", (element("td", spans(cell)) for cell in row)) for row in rows)),
        class_="plain",
    )


def _is_bold(cell: str) -> bool:
    return cell.startswith("**") and cell.endswith("**")


def _headings(row: list[str], has_groups: bool) -> Iterator[Markup]:
    """Heading cells; in a line of groups, one spans the empty cells after it."""
    at = 0
    while at < len(row):
        end = at + 1
        while has_groups and row[at] and end < len(row) and not row[end]:
            end += 1
        yield element(
            "th", spans(row[at]), colspan=end - at if end - at > 1 else None, scope="colgroup" if has_groups else "col"
        )
        at = end
