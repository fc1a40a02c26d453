"""Table 1 of the RGD paper for a study of ours: UA, RA and distances of each variant, over targets and seeds, with the
paper's own numbers beside them. Writes csv (full precision), Markdown and LaTeX."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lethe.artefacts import comparability, equal_compute, protocol, typeset
from lethe.artefacts.comparability import Comparability
from lethe.artefacts.equal_compute import EqualCompute
from lethe.artefacts.naming import titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.published import Published, paper_cell, read_published
from lethe.artefacts.rows import (
    DDOF,
    RATES,
    Metric,
    Row,
    check_one_judge,
    is_control,
    metrics_of,
    of_one_study,
    row_of,
)
from lethe.artefacts.table1_notes import REAL, notes_of
from lethe.artefacts.typeset import NOTHING, Group, Table, Text, decimals_of, mean_and_std, number
from lethe.errors import LetheError
from lethe.files import write_rows, write_text
from lethe.measures.summary import Summary, summarise
from lethe.record import read_records

TITLE = "Table 1: UA, RA and distances of each variant"
_CHECK = "FID_reference_check"
COLUMNS = (
    *("study", "variant", "title", "method", "role", "metric", "better", "mean", "std", "ddof", "min", "max"),
    *("n_targets", "n_seeds", "n_cells", "targets", "images_min", "images_max", "judge", "judge_sha256", "features"),
    *("published_metric", "published_value", "published_std", "published_task", "published_is_comparable"),
    *equal_compute.CSV_COLUMNS,
    *protocol.COLUMNS,
)
# Means of one target's control that differ by more than this are not the same control.
_SAME = 1e-6


def control_values(rows: Sequence[Row], metric: str) -> tuple[dict[str, float], list[int]]:
    """The metric between two sets of real images, by target, and the sizes of the smaller set; empty if not measured.

    It is no variant's own: every cell of a target carries the same.
    """
    values: dict[str, float] = {}
    sizes = []
    for row in rows:
        for (target, _), record in row.records[metric].items():
            if record.control is None:
                continue
            known = values.setdefault(target, record.control)
            if not math.isclose(known, record.control, rel_tol=_SAME, abs_tol=_SAME):
                raise LetheError(
                    f"target {target} has two controls of {metric}: {known} and {record.control} ({row.variant})",
                    "measure its cells again: they are of different runs",
                )
            sizes.append(record.control_n or 0)
    return values, sizes


def csv_rows(
    study: str,
    rows: Sequence[Row],
    titles: Mapping[str, str],
    published: Mapping[tuple[str, str], Published],
    comparable: Comparability,
    equal: EqualCompute | None = None,
    equal_rows: Sequence[Row] = (),
) -> list[dict[str, Any]]:
    """One line for each variant and metric, then the real images' own, then those at equal compute; numbers in full
    precision."""
    lines = _variant_lines(study, rows, titles, published, comparable)
    if equal is not None:
        lines = [line | equal.csv_columns(line["variant"], False) for line in lines]
    lines += _real_lines(study, rows)
    if equal is not None:
        more = _variant_lines(study, equal_rows, equal.titles(titles), {}, comparable)
        lines += [line | equal.csv_columns(line["variant"], True) for line in more]
    return lines


def _variant_lines(
    study: str,
    rows: Sequence[Row],
    titles: Mapping[str, str],
    published: Mapping[tuple[str, str], Published],
    comparable: Comparability,
) -> list[dict[str, Any]]:
    lines = []
    for row in rows:
        for metric in row.metrics:
            records = list(row.records[metric.name].values())
            paper = published.get((row.method, metric.published or ""))
            line = {
                "variant": row.variant,
                "title": titles[row.variant],
                "method": row.method,
                "role": "control" if is_control(row) else "method",
                "n_targets": len(row.targets),
                "n_seeds": len(row.seeds),
                "targets": " ".join(row.targets),
                "images_min": min(record.n for record in records),
                "images_max": max(record.n for record in records),
            }
            if paper is not None:
                line |= {
                    "published_metric": metric.published,
                    "published_value": paper.value,
                    "published_std": paper.std,
                    "published_task": paper.task,
                    "published_is_comparable": comparable.is_given,
                }
            line |= _summary_columns(study, metric, row.summary(metric.name), rows)
            lines.append(line | protocol.mean_protocol(records))
    return lines


def _real_lines(study: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    lines = []
    for metric in rows[0].metrics:
        values, sizes = control_values(rows, metric.name)
        if values:
            line = {
                "variant": "real",
                "title": REAL,
                "role": "real images",
                "n_targets": len(values),
                "targets": " ".join(values),
                "images_min": min(sizes),
                "images_max": max(sizes),
            }
            formula = f"between two sets of real images, mean of {len(values)} targets; ±: over them (ddof {DDOF})"
            line |= _summary_columns(study, metric, summarise(values.values(), DDOF), rows)
            lines.append(line | protocol.protocol(formula, ()))
    return lines


def _summary_columns(study: str, metric: Metric, summary: Summary, rows: Sequence[Row]) -> dict[str, Any]:
    judged = next(iter(rows[0].records[metric.name].values()))
    return {
        "study": study,
        "metric": metric.name,
        "better": metric.better,
        "mean": summary.mean,
        "std": summary.std,
        "ddof": summary.ddof,
        "min": summary.low,
        "max": summary.high,
        "n_cells": summary.n,
        "judge": judged.judge,
        "judge_sha256": judged.judge_sha256,
        "features": judged.features,
    }


def as_table(
    study: str,
    rows: Sequence[Row],
    titles: Mapping[str, str],
    published: Mapping[tuple[str, str], Published],
    comparable: Comparability,
    equal: EqualCompute | None = None,
    equal_rows: Sequence[Row] = (),
    check: float | None = None,
) -> Table:
    """``check`` is how far all training images are from the stored moments, where there are such."""
    metrics = rows[0].metrics
    controls = {metric.name: control_values(rows, metric.name) for metric in metrics}
    measured = [values for values, _ in controls.values() if values]
    real = [Text(REAL, italic=True), Text(str(len(measured[0])) if measured else NOTHING)]
    real += [Text(NOTHING)] if equal is not None else []
    real += [Text(_shown(summarise(values.values(), DDOF)) if values else NOTHING) for values, _ in controls.values()]
    real += [Text(NOTHING)] * sum(metric.published is not None for metric in metrics)
    blocks = [_block(rows, titles, published, equal), [real]]
    if equal is not None:
        heading = [Text(equal_compute.HEADING, bold=True), *[Text("")] * (len(real) - 1)]
        blocks.append([heading, *_block(equal_rows, equal.titles(titles), {}, equal)])
    return Table(
        caption=f"Unlearning one class of {study}: mean ± standard deviation over targets and seeds. "
        f"{comparable.caption('Table 1')}",
        label=f"tab:table1-{study}",
        groups=[
            Group("", 2 if equal is None else 3),
            Group(f"{study}: rates", len(RATES)),
            Group(f"distances in {_whose(rows)} features", len(metrics) - len(RATES)),
            Group(f"RGD paper: CIFAR-10{comparable.heading}", 3),
        ],
        columns=[
            "Method",
            "n",
            *([] if equal is None else [equal_compute.COLUMN]),
            *(f"{metric.title} {metric.arrow}" for metric in metrics),
            *(f"{metric.published} {metric.arrow}" for metric in metrics if metric.published),
        ],
        blocks=blocks,
        notes=notes_of(study, rows, titles, controls, comparable, check)
        + ([] if equal is None else equal.notes(titles)),
        fitted=equal is not None,
    )


def _block(
    rows: Sequence[Row],
    titles: Mapping[str, str],
    published: Mapping[tuple[str, str], Published],
    equal: EqualCompute | None,
) -> list[list[Text]]:
    """Rows that are compared with each other: the best of them is bold."""
    contenders = _contenders(rows)
    metrics = rows[0].metrics if rows else ()
    best = {metric.name: _best(contenders, metric) for metric in metrics}
    block = []
    for row in rows:
        cells = [Text(titles[row.variant], italic=is_control(row)), Text(row.count)]
        cells += [equal.shown(row.variant)] if equal is not None else []
        for metric in metrics:
            words = _shown(row.summary(metric.name))
            cells.append(Text(words, bold=row in contenders and words.split(" ")[0] == best[metric.name]))
        block.append([*cells, *(paper_cell(published, row.method, metric) for metric in metrics if metric.published)])
    return block


def _shown(summary: Summary) -> str:
    return mean_and_std(summary.mean, summary.std, decimals_of(summary.mean))


def _contenders(rows: Sequence[Row]) -> list[Row]:
    """The methods that have as many targets as any row: the others' means are over something else."""
    most = max((len(row.targets) for row in rows), default=0)
    return [row for row in rows if not is_control(row) and len(row.targets) == most]


def _best(contenders: Sequence[Row], metric: Metric) -> str:
    """The best mean as printed, so that means that print alike share it."""
    means = [row.summary(metric.name).mean for row in contenders]
    if not means:
        return ""
    mean = max(means) if metric.better == "higher" else min(means)
    return number(mean, decimals_of(mean))


def _whose(rows: Sequence[Row]) -> str:
    return "Inception's" if "FID" in rows[0].records else "the judge's"


def main(arguments: argparse.Namespace) -> None:
    titles = titles_of(arguments.variants, "--variants")
    records = of_one_study(read_records(arguments.records), arguments.study)
    metrics = metrics_of(records)
    rows = [row_of(records, variant, metrics) for variant in titles]
    equal = equal_compute.from_options(arguments, titles)
    equal_rows = [row_of(records, variant, metrics) for variant in equal.variants.values()] if equal else []
    check_one_judge([*rows, *equal_rows])
    published = read_published(arguments.published, "table1")
    shown = arguments.study, rows, titles, published, comparability.from_options(arguments), equal, equal_rows
    table = as_table(*shown, max((record.value for record in records if record.metric == _CHECK), default=None))
    write_rows(arguments.csv, COLUMNS, csv_rows(*shown))
    write_text(arguments.markdown, typeset.as_markdown(table))
    write_text(arguments.tex, typeset.as_latex(table))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files")
    parser.add_argument(
        "--variants", nargs="+", required=True, metavar="NAME=TITLE", help="the rows, in this order, and their titles"
    )
    parser.add_argument("--published", type=Path, required=True, metavar="CSV", help="the paper's values")
    parser.add_argument("--study", required=True, help="the study whose records are shown")
    comparability.add_options(parser)
    equal_compute.add_options(parser)
    add_table_outputs(parser)
