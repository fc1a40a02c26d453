"""Pairs of variants compared over the cells they share: difference, interval, p-value, wins, ties and losses. Writes
csv, Markdown (also printed) and LaTeX."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lethe.artefacts import protocol, typeset
from lethe.artefacts.naming import title_of, titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.rows import Metric, Row, check_one_judge, metrics_of, of_one_study, row_of
from lethe.artefacts.typeset import MINUS, NOTHING, Group, Table, Text, decimals_of, number
from lethe.errors import LetheError
from lethe.files import write_rows, write_text
from lethe.measures.summary import Paired, compare_paired
from lethe.record import read_records

TITLE = "paired differences between variants"
COLUMNS = (
    *("study", "first", "second", "metric", "better", "difference", "confidence", "low", "high", "p_value"),
    *("wins", "ties", "losses", "n", "unit", "n_targets", "n_seeds", "title", *protocol.COLUMNS),
)
PAIRED_FORMULA = (
    "mean over {n} {unit}s of the first less the second (of targets, each the mean of its seeds); interval: Student's "
    "t over them; p: two-sided sign-flip test of the mean"
)


class Comparison(NamedTuple):
    first: Row
    second: Row
    metric: Metric
    paired: Paired


def pair_named(word: str) -> tuple[str, str]:
    first, _, second = word.partition(":")
    if not first or not second or ":" in second or first == second:
        raise LetheError(f"--pairs {word}: not a pair of variants", "write first:second, such as rgd:rg")
    return first, second


def compare(first: Row, second: Row, confidence: float) -> list[Comparison]:
    """``first`` against ``second`` in every metric. The records must be of the same cells."""
    check_one_judge([first, second])
    comparisons = []
    for metric in first.metrics:
        try:
            paired = compare_paired(
                first.values(metric.name), second.values(metric.name), confidence, better=metric.better
            )
        except LetheError as error:
            raise LetheError(
                f"{first.variant}:{second.variant}, {metric.name}: {error.problem}", error.remedy
            ) from None
        comparisons.append(Comparison(first, second, metric, paired))
    return comparisons


def as_table(study: str, pairs: Sequence[Sequence[Comparison]], titles: Mapping[str, str], confidence: float) -> Table:
    units = sorted({comparison.paired.unit for pair in pairs for comparison in pair})
    count = sum(len(pair) for pair in pairs)
    smallest = min(comparison.paired.n for pair in pairs for comparison in pair)
    return Table(
        caption=f"Paired differences between methods on {study}, over the cells (target, seed) that both share.",
        label=f"tab:paired-{study}",
        groups=[Group("", 7)],
        columns=[
            "Comparison",
            "Metric",
            "Difference",
            f"{100 * confidence:g} % interval",
            "p",
            "wins / ties / losses",
            f"n ({', '.join(units)})" if len(units) == 1 else "n",
        ],
        blocks=[[_cells(comparison, titles, len(units) == 1) for comparison in pair] for pair in pairs],
        notes=[
            "Difference: mean of the first minus the second; ↑ and ↓ say which direction is better, and a win is the "
            f"first's. {_distances(pairs[0][0].first)}",
            "Replicates are targets, each the mean over its seeds; with one target, its seeds. Interval: Student's t "
            "over the replicates. p: two-sided sign-flip test of the mean.",
            f"The smallest p that {smallest} replicate{'s' * (smallest > 1)} can give is {2.0 ** (1 - smallest):.2g}. "
            f"The {count} p-values are not corrected for their number.",
        ],
        left=2,
    )


def _title(comparison: Comparison, titles: Mapping[str, str]) -> str:
    return f"{titles[comparison.first.variant]} {MINUS} {titles[comparison.second.variant]}"


def _distances(row: Row) -> str:
    if "FD" in row.records:
        return "FD and KD are distances in the judge's features."
    return "FID and KID are to the training images of the remaining classes, where nothing else is said."


def _cells(comparison: Comparison, titles: Mapping[str, str], one_unit: bool) -> list[Text]:
    _, _, metric, paired = comparison
    digits = decimals_of(paired.difference)
    interval = (
        NOTHING
        if paired.low is None or paired.high is None
        else f"[{number(paired.low, digits)}, {number(paired.high, digits)}]"
    )
    return [
        Text(_title(comparison, titles)),
        Text(f"{metric.title} {metric.arrow}"),
        Text(number(paired.difference, digits)),
        Text(interval),
        Text("<0.001" if paired.p_value < 0.001 else number(paired.p_value, 3)),
        Text(f"{paired.wins} / {paired.ties} / {paired.losses}"),
        Text(str(paired.n) if one_unit else f"{paired.n} {paired.unit}s"),
    ]


def _csv_row(study: str, comparison: Comparison, confidence: float, titles: Mapping[str, str]) -> dict[str, object]:
    first, second, metric, paired = comparison
    names = {"study": study, "first": first.variant, "second": second.variant, "metric": metric.name}
    sizes = {"n_targets": len(first.targets), "n_seeds": len(first.seeds)}
    made_of = protocol.protocol(
        PAIRED_FORMULA.format(n=paired.n, unit=paired.unit),
        [record for row in (first, second) for record in row.records[metric.name].values()],
    )
    numbers = {"better": metric.better, "confidence": confidence, **paired._asdict(), **sizes}
    return names | numbers | {"title": _title(comparison, titles)} | made_of


def main(arguments: argparse.Namespace) -> None:
    if not 0 < arguments.confidence < 1:
        raise LetheError(f"--confidence {arguments.confidence}: not between 0 and 1", "give for example 0.95")
    records = of_one_study(read_records(arguments.records))
    metrics = metrics_of(records)
    names = [pair_named(word) for word in arguments.pairs]
    variants = dict.fromkeys(name for pair in names for name in pair)
    rows = {variant: row_of(records, variant, metrics) for variant in variants}
    given = titles_of(arguments.titles, "--titles")
    titles = {variant: title_of(given, variant) if given else variant for variant in rows}
    pairs = [compare(rows[first], rows[second], arguments.confidence) for first, second in names]
    study = records[0].study
    text = typeset.as_markdown(table := as_table(study, pairs, titles, arguments.confidence))
    lines = [_csv_row(study, comparison, arguments.confidence, titles) for pair in pairs for comparison in pair]
    write_rows(arguments.csv, COLUMNS, lines)
    write_text(arguments.markdown, text)
    write_text(arguments.tex, typeset.as_latex(table))
    print(text, end="")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files, one study")
    parser.add_argument("--pairs", nargs="+", required=True, metavar="FIRST:SECOND", help="variants to compare")
    parser.add_argument("--titles", nargs="+", default=[], metavar="NAME=TITLE", help="titles of the variants [names]")
    parser.add_argument("--confidence", type=float, default=0.95, help="confidence of the intervals [0.95]")
    add_table_outputs(parser)
