"""Table 7 of the RGD paper for a flow model of ours: what the detector finds in each model's images, part by part, and
AS on the prompts to keep; beside a row the paper's of the same method. Writes csv (full precision), Markdown, LaTeX."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lethe.artefacts import comparability, protocol, typeset
from lethe.artefacts.alignment_entries import ALIGNMENT, KEPT, Column, set_title
from lethe.artefacts.comparability import Comparability
from lethe.artefacts.counted import Counted, counted, of_one_set
from lethe.artefacts.naming import titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.published import Published, read_published
from lethe.artefacts.rows import DDOF, check_judged_alike, of_one_study, samplers_of
from lethe.artefacts.text_rows import Cell, TextRecords, summary_of
from lethe.artefacts.typeset import NOTHING, Group, Table, Text, mean_and_std, number, span_of
from lethe.errors import LetheError
from lethe.files import write_rows, write_text
from lethe.record import Record, read_records

TITLE = "Table 7: a flow model's detections by part and alignment (AS)"
ARTEFACT = "table7"
COUNT = "count:"
COLUMNS = (
    *("study", "target", "variant", "title", "method", "role", "prompts", "metric", "better"),
    *("mean", "std", "ddof", "low", "high", "interval", "n_seeds", "images", "judge", "judge_sha256", "features"),
    *("published_artefact", "published_task", "published_value", "published_is_comparable"),
    *protocol.COLUMNS,
)


class Row(NamedTuple):
    """A variant: its detections, and its other numbers by column; none of one that no row has."""

    title: str
    method: str
    is_control: bool
    found: Counted
    cells: Mapping[Column, Cell]


Paper = Mapping[tuple[str, str], Published]
"""The paper's values by (method, metric)."""


def rows_of(records: Sequence[Record], titles: Mapping[str, str], target: str, prompts: str) -> list[Row]:
    """``prompts`` is the set whose images' detections are counted."""
    by_name = TextRecords(records)
    found = counted(of_one_set(records, target, prompts), titles)
    has_kept = any(by_name.cell(name, target, KEPT.prompts, KEPT.metric) for name in titles)
    measured = (*ALIGNMENT, KEPT) if has_kept else ALIGNMENT
    rows = []
    for own in found:
        cells = {column: by_name.cell(own.variant, target, column.prompts, column.metric) for column in measured}
        for column in ALIGNMENT:
            if not cells[column]:
                raise LetheError(
                    f"there is no record of {column.metric} on {column.prompts} for {own.variant}, target {target}",
                    "measure that cell again",
                )
        method = by_name.method(own.variant)
        rows.append(Row(titles[own.variant], method, by_name.is_control(own.variant), own, cells))
    for column in measured:
        check_judged_alike(column.metric, [record for row in rows for record in row.cells[column].values()])
    return rows


def parts_of(paper: Paper) -> list[str]:
    """The paper's parts, in the order of its columns."""
    return list(dict.fromkeys(metric.removeprefix(COUNT) for _, metric in paper if metric.startswith(COUNT)))


def short(parts: Sequence[str]) -> list[str]:
    """Names of parts for the heads of columns, without the words that all begin or end with:
    ``STRIPED_RING`` as ``ring``, ``BELLY_EXPOSED`` as ``belly``."""
    words = [part.lower().split("_") for part in parts]
    for end in (0, -1):
        while min(map(len, words)) > 1 and len({own[end] for own in words}) == 1:
            for own in words:
                own.pop(end)
    return [" ".join(own) for own in words]


def as_table(study: str, target: str, rows: Sequence[Row], paper: Paper, comparable: Comparability) -> Table:
    own, theirs, images = list(rows[0].found.parts), parts_of(paper), set_title(rows[0].found.records[0].prompts)
    kept = [KEPT] if KEPT in rows[0].cells else []
    words = "RGD paper, nudity" + comparable.heading
    groups = [
        Group("", 2),
        Group(f"{target}: detections by part, {images} ↓", len(own) + 1),
        *(Group(set_title(column.prompts), 1) for column in kept),
        Group(f"{target}: AS", len(ALIGNMENT)),
        Group(f"{words}: detections by part ↓", len(theirs)),
        Group("RGD paper: AS", len(ALIGNMENT)),
    ]
    alignment = [column.title for column in ALIGNMENT]
    return Table(
        caption=f"Unlearning a flow model: detections and alignment ({study}). {comparable.caption('Table 7')}",
        label=f"tab:{ARTEFACT}-{study}",
        groups=groups,
        columns=["Method", "n", *short(own), "all", *(c.title for c in kept), *alignment, *short(theirs), *alignment],
        blocks=[[_line(row, theirs, paper) for row in rows]],
        notes=_notes(study, rows, comparable),
        fitted=True,
    )


def _line(row: Row, theirs: Sequence[str], paper: Paper) -> list[Text]:
    published = [paper.get((row.method, f"{COUNT}{part}")) for part in theirs]
    aligned = [paper.get((row.method, column.published or "")) for column in ALIGNMENT]
    return [
        Text(row.title, italic=row.is_control),
        Text(str(len(row.cells[ALIGNMENT[0]]))),
        *(Text(f"{count.value:.4g}") for count in (*row.found.parts.values(), row.found.total)),
        *([_measured(row.cells[KEPT])] if KEPT in row.cells else []),
        *(_measured(row.cells[column]) for column in ALIGNMENT),
        *(Text(NOTHING if value is None else f"{value.value:g}") for value in published),
        *(Text(NOTHING if value is None else number(value.value, 3)) for value in aligned),
    ]


def _measured(cell: Cell) -> Text:
    if not cell:
        return Text(NOTHING)
    summary = summary_of(cell)
    return Text(mean_and_std(summary.mean, summary.std, 3))


def _notes(study: str, rows: Sequence[Row], comparable: Comparability) -> list[str]:
    aligned = [record for row in rows for column in ALIGNMENT for record in row.cells[column].values()]
    kept = [record for row in rows for record in row.cells.get(KEPT, {}).values()]
    found = [record for row in rows for record in row.found.records]
    by_part = [record for record in found if record.metric.startswith(COUNT)]
    images = {set_title(record.prompts): record.n for record in (*aligned, *found)}
    judges = dict.fromkeys(f"{record.judge}, sha256 {record.judge_sha256[:12]}" for record in (*aligned, *found, *kept))
    return [
        f"Detections: how many the detector finds ({', '.join(sorted({record.features for record in by_part}))}) in "
        f"images of the prompts with the concept that no method has seen ({set_title(found[0].prompts)}); means over "
        "seeds.",
        f"{'kept: share of the images that show everything else that their prompt says. ' if kept else ''}AS: mean "
        "cosine of image and prompt, on the prompts without the concept.",
        f"n: training seeds; ±: sample standard deviation (ddof {DDOF}) over them, none for one. Rows with one seed "
        "have intervals over prompts in the csv.",
        f"Images a cell: {', '.join(f'{name} {span_of([count])}' for name, count in images.items())}. Sampler: "
        f"{samplers_of(aligned)}. Judges: {'; '.join(judges)}.",
        "The paper's values: Stable Diffusion 3 medium, one run, without code or settings; its counts are glued in the "
        "source that was transcribed, and split in the most plausible way. "
        + comparable.note(study, f"They are not comparable with those of {study}."),
        "Italic: controls.",
    ]


def csv_rows(
    study: str, target: str, rows: Sequence[Row], paper: Paper, comparable: Comparability
) -> list[dict[str, Any]]:
    """One line for each number that was measured or published; they share it where both count the same part."""
    lines = []
    for row in rows:
        common = {
            "study": study,
            "target": target,
            "variant": row.found.variant,
            "title": row.title,
            "method": row.method,
            "role": "control" if row.is_control else "method",
        }
        counts: dict[str, Cell] = {}
        for record in row.found.records:
            counts.setdefault(record.metric, {})[record.seed] = record
        measured = [
            *((row.found.records[0].prompts, metric, "lower", metric, cell) for metric, cell in counts.items()),
            *((c.prompts, c.metric, c.better, c.published, cell) for c, cell in row.cells.items() if cell),
        ]
        for prompts, metric, better, published, cell in measured:
            line = {**common, "prompts": prompts, "metric": metric, "better": better, **_numbers(cell)}
            lines.append(line | _paper(paper.get((row.method, published or "")), comparable))
        for part in parts_of(paper):
            value = paper.get((row.method, f"{COUNT}{part}"))
            if value is not None and part not in row.found.parts:
                line = {**common, "metric": f"{COUNT}{part}", "better": "lower"}
                lines.append(line | _paper(value, comparable))
    return lines


def _numbers(cell: Cell) -> dict[str, Any]:
    summary, first = summary_of(cell), next(iter(cell.values()))
    line = {
        "mean": summary.mean,
        "std": summary.std,
        "ddof": summary.ddof,
        "n_seeds": summary.n,
        "images": first.n,
        "judge": first.judge,
        "judge_sha256": first.judge_sha256,
        "features": first.features,
        **protocol.mean_protocol(list(cell.values())),
    }
    return line | ({"low": first.low, "high": first.high, "interval": first.interval} if len(cell) == 1 else {})


def _paper(value: Published | None, comparable: Comparability) -> dict[str, Any]:
    if value is None:
        return {}
    return {
        "published_artefact": ARTEFACT,
        "published_task": value.task,
        "published_value": value.value,
        "published_is_comparable": comparable.is_given,
    }


def main(arguments: argparse.Namespace) -> None:
    titles = titles_of(arguments.variants, "--variants")
    ((target, title),) = titles_of([arguments.target], "--target").items()
    records = of_one_study(read_records(arguments.records), arguments.study)
    rows = rows_of([record for record in records if record.target == target], titles, target, arguments.set)
    paper = read_published(arguments.published, ARTEFACT)
    if not paper:
        raise LetheError(f"{arguments.published}: has no values of {ARTEFACT}", "restore the file")
    comparable = comparability.from_options(arguments)
    write_rows(arguments.csv, COLUMNS, csv_rows(arguments.study, target, rows, paper, comparable))
    table = as_table(arguments.study, title, rows, paper, comparable)
    write_text(arguments.markdown, typeset.as_markdown(table))
    write_text(arguments.tex, typeset.as_latex(table))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files")
    parser.add_argument("--study", required=True, help="the study whose records are shown")
    parser.add_argument(
        "--variants", nargs="+", required=True, metavar="NAME=TITLE", help="the rows, in this order, and their titles"
    )
    parser.add_argument("--target", required=True, metavar="NAME=TITLE", help="the target, and its title")
    parser.add_argument("--set", default="forget_test", help="the prompt set whose images are counted [forget_test]")
    parser.add_argument("--published", type=Path, required=True, metavar="CSV", help="the paper's values")
    comparability.add_options(parser)
    add_table_outputs(parser)
