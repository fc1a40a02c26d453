"""Table 3 of the RGD paper for a study of ours: D_r of the two classes nearest to the target (Case 1) against as many
images of all remaining classes (Case 2), with the paper's own numbers beside them. Writes csv, Markdown and LaTeX."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lethe.artefacts import comparability, protocol, typeset
from lethe.artefacts.comparability import Comparability
from lethe.artefacts.naming import title_of, titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.paired import PAIRED_FORMULA, pair_named
from lethe.artefacts.published import Published, paper_cell, read_published
from lethe.artefacts.rows import DDOF, RATES, Metric, Row, check_one_judge, metrics_of, of_one_study, row_of
from lethe.artefacts.typeset import MINUS, NOTHING, Group, Table, Text, decimals_of, mean_and_std, number
from lethe.errors import LetheError
from lethe.files import write_rows, write_text
from lethe.measures.summary import Paired, compare_paired
from lethe.record import Record, read_records
from lethe.similarity import CLIP, Similarity, read_similarity

TITLE = "Table 3: D_r of the two nearest classes against balanced D_r"
COLUMNS = (
    *("study", "method", "title", "retain_set", "variant", "metric", "better", "value", "std", "ddof"),
    *("confidence", "low", "high", "p_value", "n_targets", "n_seeds", "n_cells", "targets", "judge", "judge_sha256"),
    *("features", "published_metric", "published_value", "published_std", "published_task", "published_is_comparable"),
    *protocol.COLUMNS,
)


class Case(NamedTuple):
    """``words`` name it in the table, ``task`` is its name among the paper's values."""

    strategy: str
    words: str
    task: str


CASES = (
    Case("nearest", "two nearest classes", "cifar10 plane,bird,dog; two_nearest_classes"),
    Case("balanced", "balanced", "cifar10 plane,bird,dog; balanced"),
)
DIFFERENCE = f"balanced {MINUS} two nearest"
PaperValues = Mapping[tuple[str, str], Published]


class Compared(NamedTuple):
    """One method's two rows, on the cells that both have, and the second minus the first by metric."""

    nearest: Row
    balanced: Row
    difference: dict[str, Paired]


def shown_of(metrics: Sequence[Metric]) -> tuple[Metric, ...]:
    """Table 1's columns without the kernel distance, which the paper has not."""
    return tuple(metric for metric in metrics if metric.name not in ("KD", "KID"))


def compare(nearest: Row, balanced: Row, confidence: float) -> Compared:
    """LetheError where the rows are of two methods, or share no cell."""
    if nearest.method != balanced.method:
        raise LetheError(
            f"{nearest.variant} is of {nearest.method}, {balanced.variant} of {balanced.method}",
            "compare two rows of one method",
        )
    shared = set(nearest.cells) & set(balanced.cells)
    if not shared:
        raise LetheError(
            f"{nearest.variant} and {balanced.variant} share no target and seed", "measure both on the same targets"
        )
    rows = [
        dataclasses.replace(
            row, records={name: {c: r for c, r in cells.items() if c in shared} for name, cells in row.records.items()}
        )
        for row in (nearest, balanced)
    ]
    difference = {
        metric.name: compare_paired(
            rows[1].values(metric.name), rows[0].values(metric.name), confidence, better=metric.better
        )
        for metric in nearest.metrics
    }
    return Compared(*rows, difference)


def csv_rows(
    study: str,
    compared: Sequence[Compared],
    titles: Mapping[str, str],
    paper: Sequence[PaperValues],
    confidence: float,
    comparable: Comparability,
) -> list[dict[str, Any]]:
    """For each method and metric both cases and their difference, in full precision."""
    lines = []
    for pair in compared:
        for metric in pair.balanced.metrics:
            judged = next(iter(pair.balanced.records[metric.name].values()))
            common = {
                "study": study,
                "method": pair.balanced.method,
                "title": titles[pair.balanced.variant],
                "metric": metric.name,
                "better": metric.better,
                "n_targets": len(pair.balanced.targets),
                "n_seeds": len(pair.balanced.seeds),
                "n_cells": len(pair.balanced.cells),
                "targets": " ".join(pair.balanced.targets),
                "judge": judged.judge,
                "judge_sha256": judged.judge_sha256,
                "features": judged.features,
                "published_metric": metric.published,
                "published_is_comparable": comparable.is_given,
            }
            published = [values.get((pair.balanced.method, metric.published or "")) for values in paper]
            for case, row, value in zip(CASES, pair[:2], published, strict=True):
                line = common | {"retain_set": case.strategy, "variant": row.variant}
                summary = row.summary(metric.name)
                line |= {"value": summary.mean, "std": summary.std, "ddof": summary.ddof}
                line |= protocol.mean_protocol(list(row.records[metric.name].values()))
                if value is not None:
                    line |= {"published_value": value.value, "published_std": value.std, "published_task": value.task}
                lines.append(line)
            found = pair.difference[metric.name]
            line = common | {"retain_set": "balanced - nearest", "value": found.difference, "confidence": confidence}
            line |= {"low": found.low, "high": found.high, "p_value": found.p_value}
            both = [record for row in (pair.balanced, pair.nearest) for record in row.records[metric.name].values()]
            line |= protocol.protocol(PAIRED_FORMULA.format(n=found.n, unit=found.unit), both)
            lines.append(line | {"published_value": _published_difference(published)})
    return lines


def _published_difference(published: Sequence[Published | None]) -> float | None:
    nearest, balanced = published
    return None if nearest is None or balanced is None else balanced.value - nearest.value


def as_table(
    study: str,
    compared: Sequence[Compared],
    titles: Mapping[str, str],
    paper: Sequence[PaperValues],
    notes: Sequence[str],
    comparable: Comparability,
) -> Table:
    metrics = compared[0].balanced.metrics
    beside = [metric for metric in metrics if metric.published]
    return Table(
        caption=f"Unlearning one class of {study} with a retain set of the two classes nearest to it, and with a "
        f"balanced one of the same size: mean ± standard deviation. {comparable.caption('Table 3')}",
        label=f"tab:table3-{study}",
        groups=[
            Group("", 3),
            Group(study, len(metrics)),
            Group(f"RGD paper: CIFAR-10{comparable.heading}", len(beside)),
        ],
        columns=[
            "Method",
            "Retain set",
            "n",
            *(f"{metric.title} {metric.arrow}" for metric in metrics),
            *(f"{metric.published} {metric.arrow}" for metric in beside),
        ],
        blocks=[_block(pair, titles[pair.balanced.variant], paper) for pair in compared],
        notes=notes,
        left=2,
        fitted=True,
    )


def _block(pair: Compared, title: str, paper: Sequence[PaperValues]) -> list[list[Text]]:
    metrics = pair.balanced.metrics
    beside = [metric for metric in metrics if metric.published]
    lines = []
    for place, (case, row) in enumerate(zip(CASES, pair[:2], strict=True)):
        cells = [Text(title), Text(case.words), Text(row.count)]
        for metric in metrics:
            summary = row.summary(metric.name)
            cells.append(Text(mean_and_std(summary.mean, summary.std, decimals_of(summary.mean))))
        lines.append([*cells, *(paper_cell(paper[place], row.method, metric) for metric in beside)])
    cells = [Text(title), Text(DIFFERENCE, italic=True), Text(_replicates(pair))]
    cells += [Text(_with_interval(pair.difference[metric.name])) for metric in metrics]
    for metric in beside:
        value = _published_difference([values.get((pair.balanced.method, metric.published or "")) for values in paper])
        cells.append(Text(NOTHING if value is None else number(value, decimals_of(value))))
    return [*lines, cells]


def _replicates(pair: Compared) -> str:
    found = next(iter(pair.difference.values()))
    return f"{found.n} {found.unit}{'s' * (found.n > 1)}"


def _with_interval(found: Paired) -> str:
    digits = decimals_of(found.difference)
    words = number(found.difference, digits)
    if found.low is None or found.high is None:
        return words
    return f"{words} [{number(found.low, digits)}, {number(found.high, digits)}]"


def notes_of(
    study: str,
    compared: Sequence[Compared],
    similarity: Similarity,
    retain_images: int,
    confidence: float,
    comparable: Comparability,
) -> list[str]:
    rows = [row for pair in compared for row in pair[:2]]
    every = [record for row in rows for cells in row.records.values() for record in cells.values()]
    near = {target: similarity.near(int(target)) for row in rows for target in row.targets}
    pairs = ", ".join(f"{similarity.names[int(t)]}: {_named(similarity, labels)}" for t, labels in near.items())
    whose = "CLIP's mean embeddings" if similarity.judge == CLIP else "the judge's mean features"
    distance = compared[0].balanced.metrics[len(RATES)]
    smallest = min(found.n for pair in compared for found in pair.difference.values())
    return [
        f"D_r has {retain_images} images in either case. The two classes nearest to each target, by the cosine of "
        f"{whose} of real images (Figure 7): {pairs}.",
        f"n: targets × seeds. ±: sample standard deviation (ddof {DDOF}) over these cells; none for one.",  # noqa: RUF001
        f"Difference: mean over targets (each the mean of its seeds; with one target, over seeds) with its "
        f"{100 * confidence:g} % interval, Student's t over so few. The smallest p that a sign-flip test of {smallest} "
        f"could give is {2.0 ** (1 - smallest):.2g}; p-values are in the csv.",
        _judges_note(every, distance.name, compared[0].balanced.metrics),
        f"{distance.name} and RA say something only where the target is forgotten (UA).",
        comparable.note(
            study,
            "The paper's values are of plane, bird and dog of CIFAR-10 with Inception FID: not comparable with those "
            f"of {study}.",
        )
        + " Its ± is over three classes, its ddof not stated; its differences carry no interval. Its balanced "
        "case reads otherwise than its Table 1 of the same methods; with which settings is not stated.",
    ]


def _judges_note(every: Sequence[Record], distance: str, metrics: Sequence[Metric]) -> str:
    features = "; ".join(sorted({record.features for record in every if record.features}))
    judges = "; ".join(
        f"{name}, sha256 {digest}" for name, digest in sorted({(r.judge, r.judge_sha256[:12]) for r in every})
    )
    if distance == "FD":
        return f"Judge: {judges}. FD: Fréchet distance in its features: {features}."
    return (
        f"Judges: {judges}. FID: Fréchet distance in {features}, to the training images of the remaining classes; "
        f"{metrics[-1].title}: to those of all classes, as the paper's code measures it."
    )


def _named(similarity: Similarity, labels: Sequence[int]) -> str:
    return " and ".join(similarity.names[label] for label in labels)


def main(arguments: argparse.Namespace) -> None:
    records = of_one_study(read_records(arguments.records), arguments.study)
    titles = titles_of(arguments.titles, "--titles")
    metrics = shown_of(metrics_of(records))
    compared = []
    for nearest, balanced in map(pair_named, arguments.pairs):
        title_of(titles, balanced)
        rows = [row_of(records, variant, metrics) for variant in (nearest, balanced)]
        compared.append(compare(*rows, arguments.confidence))
    check_one_judge([row for pair in compared for row in pair[:2]])
    paper = [read_published(arguments.published, "table3", case.task) for case in CASES]
    comparable = comparability.from_options(arguments)
    similarity = read_similarity(arguments.similarity)
    notes = notes_of(arguments.study, compared, similarity, arguments.retain_images, arguments.confidence, comparable)
    table = as_table(arguments.study, compared, titles, paper, notes, comparable)
    write_rows(
        arguments.csv, COLUMNS, csv_rows(arguments.study, compared, titles, paper, arguments.confidence, comparable)
    )
    write_text(arguments.markdown, typeset.as_markdown(table))
    write_text(arguments.tex, typeset.as_latex(table))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files")
    parser.add_argument(
        "--pairs", nargs="+", required=True, metavar="NEAREST:BALANCED", help="two rows of each method, in this order"
    )
    parser.add_argument(
        "--titles",
        nargs="+",
        required=True,
        metavar="NAME=TITLE",
        help="titles of the balanced rows",
    )
    parser.add_argument("--similarity", type=Path, required=True, metavar="CSV", help="which classes are near")
    parser.add_argument("--retain-images", type=int, required=True, help="images of D_r")
    parser.add_argument("--confidence", type=float, default=0.95, help="confidence of the intervals [0.95]")
    parser.add_argument("--published", type=Path, required=True, metavar="CSV", help="the paper's values")
    parser.add_argument("--study", required=True, help="the study whose records are shown")
    comparability.add_options(parser)
    add_table_outputs(parser)
