"""Tables 2, 4 and 8 of the RGD paper, which have one shape: AS of each row on the prompts that a model is to keep, what
it lost to the base, the paper's values beside it; and what the paper's tables lack: whether the concept is still seen,
and what else of the prompt is."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lethe.artefacts import comparability, equal_compute, protocol, typeset
from lethe.artefacts.alignment_entries import SEEN, Column, Entry, Row, Shown, rows_of, shown_target
from lethe.artefacts.alignment_shape import Layout, as_table
from lethe.artefacts.comparability import Comparability
from lethe.artefacts.equal_compute import EqualCompute
from lethe.artefacts.naming import titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.published import Published, read_published
from lethe.artefacts.rows import of_one_study
from lethe.artefacts.text_rows import TextRecords
from lethe.errors import LetheError, nearest
from lethe.files import write_rows, write_text
from lethe.record import read_records

COLUMNS = (
    *("study", "target", "variant", "title", "method", "role", "retain_size", "prompts", "metric", "better"),
    *("mean", "std", "ddof", "min", "max", "low", "high", "interval", "loss", "loss_std", "loss_low", "loss_high"),
    *("n_seeds", "seeds", "images_min", "images_max", "judge", "judge_sha256", "features"),
    *("published_artefact", "published_task", "published_row", "published_retain_size", "published_value"),
    *("published_loss", "published_is_comparable"),
    *equal_compute.CSV_COLUMNS,
    *protocol.COLUMNS,
)


def csv_rows(
    study: str,
    rows: Sequence[Row],
    targets: Sequence[Shown],
    artefact: str,
    comparable: Comparability,
    equal: EqualCompute | None = None,
    equal_rows: Sequence[Row] = (),
) -> list[dict[str, Any]]:
    """One line for each number that was measured or published, then those at equal compute; in full precision."""
    lines = _lines(study, rows, targets, artefact, comparable)
    if equal is None:
        return lines
    more = _lines(study, equal_rows, targets, artefact, comparable)
    return [
        line | equal.csv_columns(line["variant"], is_equal)
        for part, is_equal in ((lines, False), (more, True))
        for line in part
    ]


def _lines(
    study: str, rows: Sequence[Row], targets: Sequence[Shown], artefact: str, comparable: Comparability
) -> list[dict[str, Any]]:
    lines = []
    for shown in targets:
        for row in rows:
            for column in shown.columns:
                entry = shown.entries[row.variant, column]
                line = {
                    "study": study,
                    "target": shown.name,
                    "variant": row.variant,
                    "title": row.title,
                    "method": row.method,
                    "role": "control" if row.is_control else "method",
                    "retain_size": row.size,
                    "prompts": column.prompts,
                    "metric": column.metric,
                    "better": column.better,
                }
                if entry.cell:
                    line |= _measured(entry)
                paper = entry.paper if row.published else None
                if paper is not None:
                    line |= {
                        "published_artefact": artefact,
                        "published_task": shown.task,
                        "published_row": row.published,
                        "published_retain_size": row.published_size,
                        "published_value": paper,
                        "published_loss": entry.paper_loss,
                        "published_is_comparable": comparable.is_given,
                    }
                if entry.cell or paper is not None:
                    lines.append(line)
    return lines


def _measured(entry: Entry) -> dict[str, Any]:
    """A number over its training seeds; with one seed also its interval over prompts."""
    summary, first = entry.summary, next(iter(entry.cell.values()))
    images = [record.n for record in entry.cell.values()]
    line = {
        "mean": summary.mean,
        "std": summary.std,
        "ddof": summary.ddof,
        "min": summary.low,
        "max": summary.high,
        "n_seeds": summary.n,
        "seeds": " ".join(map(str, entry.cell)),
        "images_min": min(images),
        "images_max": max(images),
        "judge": first.judge,
        "judge_sha256": first.judge_sha256,
        "features": first.features,
    }
    lost = "" if entry.loss is None else "lost: the base's less this one's, paired by prompt and seed"
    line |= protocol.mean_protocol(list(entry.cell.values()), lost)
    if len(entry.cell) == 1:
        line |= {"low": first.low, "high": first.high, "interval": first.interval}
    if entry.loss is not None:
        line |= {"loss": entry.loss.mean, "loss_std": entry.loss.std}
        (lost, *more) = entry.difference.values()
        if not more and lost.low is not None and lost.high is not None:
            line |= {"loss_low": -lost.high, "loss_high": -lost.low}
    return line


def main(arguments: argparse.Namespace, layout: Layout) -> None:
    """Write the three files of one of the tables."""
    titles, targets = titles_of(arguments.variants, "--variants"), titles_of(arguments.targets, "--targets")
    tasks = _of_targets(arguments.published_as, "--published-as", targets)
    seen_by = seen_by_target(arguments, targets)
    records = TextRecords(of_one_study(read_records(arguments.records), arguments.study))
    records.check_targets(list(targets))
    sizes = _sizes(arguments.sizes) if layout.sized else {}
    published_rows = titles_of(arguments.published_rows, "--published-rows")
    rows = rows_of(records, titles, published_rows, sizes)
    equal = equal_compute.from_options(arguments, titles) if layout.equal else None
    # The paper has none at equal compute: no row of its bears this name.
    equal_rows = [row._replace(published="") for row in rows_of(records, equal.titles(titles), {}, {})] if equal else []
    published = {target: _published(arguments.published, layout.artefact, task) for target, task in tasks.items()}
    _check_published_rows(published_rows, layout.artefact, published.values())
    shown = [
        shown_target(
            records,
            [*rows, *(row for row in equal_rows if row.variant not in titles)],
            target,
            title,
            tasks.get(target, ""),
            published.get(target, {}),
            seen_by[target],
        )
        for target, title in targets.items()
    ]
    comparable = comparability.from_options(arguments)
    table = as_table(arguments.study, rows, shown, layout, comparable, equal, equal_rows)
    lines = csv_rows(arguments.study, rows, shown, layout.artefact, comparable, equal, equal_rows)
    write_rows(arguments.csv, COLUMNS, lines)
    write_text(arguments.markdown, typeset.as_markdown(table))
    write_text(arguments.tex, typeset.as_latex(table))


def _of_targets(words: Sequence[str], option: str, targets: Mapping[str, str]) -> dict[str, str]:
    named = titles_of(words, option)
    for target in named:
        if target not in targets:
            raise LetheError(f"{option} {target}: not among the targets", nearest(target, targets))
    return named


def _published(path: Path, artefact: str, task: str) -> dict[tuple[str, str], Published]:
    values = read_published(path, artefact, task)
    if not values:
        raise LetheError(
            f"--published-as {task}: {artefact} of the paper has no such task",
            "all have nudity, table2 also has artist",
        )
    return values


def _check_published_rows(
    named: Mapping[str, str], artefact: str, published: Iterable[Mapping[tuple[str, str], Published]]
) -> None:
    known = list(dict.fromkeys(row for values in published for row, _ in values))
    for variant, row in named.items():
        if row not in known:
            raise LetheError(
                f"--published-rows {variant}={row}: {artefact} of the paper has no such row", nearest(row, known)
            )


def seen_by_target(arguments: argparse.Namespace, targets: Mapping[str, str]) -> dict[str, Column]:
    """By target, the column that says that it is still there."""
    named = _of_targets(arguments.seen_by, "--seen-by", targets)
    return {target: _column(named.get(target, "detected")) for target in targets}


def _column(seen_by: str) -> Column:
    if seen_by not in SEEN:
        raise LetheError(f"--seen-by {seen_by}: no such metric", nearest(seen_by, SEEN))
    return SEEN[seen_by]


def _sizes(words: Sequence[str]) -> dict[str, int]:
    sizes = titles_of(words, "--sizes")
    for variant, size in sizes.items():
        if not size.isdecimal():
            raise LetheError(f"--sizes {variant}={size}: not a number of prompts", "write for example rgd_400=400")
    return {variant: int(size) for variant, size in sizes.items()}


def add_arguments(parser: argparse.ArgumentParser, layout: Layout) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files")
    parser.add_argument("--study", required=True, help="the study whose records are shown")
    parser.add_argument(
        "--variants", nargs="+", required=True, metavar="NAME=TITLE", help="the rows, in this order, and their titles"
    )
    add_targets(parser)
    if layout.sized:
        parser.add_argument("--sizes", nargs="+", default=[], metavar="NAME=N", help="the size of D_r of rows")
    parser.add_argument("--published", type=Path, required=True, metavar="CSV", help="the paper's values")
    parser.add_argument(
        "--published-as",
        nargs="+",
        default=[],
        metavar="TARGET=TASK",
        help="the paper's task beside a target: nudity or artist [none]",
    )
    parser.add_argument(
        "--published-rows",
        nargs="+",
        default=[],
        metavar="NAME=ROW",
        help=f"the paper's row beside one of ours, as in its csv under {layout.artefact} [the one of the same name]",
    )
    comparability.add_options(parser)
    if layout.equal:
        equal_compute.add_options(parser)
    add_table_outputs(parser)


def add_targets(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument(
        "--targets",
        nargs="+",
        required=required,
        default=[],
        metavar="NAME=TITLE",
        help="the targets of a text study, in this order, and their titles",
    )
    parser.add_argument(
        "--seen-by",
        nargs="+",
        default=[],
        metavar="TARGET=METRIC",
        help="what says that a target is still there: detected, recognised by the attribute judge, or its name: CS or "
        "CER [detected]",
    )
