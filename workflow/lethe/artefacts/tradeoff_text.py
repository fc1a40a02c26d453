"""Forgetting against retention in a text study, for every row and target: how much of the concept is gone against AS on
the prompts to keep, and against how much of the rest of the sentence is drawn. Writes the drawn numbers as csv too."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from lethe.artefacts import tradeoff
from lethe.artefacts.alignment_entries import ALIGNMENT, KEPT, Column
from lethe.artefacts.alignment_table import add_targets, seen_by_target
from lethe.artefacts.estimates import estimate
from lethe.artefacts.naming import titles_of
from lethe.artefacts.rows import check_judged_alike, of_one_study
from lethe.artefacts.text_rows import TextRecords
from lethe.artefacts.tradeoff_panel import Mark, Panel
from lethe.artefacts.typeset import MINUS
from lethe.errors import LetheError
from lethe.record import Record, read_records

TITLE = "forgetting against retention of every row, text"
_RETAINED = {
    ALIGNMENT[1]: "AS on prompts without the concept",
    KEPT: "kept: rest of the sentence is right",
}
_FORGOTTEN = {
    **{name: f"1 {MINUS} {name}: images that do not show it" for name in ("detected", "recognised")},
    "CS": f"1 {MINUS} CS: images of its prompts, far from its name",
    "CER": "CER: images not nearer to its name than to its anchor",
}


def panels_of(
    records: TextRecords, titles: Mapping[str, str], target: str, title: str, seen: Column, confidence: float
) -> list[Panel]:
    """Of one target. A row that was not measured on it is left out."""
    panels = []
    for column, label in _RETAINED.items():
        marks, sizes = [], [1]
        for variant in titles:
            x, y = (_cells(records, variant, target, wanted) for wanted in (seen, column))
            if x and y and x.keys() != y.keys():
                raise LetheError(
                    f"{variant} on {target}: {seen.metric} and {column.metric} are of different seeds",
                    "measure its cells again",
                )
            if x and y:
                there = seen.better == "lower"  # the metric says how much of it is there, not how much is gone
                values = {cell: (1 - x[cell].value if there else x[cell].value, y[cell].value) for cell in x}
                found, retained = estimate(x, confidence), estimate(y, confidence)
                forgotten = found.one_minus if there else found
                marks.append(Mark(variant, records.is_control(variant), forgotten, retained, values))
                sizes += [record.n for record in x.values()]
        measured = [r for name in titles for r in _cells(records, name, target, column).values()]
        check_judged_alike(f"{column.metric} of {target}", measured)
        if marks:
            name = "AS" if column.metric == "AS" else "kept"
            panels.append(
                Panel(f"{title}: {name}", _FORGOTTEN[seen.metric], label, column.better, 1 / max(sizes), marks)
            )
    return panels


def _cells(records: TextRecords, variant: str, target: str, column: Column) -> dict[tuple[str, int], Record]:
    found = records.cell(variant, target, column.prompts, column.metric)
    return {(target, seed): record for seed, record in found.items()}


def main(arguments: argparse.Namespace) -> None:
    titles, targets = titles_of(arguments.variants, "--variants"), titles_of(arguments.targets, "--targets")
    records = TextRecords(of_one_study(read_records(arguments.records), arguments.study))
    records.check_targets(list(targets))
    seen = seen_by_target(arguments, targets)
    panels = [
        panel
        for target, title in targets.items()
        for panel in panels_of(records, titles, target, title, seen[target], arguments.confidence)
    ]
    if not panels:
        raise LetheError("no row was measured on any of the targets", "give the records of the rows, or other targets")
    tradeoff.write(arguments, panels, titles)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    tradeoff.add_arguments(parser)
    add_targets(parser)
