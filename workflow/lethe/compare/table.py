"""A comparison as files: every number in csv; what changed, or could not be compared, in Markdown and LaTeX."""

from __future__ import annotations

from pathlib import Path

from lethe.artefacts import typeset
from lethe.artefacts.typeset import NOTHING, Group, Table, Text, decimals_of, number
from lethe.compare.entries import Entry
from lethe.compare.reading import Run
from lethe.compare.summary import counted, rule_of
from lethe.compare.verdicts import Comparison, Options
from lethe.files import write_rows, write_text

COLUMNS = (
    *("study", "target", "variant", "method", "seed", "metric", "prompts", "better", "a", "b"),
    *("difference", "low", "high", "confidence", "p_value", "corrected_p", "verdict", "why"),
)
_SHOWN = ("worse", "different", "better")
_ARROWS = {"higher": " ↑", "lower": " ↓", "": ""}


def write_tables(output: Path, a: Run, b: Run, comparison: Comparison, options: Options) -> list[Path]:
    """``output``.csv, .md and .tex."""
    paths = [output.with_name(f"{output.name}.{kind}") for kind in ("csv", "md", "tex")]
    table = as_table(a, b, comparison, options)
    write_rows(paths[0], COLUMNS, (_csv_row(entry, options) for entry in comparison.entries))
    write_text(paths[1], typeset.as_markdown(table))
    write_text(paths[2], typeset.as_latex(table))
    return paths


def as_table(a: Run, b: Run, comparison: Comparison, options: Options) -> Table:
    """A block for each verdict that says of a change."""
    blocks = [[_cells(e) for e in comparison.entries if e.verdict == verdict] for verdict in _SHOWN]
    nothing = [[Text("nothing changed"), *[Text("")] * 6]]
    counts = ", ".join(f"{count} {verdict}" for verdict, count in counted(comparison).items())
    return Table(
        caption=f"What changed from {a.name} (A) to {b.name} (B).",
        label="tab:compare",
        groups=[Group("", 7)],
        columns=["Row", "Metric", "A", "B", f"B − A [{100 * (1 - options.level):g} %]", "p", "verdict"],  # noqa: RUF001
        blocks=[block for block in blocks if block] or [nothing],
        notes=[
            f"Of all numbers: {counts}.",
            f"{rule_of(comparison, options)} p is corrected, intervals are not.",
            "The comparison is of these models; only one over several training seeds or targets speaks of methods. "
            "Controls have no better direction.",
        ],
        left=2,
        fitted=True,
    )


def _cells(entry: Entry) -> list[Text]:
    place = entry.place
    metric = f"{place.metric}{_ARROWS[entry.direction]}{f' on {place.prompts}' if place.prompts else ''}"
    tested = entry.difference
    digits = decimals_of(entry.a if entry.a is not None else 0)
    interval = NOTHING
    if tested is not None:
        value, low, high = (number(x, digits) for x in tested[:3])
        interval = f"{value} [{low}, {high}]"
    p = NOTHING if entry.adjusted is None else "<0.001" if entry.adjusted < 0.001 else number(entry.adjusted, 3)
    values = [NOTHING if value is None else number(value, digits) for value in (entry.a, entry.b)]
    words = (", ".join(place[:4]), metric, *values, interval, p, entry.verdict)
    return [Text(word, bold=entry.verdict == "worse") for word in words]


def _csv_row(entry: Entry, options: Options) -> dict[str, object]:
    tested = entry.difference
    row: dict[str, object] = entry.place._asdict() | {"method": entry.method, "better": entry.direction}
    row |= {"a": entry.a, "b": entry.b, "verdict": entry.verdict, "why": entry.why, "corrected_p": entry.adjusted}
    if tested is not None:
        row |= {"difference": tested.value, "low": tested.low, "high": tested.high, "p_value": tested.p_value}
        row["confidence"] = 1 - options.level
    return row
