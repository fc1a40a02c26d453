"""Table ``doco``: what is left of the erased concept (CLIP score, CLIP error rate) and what became of its neighbours
(CLIP score, distance to the base's images), for each row and target; below, what third parties report of DoCo. Writes
csv (full precision, with intervals), Markdown and LaTeX."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lethe.artefacts import protocol, typeset
from lethe.artefacts.doco_entries import Row, Shown, rows_of, shown_target
from lethe.artefacts.doco_shape import as_table
from lethe.artefacts.naming import titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.reported import read_reported, reported_lines, reported_tables
from lethe.artefacts.rows import of_one_study
from lethe.artefacts.text_rows import Cell, TextRecords, summary_of
from lethe.errors import LetheError, nearest
from lethe.files import write_rows, write_text
from lethe.record import read_records

TITLE = "the erased concept and its neighbours: CLIP score, CLIP error rate, distance to the base"
COLUMNS = (
    *("study", "target", "variant", "title", "method", "role", "prompts", "metric", "better", "mean", "std", "ddof"),
    *("min", "max", "low", "high", "interval", "control", "control_n", "n_seeds", "seeds", "images", "judge"),
    *("judge_sha256", "features", *protocol.COLUMNS),
)


def csv_rows(study: str, rows: Sequence[Row], targets: Sequence[Shown]) -> list[dict[str, Any]]:
    """One line for each number that was measured, in full precision."""
    lines = []
    for shown in targets:
        for row in rows:
            for column in shown.columns:
                if cell := shown.cells[row.variant, column]:
                    line = {
                        "study": study,
                        "target": shown.name,
                        "variant": row.variant,
                        "title": row.title,
                        "method": row.method,
                        "role": "control" if row.is_control else "method",
                        "prompts": column.prompts,
                        "metric": column.metric,
                        "better": column.better,
                    }
                    lines.append(line | _measured(cell))
    return lines


def _measured(cell: Cell) -> dict[str, Any]:
    """A number over its training seeds; with one seed also its interval over prompts."""
    summary, first = summary_of(cell), next(iter(cell.values()))
    line = {
        "mean": summary.mean,
        "std": summary.std,
        "ddof": summary.ddof,
        "min": summary.low,
        "max": summary.high,
        "control": first.control,
        "control_n": first.control_n,
        "n_seeds": summary.n,
        "seeds": " ".join(map(str, cell)),
        "images": first.n,
        "judge": first.judge,
        "judge_sha256": first.judge_sha256,
        "features": first.features,
        **protocol.mean_protocol(list(cell.values())),
    }
    return line | ({"low": first.low, "high": first.high, "interval": first.interval} if summary.n == 1 else {})


def neighbours_of(words: Sequence[str], targets: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """``target/name=Title`` words as the neighbours of each target, in their order."""
    found: dict[str, dict[str, str]] = {target: {} for target in targets}
    for place, title in titles_of(words, "--neighbours").items():
        target, sign, name = place.partition("/")
        if not (sign and name):
            raise LetheError(f"--neighbours {place}: not target/name", "write for example ring/circle=circle")
        if target not in found:
            raise LetheError(f"--neighbours {place}: not among the targets", nearest(target, targets))
        found[target][name] = title
    return found


def main(arguments: argparse.Namespace) -> None:
    titles, targets = titles_of(arguments.variants, "--variants"), titles_of(arguments.targets, "--targets")
    neighbours = neighbours_of(arguments.neighbours, targets)
    records = TextRecords(of_one_study(read_records(arguments.records), arguments.study))
    records.check_targets(list(targets))
    rows = rows_of(records, titles)
    shown = [shown_target(records, rows, name, title, neighbours[name]) for name, title in targets.items()]
    reported = read_reported(arguments.reported)
    tables = [as_table(arguments.study, rows, shown), *reported_tables(reported)]
    write_rows(arguments.csv, COLUMNS, csv_rows(arguments.study, rows, shown) + reported_lines(reported))
    write_text(arguments.markdown, "\n".join(map(typeset.as_markdown, tables)))
    write_text(arguments.tex, "\n".join(map(typeset.as_latex, tables)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files")
    parser.add_argument("--study", required=True, help="the study whose records are shown")
    parser.add_argument(
        "--variants", nargs="+", required=True, metavar="NAME=TITLE", help="the rows, in this order, and their titles"
    )
    parser.add_argument(
        "--targets", nargs="+", required=True, metavar="NAME=TITLE", help="the targets, in this order, and their titles"
    )
    parser.add_argument(
        "--neighbours",
        nargs="*",
        default=[],
        metavar="TARGET/NAME=TITLE",
        help="the neighbours of each target, in this order, and their titles [none]",
    )
    parser.add_argument("--reported", type=Path, required=True, metavar="CSV", help="what third parties report of DoCo")
    add_table_outputs(parser)
