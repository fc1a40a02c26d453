"""The shape of table ``doco``: a block of rows for each target, headed by its name and those of its neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lethe.artefacts.doco_entries import ABSENT, ON_TARGET, Column, Row, Shown, of_neighbour
from lethe.artefacts.rows import DDOF, samplers_of
from lethe.artefacts.text_rows import summary_of
from lethe.artefacts.typeset import NOTHING, Group, Table, Text, mean_and_std, number, span_of
from lethe.measures.named import SPM_SCALE

_DIGITS = 3
_PRINTED = ("CS", "FD_to_base")


def as_table(study: str, rows: Sequence[Row], targets: Sequence[Shown]) -> Table:
    most = max(len(shown.neighbours) for shown in targets)
    return Table(
        caption=f"What is erased and what is near it, measured as in SPM, to which DoCo points for it ({study}).",
        label=f"tab:doco-{study}",
        groups=[
            Group("", 2),
            Group("the concept", len(ON_TARGET)),
            *(Group("a neighbour", len(_PRINTED)) for _ in range(most)),
            Group("neighbours", 1),
        ],
        columns=[
            "Method",
            "n",
            *(f"{column.metric} {column.arrow}" for column in ON_TARGET),
            *["CS ↑", "FD ↓"] * most,
            "recognised ↑",
        ],
        blocks=[_block(rows, shown, most) for shown in targets],
        notes=_notes(study, targets),
        fitted=True,
    )


def _block(rows: Sequence[Row], shown: Shown, most: int) -> list[list[Text]]:
    measured = [row for row in rows if any(shown.cells[row.variant, column] for column in shown.columns)]
    names = [Text(title, italic=True) for title in shown.neighbours.values()]
    heading = _line(
        [Text(shown.title, bold=True), Text("")],
        [Text(""), Text("")],
        [[name, Text("")] for name in names],
        Text(""),
        most,
    )
    return [heading, *(_of_row(row, measured, shown, most) for row in measured), *_ends(measured, shown, most)]


def _line(
    front: Sequence[Text], concept: Sequence[Text], neighbours: Sequence[Sequence[Text]], last: Text, most: int
) -> list[Text]:
    """A line of the table; a target with fewer neighbours than another leaves their columns empty."""
    empty = [Text("")] * len(_PRINTED) * (most - len(neighbours))
    return [*front, *concept, *(cell for cells in neighbours for cell in cells), *empty, last]


def _of_row(row: Row, rows: Sequence[Row], shown: Shown, most: int) -> list[Text]:
    seeds = {len(shown.cells[row.variant, column]) for column in shown.columns} - {0}
    neighbours = [
        [_cell(row, rows, shown, column) for column in of_neighbour(name) if column.metric in _PRINTED]
        for name in shown.neighbours
    ]
    recognised = [of_neighbour(name)[-1] for name in shown.neighbours]
    shares = [summary_of(cell).mean for c in recognised if (cell := shown.cells[row.variant, c])]
    return _line(
        [Text(row.title, italic=row.is_control), Text(span_of(sorted(seeds)))],
        [_cell(row, rows, shown, column) for column in ON_TARGET],
        neighbours,
        Text(number(float(np.mean(shares)), _DIGITS) if shares else NOTHING),
        most,
    )


def _cell(row: Row, rows: Sequence[Row], shown: Shown, column: Column) -> Text:
    cell = shown.cells[row.variant, column]
    if not cell:
        return Text(NOTHING)
    summary = summary_of(cell)
    is_best = not row.is_control and number(summary.mean, _DIGITS) == _best(rows, shown, column)
    return Text(mean_and_std(summary.mean, summary.std, _DIGITS), bold=is_best)


def _best(rows: Sequence[Row], shown: Shown, column: Column) -> str:
    """The best mean of a method as printed, so that means that print alike share it; "" without any."""
    cells = [shown.cells[row.variant, column] for row in rows if not row.is_control]
    means = [summary_of(cell).mean for cell in cells if cell]
    if not means:
        return ""
    return number(max(means) if column.better == "higher" else min(means), _DIGITS)


def _ends(rows: Sequence[Row], shown: Shown, most: int) -> list[list[Text]]:
    """Where the numbers end: the base's images of prompts without the concept, and its own images with other noise."""
    base = next((row.variant for row in rows if row.method == "base"), None)
    if base is None:
        return []
    absent = [summary_of(cell).mean if (cell := shown.cells[base, column]) else None for column in ABSENT]
    lines = []
    if any(value is not None for value in absent):
        front = [Text("base, prompts without the concept", italic=True), Text("")]
        nothing = [[Text(NOTHING)] * len(_PRINTED)] * len(shown.neighbours)
        lines.append(_line(front, [_number(value) for value in absent], nothing, Text(NOTHING), most))
    scales = [
        next((record.control for record in shown.cells[base, of_neighbour(name)[1]].values()), None)
        for name in shown.neighbours
    ]
    if any(scale is not None for scale in scales):
        front = [Text("base, half the images against the other", italic=True), Text("")]
        distances = [[Text(NOTHING), _number(scale)] for scale in scales]
        lines.append(_line(front, [Text(NOTHING)] * len(ON_TARGET), distances, Text(NOTHING), most))
    return lines


def _number(value: float | None) -> Text:
    return Text(NOTHING if value is None else number(value, _DIGITS), italic=value is not None)


def _notes(study: str, targets: Sequence[Shown]) -> list[str]:
    records = [record for shown in targets for cell in shown.cells.values() for record in cell.values()]
    distances = [record for record in records if record.metric == "FD_to_base"]
    judges = dict.fromkeys(f"{record.judge}, sha256 {record.judge_sha256[:12]}" for record in records)
    errors = dict.fromkeys(record.features for record in records if record.metric == "CER")
    notes = [
        "CS: CLIP score, the mean cosine of image and name, on held-out prompts: for the concept its own name, for a "
        f"neighbour the neighbour's, without the rest of the sentence. SPM prints {SPM_SCALE} times it (2.5 x 100).",
        f"CER: CLIP error rate, as SPM counts it: {'; '.join(errors)}." if errors else "CER: no concept has an anchor.",
        "A neighbour's prompts are the same held-out sentences with its word in the concept's place; no method is told "
        "to forget them. recognised: share of their images in which the attribute judge sees the neighbour, over all "
        "neighbours that it knows.",
    ]
    if distances:
        halves = sorted({record.control_n for record in distances if record.control_n is not None})
        notes.append(
            f"FD: squared Fréchet distance between the row's and the base's {span_of([r.n for r in distances])} images "
            f"of the same prompts and seeds, in {distances[0].features} (no FID). An untouched model has 0; a distance "
            "is biased upwards, the more the fewer the images."
            + (
                f" Half the images against the other: {span_of(halves)} of the base's images and as many with other "
                "seeds, what noise alone makes at half the size (more than at the full size)."
                if halves
                else ""
            )
        )
    notes += [
        f"n: training seeds; ±: sample standard deviation (ddof {DDOF}) over them, none for one. The csv has intervals "
        "over prompts.",
        f"Judges: {'; '.join(judges)}. Sampler: {samplers_of(records)}.",
        "Italic: controls. Bold: best mean among the unlearning methods, whatever its uncertainty; the columns belong "
        "together, since what forgets little keeps much.",
        "DoCo's own tables could not be read. What others report of it stands below, from other models, concepts and "
        f"judges: not comparable with {study}.",
    ]
    return notes
