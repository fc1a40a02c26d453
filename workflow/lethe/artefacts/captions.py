"""Table ``captions``: CLIP score, FID and KID of every row on the captions of real photographs (COCO's), one table a
study. Writes csv (full precision), Markdown and LaTeX."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lethe.artefacts import protocol, typeset
from lethe.artefacts.alignment_entries import set_title
from lethe.artefacts.naming import titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.rows import DDOF, Metric, check_judged_alike, samplers_of
from lethe.artefacts.text_rows import Cell, TextRecords, summary_of
from lethe.artefacts.typeset import Table, Text, decimals_of, mean_and_std, span_of
from lethe.errors import LetheError
from lethe.files import write_rows, write_text
from lethe.record import Record, read_records

TITLE = "CLIP score, FID and KID on captions of real photographs"
METRICS = (
    Metric("AS", "higher", None, "AS (CLIP score)"),
    Metric("FID", "lower", None),
    Metric("KID", "lower", None),
)
COLUMNS = (
    *("study", "target", "variant", "title", "method", "prompts", "metric", "better", "mean", "std", "ddof", "low"),
    *("high", "interval", "n_seeds", "images", "reference", "judge", "judge_sha256", "features", "sampler"),
    *protocol.COLUMNS,
)


class Row(NamedTuple):
    """A variant on a target: its records by metric."""

    target: str
    variant: str
    method: str
    is_control: bool
    cells: Mapping[str, Cell]


def rows_of(
    records: Sequence[Record], study: str, prompts: str, variants: Sequence[str], targets: Sequence[str]
) -> list[Row]:
    """Target by target; LetheError for a metric that only some rows have, or that was not judged alike."""
    names = [metric.name for metric in METRICS]
    own = [r for r in records if r.study == study and r.prompts == prompts and r.metric in names]
    found, rows = TextRecords(own), []
    found.check_targets(targets)
    for target in targets:
        for variant in variants:
            cells = {name: found.cell(variant, target, prompts, name) for name in names}
            if not any(cells.values()):
                continue  # the row is not of this target
            for name, cell in cells.items():
                if cell.keys() != cells["AS"].keys():
                    raise LetheError(
                        f"{study}: the records of {name} and AS on {prompts} for {variant}, target {target}, are of "
                        "different seeds",
                        "measure that row again: snakemake captions",
                    )
            rows.append(Row(target, variant, found.method(variant), found.is_control(variant), cells))
    for name in names:
        check_judged_alike(f"{study}: {name}", [record for row in rows for record in row.cells[name].values()])
    return rows


def as_table(
    study: str, prompts: str, rows: Sequence[Row], titles: Mapping[str, str], targets: Mapping[str, str]
) -> Table:
    """``titles`` of rows and titles of ``targets``, by study/name."""
    columns = ["Method", "n", "images", *(f"{metric.title} {metric.arrow}" for metric in METRICS)]
    blocks: dict[str, list[list[Text]]] = {}
    for row in rows:
        heading = [Text(targets[f"{study}/{row.target}"], bold=True), *[Text("")] * (len(columns) - 1)]
        block = blocks.setdefault(row.target, [heading])
        images = span_of([record.n for record in row.cells["FID"].values()])
        front = [Text(titles[f"{study}/{row.variant}"], italic=row.is_control), Text(str(len(row.cells["FID"])))]
        block.append([*front, Text(images), *(_number(row.cells[metric.name], metric.name) for metric in METRICS)])
    return Table(
        caption=f"Images of the captions {set_title(prompts)} against real photographs ({study}).",
        label=f"tab:captions-{study}",
        groups=[],
        columns=columns,
        blocks=list(blocks.values()),
        notes=_notes(rows),
    )


def _number(cell: Cell, metric: str) -> Text:
    summary = summary_of(cell)
    return Text(mean_and_std(summary.mean, summary.std, 4 if metric == "KID" else decimals_of(summary.mean)))


def _notes(rows: Sequence[Row]) -> list[str]:
    records = [record for row in rows for cell in row.cells.values() for record in cell.values()]
    protocol = {
        metric.name: "; ".join(
            dict.fromkeys(
                ", ".join(filter(None, (r.features, f"to {r.reference}" if r.reference else "")))
                for r in records
                if r.metric == metric.name
            )
        )
        for metric in METRICS
    }
    judges = dict.fromkeys(f"{record.judge}, sha256 {record.judge_sha256[:12]}" for record in records)
    return [
        f"{'. '.join(f'{name}: {words}' for name, words in protocol.items())}.",
        "There is no agreed protocol for COCO: FID depends on the number of images, on their size and on the resizing, "
        "so compare rows of this table with each other, not with other papers'.",
        f"Images: {samplers_of(records)}.",
        f"n: training seeds; ±: sample standard deviation (ddof {DDOF}) over them, none for one. The csv has KID's "
        "interval and AS's. Italic: controls.",
        f"Judges: {'; '.join(judges)}.",
    ]


def csv_rows(study: str, prompts: str, rows: Sequence[Row], titles: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """One line for each number, in full precision; an interval where there is one seed."""
    for row in rows:
        for metric in METRICS:
            cell = row.cells[metric.name]
            summary, first = summary_of(cell), next(iter(cell.values()))
            line = {
                "study": study,
                "target": row.target,
                "variant": row.variant,
                "title": titles[f"{study}/{row.variant}"],
                "method": row.method,
                "prompts": prompts,
                "metric": metric.name,
                "better": metric.better,
                "mean": summary.mean,
                "std": summary.std,
                "ddof": summary.ddof,
                "n_seeds": summary.n,
                "images": first.n,
                **protocol.mean_protocol(list(cell.values())),
            }
            same = ("reference", "judge", "judge_sha256", "features", "sampler")
            one = ("low", "high", "interval") if len(cell) == 1 else ()
            yield line | {name: getattr(first, name) for name in (*same, *one)}


def main(arguments: argparse.Namespace) -> None:
    sets, rows = titles_of(arguments.sets, "--sets"), titles_of(arguments.rows, "--rows")
    targets = titles_of(arguments.targets, "--targets")
    records = read_records(arguments.records)
    lines, tables = [], []
    for study, prompts in sets.items():
        variants, of = ([n.partition("/")[2] for n in names if n.startswith(f"{study}/")] for names in (rows, targets))
        found = rows_of(records, study, prompts, variants, of)
        lines += csv_rows(study, prompts, found, rows)
        tables.append(as_table(study, prompts, found, rows, targets))
    write_rows(arguments.csv, COLUMNS, lines)
    write_text(arguments.markdown, "\n".join(map(typeset.as_markdown, tables)))
    write_text(arguments.tex, "\n".join(map(typeset.as_latex, tables)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files")
    parser.add_argument("--sets", nargs="+", required=True, metavar="STUDY=SET", help="the captions of each study")
    parser.add_argument("--rows", nargs="+", required=True, metavar="STUDY/NAME=TITLE", help="the rows, in this order")
    parser.add_argument(
        "--targets", nargs="+", required=True, metavar="STUDY/NAME=TITLE", help="the targets, in this order"
    )
    add_table_outputs(parser)
