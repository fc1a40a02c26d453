"""The shape of Tables 2, 4 and 8: groups of columns for each target, and the notes below."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lethe.artefacts import equal_compute
from lethe.artefacts.alignment_entries import ALIGNMENT, KEPT, SEEN, SETS, Column, Entry, Row, Shown
from lethe.artefacts.comparability import Comparability
from lethe.artefacts.equal_compute import EqualCompute
from lethe.artefacts.rows import DDOF, samplers_of
from lethe.artefacts.typeset import MINUS, NOTHING, Group, Table, Text, mean_and_std, number, span_of
from lethe.record import Record

DIGITS = 3


class Layout(NamedTuple):
    """What differs between the tables: the paper's table, the caption, whether the size of D_r is a column, and whether
    rows can be shown at equal compute too."""

    artefact: str
    caption: str
    sized: bool = False
    equal: bool = False


def as_table(
    study: str,
    rows: Sequence[Row],
    targets: Sequence[Shown],
    layout: Layout,
    comparable: Comparability,
    equal: EqualCompute | None = None,
    equal_rows: Sequence[Row] = (),
) -> Table:
    """``equal_rows`` stand in a block of their own at equal compute."""
    size = ["|D_r|"] if layout.sized else []
    own = [*size, *([] if equal is None else [equal_compute.COLUMN])]
    groups, names = [Group("", 2 + len(own))], ["Method", "n", *own]
    for shown in targets:
        groups.append(Group(f"{shown.title}: AS (loss to the base)", len(ALIGNMENT)))
        names += [column.title for column in ALIGNMENT]
        if shown.task:
            words = f"RGD paper, {shown.task}: AS" + comparable.heading
            groups.append(Group(words, len(size) + len(ALIGNMENT)))
            names += [*size, *(column.title for column in ALIGNMENT)]
        if shown.own:
            groups.append(Group(f"{shown.title}: {SETS[KEPT.prompts]}", len(shown.own)))
            names += [column.title for column in shown.own]
    number_of_table = layout.artefact.removeprefix("table")
    blocks = [[_line(row, rows, targets, layout, equal) for row in rows]]
    notes = _notes(study, list({row.variant: row for row in (*equal_rows, *rows)}.values()), targets, comparable)
    if equal is not None:
        heading = [Text(equal_compute.HEADING, bold=True), *[Text("")] * (len(names) - 1)]
        blocks.append([heading, *(_line(row, equal_rows, targets, layout, equal) for row in equal_rows)])
        notes += equal.notes({row.variant: row.title for row in rows})
    beside = f" {comparable.caption(f'Table {number_of_table}')}" if any(shown.task for shown in targets) else ""
    return Table(
        caption=f"{layout.caption} ({study}).{beside}",
        label=f"tab:{layout.artefact}-{study}",
        groups=groups,
        columns=names,
        blocks=blocks,
        notes=notes,
        fitted=len(names) > 10,
    )


def _line(
    row: Row, rows: Sequence[Row], targets: Sequence[Shown], layout: Layout, equal: EqualCompute | None
) -> list[Text]:
    seeds = [len(entry.cell) for shown in targets for entry in _entries(row, shown) if entry.cell]
    cells = [Text(row.title, italic=row.is_control), Text(span_of(seeds) if seeds else NOTHING)]
    cells += [_size(row.size)] if layout.sized else []
    cells += [equal.shown(row.variant)] if equal is not None else []
    for shown in targets:
        cells += [_ours(row, rows, shown, column) for column in ALIGNMENT]
        if shown.task:
            cells += [_size(row.published_size)] if layout.sized else []
            cells += [_papers(row, shown.entries[row.variant, column]) for column in ALIGNMENT]
        cells += [_ours(row, rows, shown, column) for column in shown.own]
    return cells


def _entries(row: Row, shown: Shown) -> list[Entry]:
    return [shown.entries[row.variant, column] for column in shown.columns]


def _size(size: int | None) -> Text:
    return Text(NOTHING if size is None else str(size))


def _ours(row: Row, rows: Sequence[Row], shown: Shown, column: Column) -> Text:
    entry = shown.entries[row.variant, column]
    if not entry.cell:
        return Text(NOTHING)
    words = mean_and_std(entry.summary.mean, entry.summary.std, DIGITS)
    if entry.loss is not None:
        words += f" ({number(entry.loss.mean, DIGITS)})"
    is_best = number(entry.summary.mean, DIGITS) == shown.best(rows, column, DIGITS)
    return Text(words, bold=is_best and not row.is_control)


def _papers(row: Row, entry: Entry) -> Text:
    if entry.paper is None or not row.published:
        return Text(NOTHING)
    loss = "" if entry.paper_loss is None else f" ({number(entry.paper_loss, DIGITS)})"
    return Text(number(entry.paper, DIGITS) + loss)


def _notes(study: str, rows: Sequence[Row], targets: Sequence[Shown], comparable: Comparability) -> list[str]:
    by_column: dict[Column, list[Record]] = {}
    for shown in targets:
        for row in rows:
            for column in shown.columns:
                by_column.setdefault(column, []).extend(shown.entries[row.variant, column].cell.values())
    every = [record for records in by_column.values() for record in records]
    aligned = [record for column in ALIGNMENT for record in by_column[column]]
    intervals = _distinct(re.sub(" over .*", "", record.interval) for record in aligned)
    notes = [
        "AS: mean cosine of image and prompt, on the prompts without the concept that methods see (D_r,train) and on "
        "those kept from them (D_r,test). In brackets: the base's AS less the row's, on the same prompts and seeds of "
        f"images; {MINUS} is a gain.",
        f"n: training seeds; ±: sample standard deviation (ddof {DDOF}) over them, none for one."
        + (f" Rows with one seed have intervals over prompts in the csv ({intervals})." if intervals else ""),
    ]
    if records := [record for name in ("detected", "recognised") for record in by_column.get(SEEN[name], ())]:
        looks = _distinct(f"{record.metric}: {record.features}" for record in records)
        notes.append(f"Share of the images of the prompts with the concept (D_f,test) that still show it; {looks}.")
    if records := [record for name in ("CS", "CER") for record in by_column.get(SEEN[name], ())]:
        looks = _distinct(f"{record.metric}: {record.features}" for record in records)
        notes.append(
            "No judge sees the concept in images; those of the prompts with it (D_f,test) are compared with names: "
            f"{looks}."
        )
    if KEPT in by_column:
        notes.append(
            "kept: share of the same images that show everything else that their prompt says. A model that shows "
            "neither has not unlearned the concept: it is destroyed."
        )
    counts: dict[str, list[int]] = {}
    for record in every:
        counts.setdefault(SETS[record.prompts], []).append(record.n)
    images = ", ".join(f"{name} {span_of(numbers)}" for name, numbers in counts.items())
    notes += [
        f"Judges: {_distinct(f'{record.judge}, sha256 {record.judge_sha256[:12]}' for record in every)}.",
        f"Images a cell: {images}. Sampler: {samplers_of(every)}.",
        "Italic: controls. Bold: best mean among the unlearning methods, whatever its uncertainty; the columns belong "
        "together, since what forgets little keeps much.",
    ]
    if any(shown.task for shown in targets):
        notes.append(
            "The paper's values: Stable Diffusion 1.4, OpenCLIP ViT-B-32, one run, no intervals. "
            + comparable.note(study, f"They are not comparable with those of {study}.")
        )
    return notes


def _distinct(words: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(word for word in words if word))
