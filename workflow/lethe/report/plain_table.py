"""A plain table: words at the left, numbers at the right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lethe.report.markup import Child, Markup, element


def table(
    heads: Sequence[str],
    lines: Sequence[Sequence[Child]],
    total: Sequence[Child] | None = None,
    marks: Sequence[dict[str, str]] | None = None,
    left: int = 1,
) -> Markup:
    """A plain table; the first ``left`` columns are words. ``marks`` are attributes of its rows."""
    marks = marks or [{}] * len(lines)
    style = "ledger words-2" if left == 2 else "ledger"
    return element(
        "table",
        element("thead", element("tr", (element("th", head, scope="col") for head in heads))),
        element("tbody", (element("tr", _cells(line), **mark) for line, mark in zip(lines, marks, strict=True))),
        element("tfoot", element("tr", _cells(total))) if total else None,
        class_=style,
    )


def _cells(line: Iterable[Child]) -> list[Markup]:
    first, *others = line
    return [element("th", first, scope="row"), *(element("td", text) for text in others)]
