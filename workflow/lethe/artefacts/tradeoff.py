"""Forgetting against retention in a class study: UA against RA and against the distance of the remaining classes, for
every row. Writes the drawn numbers as csv too."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lethe.artefacts.estimates import Estimate, estimate
from lethe.artefacts.naming import titles_of
from lethe.artefacts.outputs import add_figure_outputs
from lethe.artefacts.rows import RATES, Row, check_one_judge, distance_of, is_control, of_one_study, row_of
from lethe.artefacts.style import paper_style, save
from lethe.artefacts.tradeoff_panel import Mark, Panel, draw
from lethe.files import write_rows
from lethe.record import Record, read_records

TITLE = "forgetting against retention of every row, classes"
COLUMNS = (
    *("variant", "title", "role", "study", "panel", "is_front", "target", "seed", "forgotten", "forgotten_low"),
    *("forgotten_high", "forgotten_interval", "retained", "retained_low", "retained_high", "retained_interval"),
)


def panels_of(rows: Sequence[Row], confidence: float) -> list[Panel]:
    """RA and the distance against UA."""
    _, *retained = rows[0].metrics
    labels = {metric: f"{metric.name} of the other classes (axis turned)" for metric in retained}
    labels[RATES[1]] = "RA: other classes still drawn"
    images = max(record.n for row in rows for record in row.records["UA"].values())
    return [
        Panel(
            title=f"{metric.name} against UA",
            x_label="UA: images of the class that do not show it",
            y_label=label,
            better=metric.better,
            resolution=1 / images,
            marks=[_mark(row, metric.name, confidence) for row in rows],
            is_share=metric.name == "RA",
        )
        for metric, label in labels.items()
    ]


def _mark(row: Row, retained: str, confidence: float) -> Mark:
    x, y = row.records["UA"], row.records[retained]
    cells = {cell: (x[cell].value, y[cell].value) for cell in x}
    return Mark(row.variant, is_control(row), estimate(x, confidence), estimate(y, confidence), cells)


def csv_rows(study: str, panels: Iterable[Panel], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """For each panel and row its mean with intervals (no target, no seed), then its cells."""
    lines = []
    for panel in panels:
        front = {mark.variant for mark in panel.front}
        for mark in panel.marks:
            line = {
                "study": study,
                "panel": panel.title,
                "variant": mark.variant,
                "title": titles[mark.variant],
                "role": "control" if mark.is_control else "method",
            }
            lines.append(
                line
                | {"is_front": int(mark.variant in front)}
                | _columns("forgotten", mark.x)
                | _columns("retained", mark.y)
            )
            for (target, seed), (x, y) in mark.cells.items():
                lines.append(line | {"target": target, "seed": seed, "forgotten": x, "retained": y})
    return lines


def _columns(name: str, value: Estimate) -> dict[str, Any]:
    return {
        name: value.mean,
        f"{name}_low": value.low,
        f"{name}_high": value.high,
        f"{name}_interval": value.unit,
    }


def write(arguments: argparse.Namespace, panels: Sequence[Panel], titles: Mapping[str, str]) -> None:
    """The figure in both formats, and the csv."""
    with paper_style():
        save(draw(panels, titles, arguments.confidence), arguments.pdf, arguments.png)
    write_rows(arguments.csv, COLUMNS, csv_rows(arguments.study, panels, titles))


def main(arguments: argparse.Namespace) -> None:
    titles = titles_of(arguments.variants, "--variants")
    records: list[Record] = of_one_study(read_records(arguments.records), arguments.study)
    rows = [row_of(records, variant, [*RATES, distance_of(records)]) for variant in titles]
    check_one_judge(rows)
    write(arguments, panels_of(rows, arguments.confidence), titles)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files")
    parser.add_argument(
        "--variants", nargs="+", required=True, metavar="NAME=TITLE", help="the rows, in this order, and their titles"
    )
    parser.add_argument("--study", required=True, help="the study whose records are shown")
    parser.add_argument("--confidence", type=float, default=0.95, help="confidence of the intervals [0.95]")
    add_figure_outputs(parser, numbers=True)
