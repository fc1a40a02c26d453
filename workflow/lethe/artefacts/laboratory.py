"""The gradient-rule laboratory: the same two losses on the same data, combined by different rules. A table of what each
rule forgets and keeps, how often the gradients conflict, and what a step costs; and a figure of the one against the
other."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lethe.artefacts import protocol, typeset
from lethe.artefacts.alignment_table import add_targets, seen_by_target
from lethe.artefacts.laboratory_figure import draw
from lethe.artefacts.laboratory_rows import OF_RUNS, OF_TEXT, Quantity, Row, Runs, Study, of_classes, of_text
from lethe.artefacts.naming import titles_of
from lethe.artefacts.outputs import add_figure_outputs, add_table_outputs
from lethe.artefacts.rows import of_one_study
from lethe.artefacts.style import paper_style, save
from lethe.artefacts.typeset import Group, Table, Text, decimals_of, mean_and_std
from lethe.errors import LetheError
from lethe.files import write_rows, write_text
from lethe.measures.summary import MeanInterval
from lethe.record import read_records

TITLE = "rules that combine two gradients, side by side"
COLUMNS = (
    *("study", "variant", "title", "quantity", "better", "mean", "low", "high", "confidence", "n", "unit"),
    *("n_cells", "targets", "seeds", "devices", "judge", "judge_sha256", "features", *protocol.COLUMNS),
)


def csv_rows(studies: Sequence[Study], confidence: float) -> list[dict[str, Any]]:
    """One line for each study, rule and quantity; in full precision, memory in bytes."""
    lines = []
    for study in studies:
        for row in study.rows:
            for quantity in study.quantities:
                cells = row.values[quantity.name]
                of_mean = row.mean(quantity._replace(unit=1.0), confidence)
                lines.append(
                    {
                        "study": study.name,
                        "variant": row.variant,
                        "title": row.title,
                        "quantity": quantity.name,
                        "better": quantity.better,
                        **of_mean._asdict(),
                        "confidence": confidence,
                        "n_cells": len(cells),
                        "targets": " ".join(dict.fromkeys(target for target, _ in cells)),
                        "seeds": " ".join(dict.fromkeys(str(seed) for _, seed in cells)),
                        "devices": "; ".join(study.devices),
                        **_made_of(row, quantity, of_mean.n, of_mean.unit),
                    }
                )
    return lines


def _made_of(row: Row, quantity: Quantity, count: int, unit: str) -> dict[str, str]:
    """The formula; of an outcome also its records and their judges."""
    mean = f"mean over {count} {unit}s (of targets, each the mean of its seeds)"
    records = row.records.get(quantity.name, ())
    if not records:
        return protocol.protocol(f"{mean} of each model's trajectory.csv and cost.json", ())
    told = ("judge", "judge_sha256", "features")
    judged = {name: "; ".join(dict.fromkeys(getattr(record, name) for record in records)) for name in told}
    return judged | protocol.protocol(mean, records)


def as_table(studies: Sequence[Study], confidence: float) -> Table:
    """A block a study; the columns of outcome have other names in each, so a block after the first repeats them."""
    blocks = []
    for study in studies:
        heading = [Text(words, bold=True) for words in _heading(study)]
        lines = [_line(row, study, confidence) for row in study.rows]
        blocks.append([heading, *lines] if blocks else lines)
    names = " and ".join(study.name for study in studies)
    return Table(
        caption=f"Rules that make one gradient of two, on {names}: the same losses, data and steps.",
        label=f"tab:laboratory-{'-'.join(study.name for study in studies)}",
        groups=[Group("", 2), Group("outcome", 3), Group("gradients", 2), Group("cost", len(OF_RUNS) - 2)],
        columns=_heading(studies[0]),
        blocks=blocks,
        notes=_notes(studies, confidence),
        fitted=True,
    )


def _heading(study: Study) -> list[str]:
    return [f"{study.name}: rule", "n", *(quantity.heading for quantity in study.quantities)]


def _line(row: Row, study: Study, confidence: float) -> list[Text]:
    cells = list(row.values[study.outcome[0].name])
    targets = len({target for target, _ in cells})
    count = f"{targets} × {len(cells) // targets}" if len(cells) % targets == 0 else f"{len(cells)} cells"  # noqa: RUF001
    return [
        Text(row.title),
        Text(count),
        *(Text(_shown(row.mean(quantity, confidence))) for quantity in study.quantities),
    ]


def _shown(of_mean: MeanInterval) -> str:
    half = None if of_mean.low is None or of_mean.high is None else (of_mean.high - of_mean.low) / 2
    return mean_and_std(of_mean.mean, half or None, decimals_of(of_mean.mean))


def _notes(studies: Sequence[Study], confidence: float) -> list[str]:
    devices = sorted({device for study in studies for device in study.devices})
    judges = "; ".join(dict.fromkeys(f"{r.judge}, sha256 {r.judge_sha256[:12]}" for s in studies for r in s.judged))
    notes = [
        "n: targets × training seeds. "  # noqa: RUF001
        f"±: half of the {100 * confidence:g} % interval of the mean, Student's t over the targets (each the mean of "
        "its seeds), or over the seeds of one target; none where nothing differs.",
        "steps in conflict: share of the steps with a negative cosine of the two gradients over the whole network, "
        "among the steps that have both; the mean cosine is over the same steps.",
        "passes: forward and backward over one batch. seconds a step: the training alone, without loading and "
        f"saving. peak memory: of the process on a CPU, what torch allocated on a GPU. Device: {'; '.join(devices)}.",
    ]
    if any(study.outcome is OF_TEXT for study in studies):
        notes.append(
            "Text: share of the images of held-out prompts with the concept that still show it; AS on held-out prompts "
            "without it; kept: share of the former images that show everything else that their prompt says."
        )
    return [*notes, f"Judges: {judges}."]


def main(arguments: argparse.Namespace) -> None:
    titles, studies = titles_of(arguments.rows, "--rows"), []
    if arguments.classes is not None:
        records = of_one_study(read_records(arguments.class_records), arguments.classes)
        runs = Runs(arguments.class_cells, arguments.class_trajectories, arguments.class_costs)
        studies.append(of_classes(arguments.classes, records, runs, titles))
    if arguments.text is not None:
        records = of_one_study(read_records(arguments.text_records), arguments.text)
        runs = Runs(arguments.text_cells, arguments.text_trajectories, arguments.text_costs)
        seen = seen_by_target(arguments, titles_of(arguments.targets, "--targets"))
        studies.append(of_text(arguments.text, records, runs, titles, seen))
    if not studies:
        raise LetheError("no study is given", "give --classes, --text, or both")
    table = as_table(studies, arguments.confidence)
    write_rows(arguments.csv, COLUMNS, csv_rows(studies, arguments.confidence))
    write_text(arguments.markdown, typeset.as_markdown(table))
    write_text(arguments.tex, typeset.as_latex(table))
    with paper_style():
        save(draw(studies, arguments.confidence), arguments.pdf, arguments.png)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rows", nargs="+", required=True, metavar="NAME=TITLE", help="the rules, in this order, and their titles"
    )
    for name, kind in (("classes", "class"), ("text", "text")):
        group = parser.add_argument_group(f"{kind} study")
        group.add_argument(f"--{name}", metavar="STUDY", help="the study [none]")
        group.add_argument(f"--{kind}-records", type=Path, nargs="+", default=[], metavar="CSV", help="record files")
        group.add_argument(
            f"--{kind}-cells", nargs="+", default=[], metavar="VARIANT/TARGET/SEED", help="the cells that were run"
        )
        for what, form in (("trajectories", "CSV"), ("costs", "JSON")):
            group.add_argument(
                f"--{kind}-{what}", type=Path, nargs="+", default=[], metavar=form, help=f"their {what}, in that order"
            )
    add_targets(parser, required=False)
    parser.add_argument("--confidence", type=float, default=0.95, help="confidence of the intervals [0.95]")
    add_figure_outputs(parser)
    add_table_outputs(parser)
