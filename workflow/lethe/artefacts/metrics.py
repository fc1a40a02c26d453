"""Table ``metrics``: the image metrics of every row, one table a study. Writes csv (full precision), Markdown and
LaTeX."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lethe.artefacts import protocol, typeset
from lethe.artefacts.alignment_entries import set_title
from lethe.artefacts.naming import titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.rows import DDOF, check_judged_alike, samplers_of
from lethe.artefacts.typeset import NOTHING, Group, Table, Text, decimals_of, mean_and_std, span_of
from lethe.errors import LetheError
from lethe.files import write_rows, write_text
from lethe.measures.summary import summarise
from lethe.methods import method_named
from lethe.methods.method import Control
from lethe.metrics import metric_named
from lethe.record import Record, read_records

TITLE = "image metrics of every row"
CLASSES = {"forget_class": "forgotten class", "retain_class": "other classes"}
SHOWN = ("forget_test", "retain_test", *CLASSES)
"""The prompt sets that the table shows; the csv has all."""
COLUMNS = (
    *("study", "target", "targets", "variant", "title", "method", "prompts", "metric", "better", "mean", "std", "ddof"),
    *("low", "high", "interval", "n_cells", "images", "control", "judge", "judge_sha256", "sampler"),
    *protocol.COLUMNS,
)


class Number(NamedTuple):
    """The records of one row, metric and prompt set: of one target over seeds, of classes (``target`` "") over targets
    and seeds."""

    target: str
    variant: str
    metric: str
    prompts: str
    records: Sequence[Record]


def numbers_of(records: Sequence[Record], study: str, variants: Sequence[str]) -> list[Number]:
    """In the order of the rows; LetheError where a metric's code changed between two rows."""
    found: dict[tuple[str, str, str, str], list[Record]] = {}
    for record in records:
        if record.study == study and record.variant in variants:
            target = "" if record.prompts in CLASSES else record.target
            found.setdefault((target, record.variant, record.metric, record.prompts), []).append(record)
    for metric in dict.fromkeys(key[2] for key in found):
        check_judged_alike(f"{study}: {metric}", [r for key, some in found.items() if key[2] == metric for r in some])
    order = {variant: place for place, variant in enumerate(variants)}
    numbers = [Number(*key, some) for key, some in found.items()]
    if not numbers:
        raise LetheError(f"there is no record of an image metric of {study}", "run snakemake metrics")
    return sorted(numbers, key=lambda number: order[number.variant])


def as_table(study: str, numbers: Sequence[Number], titles: Mapping[str, str]) -> Table:
    shown = [number for number in numbers if number.prompts in SHOWN]
    metrics = list(dict.fromkeys(number.metric for number in shown))
    sets = sorted({number.prompts for number in shown}, key=SHOWN.index)
    places = {(n.target, n.variant, n.metric, n.prompts): n for n in shown}
    blocks = []
    for target in dict.fromkeys(number.target for number in shown):
        heading = [[Text(target, bold=True), *[Text("")] * (1 + len(metrics) * len(sets))]] if target else []
        lines = []
        for variant in dict.fromkeys(number.variant for number in shown if number.target == target):
            cells = [places.get((target, variant, metric, name)) for metric in metrics for name in sets]
            some = next(cell for cell in cells if cell is not None)
            is_control = isinstance(method_named(some.records[0].method), Control)
            title = Text(titles[f"{study}/{variant}"], italic=is_control)
            lines.append([title, Text(str(len(some.records))), *map(_words, cells)])
        blocks.append([*heading, *lines])
    return Table(
        caption=f"Image metrics ({study}).",
        label=f"tab:metrics-{study}",
        groups=[Group("", 2), *(Group(metric_named(metric).heading, len(sets)) for metric in metrics)],
        columns=["Method", "n", *[CLASSES.get(name) or set_title(name) for name in sets] * len(metrics)],
        blocks=blocks,
        notes=_notes(shown, metrics),
    )


def _words(number: Number | None) -> Text:
    if number is None:
        return Text(NOTHING)
    summary = summarise([record.value for record in number.records], DDOF)
    return Text(mean_and_std(summary.mean, summary.std, decimals_of(summary.mean)))


def _notes(numbers: Sequence[Number], metrics: Sequence[str]) -> list[str]:
    records = [record for number in numbers for record in number.records]
    real: dict[str, list[float]] = {}
    for record in records:
        if record.control is not None:
            real.setdefault(f"{record.metric}, {CLASSES[record.prompts]}", []).append(record.control)
    means = {what: summarise(values).mean for what, values in real.items()}
    controls = "; ".join(f"{what} {mean:.{decimals_of(mean)}f}" for what, mean in means.items())
    return [
        *(f"{metric_named(m).title}: {metric_named(m).means} {metric_named(m).source}." for m in metrics),
        *([f"The same of held-out real images: {controls}."] if controls else []),
        f"Means over {span_of([record.n for record in records])} images of a cell. n: cells (seeds; of classes "
        f"targets and seeds); ±: sample standard deviation (ddof {DDOF}) over them, none for one. The csv has all "
        "prompt sets, and the interval over prompts or images of a single cell. Italic: controls.",
        f"Images: {samplers_of(records)}. Not in the paper.",
    ]


def csv_rows(study: str, numbers: Sequence[Number], titles: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """One line for each number, in full precision; an interval where there is one cell."""
    for number in numbers:
        first = number.records[0]
        summary = summarise([record.value for record in number.records], DDOF)
        one = ("low", "high", "interval", "control") if len(number.records) == 1 else ()
        yield {
            "study": study,
            "target": number.target,
            "targets": " ".join(dict.fromkeys(record.target for record in number.records)),
            "variant": number.variant,
            "title": titles[f"{study}/{number.variant}"],
            "method": first.method,
            "prompts": number.prompts,
            "metric": number.metric,
            "better": metric_named(number.metric).better,
            "mean": summary.mean,
            "std": summary.std,
            "ddof": summary.ddof,
            "n_cells": summary.n,
            "images": first.n,
            **{name: getattr(first, name) for name in ("judge", "judge_sha256", *one)},
            "sampler": samplers_of(number.records),
            **protocol.mean_protocol(number.records),
        }


def main(arguments: argparse.Namespace) -> None:
    titles = titles_of(arguments.rows, "--rows")
    records = read_records(arguments.records)
    lines, tables = [], []
    for study in dict.fromkeys(name.partition("/")[0] for name in titles):
        variants = [name.partition("/")[2] for name in titles if name.startswith(f"{study}/")]
        numbers = numbers_of(records, study, variants)
        lines += csv_rows(study, numbers, titles)
        tables.append(as_table(study, numbers, titles))
    write_rows(arguments.csv, COLUMNS, lines)
    write_text(arguments.markdown, "\n".join(map(typeset.as_markdown, tables)))
    write_text(arguments.tex, "\n".join(map(typeset.as_latex, tables)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files")
    parser.add_argument("--rows", nargs="+", required=True, metavar="STUDY/NAME=TITLE", help="the rows, in this order")
    add_table_outputs(parser)
