"""Table ``outside``: does a method forget, and keep, on prompts outside its unlearning set too? What is left of the
concept on seen prompts, held-out words and other phrasings, alignment without it; and chosen rows compared with every
other, prompt by prompt. Writes csv (full precision), Markdown and LaTeX."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lethe.artefacts import typeset
from lethe.artefacts.naming import CellName, cell_named, check_parallel, title_of, titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.outside_numbers import COLUMNS as MEASURED
from lethe.artefacts.outside_numbers import Column, Outside, Verdict, outside_of
from lethe.artefacts.outside_shape import as_table, comparison
from lethe.artefacts.typeset import MINUS
from lethe.errors import LetheError, nearest
from lethe.files import write_rows, write_text
from lethe.measures.bootstrap import Estimate
from lethe.settings.common import Settings
from lethe.settings.measures import ConceptSeen, TextMeasureSettings
from lethe.settings.options import add_options, from_options
from lethe.settings.text_sampling import TextSamplingSettings

TITLE = "what is left of the concept and kept without it, on prompts outside the unlearning set"
COLUMNS = (
    *("study", "target", "variant", "against", "title", "role", "quantity", "prompts", "better", "value", "low"),
    *(
        "high",
        "interval",
        "n_images",
        "n_prompts",
        "n_seeds",
        "verdict",
        "judge",
        "judge_sha256",
        "features",
        "formula",
    ),
)


class _Options(Settings):
    sampling: TextSamplingSettings = TextSamplingSettings()


def csv_rows(
    study: str,
    titles: Mapping[str, str],
    controls: Collection[str],
    shown: Sequence[Outside],
    verdicts: Mapping[str, Sequence[Verdict]],
) -> Iterator[dict[str, Any]]:
    """One line for each number, then one for each difference (``against`` a row), in full precision."""
    for target in shown:
        for variant, seeds in target.seeds.items():
            role = "control" if variant in controls else "method"
            line = {"study": study, "variant": variant, "title": titles[variant], "role": role, "n_seeds": seeds}
            for column in MEASURED:
                if (estimate := target.estimate(variant, column)) is not None:
                    yield line | _numbers(target, column, estimate, "")
        for verdict in verdicts.get(target.name, ()):
            first, second = titles[verdict.first], titles[verdict.second]
            line = {"study": study, "variant": verdict.first, "against": verdict.second, "verdict": verdict.words}
            line |= {"title": f"{first} {MINUS} {second}", "n_seeds": target.seeds[verdict.first]}
            for column, estimate in verdict.differences.items():
                if estimate is not None:
                    yield line | _numbers(target, column, estimate, " of the first less the second, paired by image")


def _numbers(target: Outside, column: Column, estimate: Estimate, of: str) -> dict[str, Any]:
    judge = target.judges[column.quantity]
    return {
        "target": target.name,
        **column._asdict(),
        "better": column.better,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "interval": "" if estimate.low is None else f"BCa bootstrap {100 * target.confidence:g} % over prompts",
        "n_images": estimate.n,
        "n_prompts": estimate.clusters,
        "judge": judge.name,
        "judge_sha256": judge.sha256,
        "features": judge.features,
        "formula": f"mean over images{of}, each image the mean over training seeds",
    }


def seen_by(words: Sequence[str], targets: Mapping[str, str]) -> dict[str, ConceptSeen]:
    """``TARGET=head=class`` or ``TARGET=PART,PART`` words as how each target shows."""
    given = titles_of(words, "--seen-by")
    for target in given:
        if target not in targets:
            raise LetheError(f"--seen-by {target}: not among the targets", nearest(target, targets))
    return {
        target: ConceptSeen(attribute=shown)
        if "=" in shown
        else ConceptSeen(parts=tuple(filter(None, shown.split(","))))
        for target, shown in (dict.fromkeys(targets, "") | given).items()
    }


def main(arguments: argparse.Namespace) -> None:
    titles, targets = titles_of(arguments.variants, "--variants"), titles_of(arguments.targets, "--targets")
    prompts, seen = titles_of(arguments.prompts, "--prompts"), seen_by(arguments.seen_by, targets)
    settings, sampling = from_options(TextMeasureSettings, arguments), from_options(_Options, arguments).sampling
    cells = [cell_named(word) for word in arguments.cells]
    check_parallel(cells, arguments.judged, "--judged")
    for name in [cell.variant for cell in cells] + arguments.compared + arguments.controls:
        title_of(titles, name, "--variants")
    shown = []
    for target in targets:
        own: dict[CellName, list[Path]] = {}
        for cell, path in zip(cells, arguments.judged, strict=True):
            if cell.target == target:
                own.setdefault(cell, []).append(path)
        if not own:
            raise LetheError(f"no cell is of the target '{target}'", nearest(target, {cell.target for cell in cells}))
        file = Path(title_of(prompts, target, "--prompts"))
        shown.append(outside_of(target, own, file, seen[target], sampling, settings))
    verdicts = {
        target.name: [
            target.verdict(first, second)
            for first in arguments.compared
            for second in titles
            if first != second and {first, second} <= target.seeds.keys()
        ]
        for target in shown
    }
    verdicts = {target: found for target, found in verdicts.items() if found}
    tables = [as_table(arguments.study, titles, arguments.controls, targets, shown)]
    if verdicts:
        tables.append(comparison(arguments.study, titles, targets, verdicts))
    write_rows(arguments.csv, COLUMNS, csv_rows(arguments.study, titles, arguments.controls, shown, verdicts))
    write_text(arguments.markdown, "\n".join(map(typeset.as_markdown, tables)))
    write_text(arguments.tex, "\n".join(map(typeset.as_latex, tables)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cells", nargs="+", required=True, metavar="VARIANT/TARGET/SEED", help="the cell that each file is of"
    )
    parser.add_argument(
        "--judged", type=Path, nargs="+", required=True, metavar="FILE", help="the judges' outputs, shard by shard"
    )
    parser.add_argument("--study", required=True, help="the study that the cells are of")
    parser.add_argument(
        "--variants", nargs="+", required=True, metavar="NAME=TITLE", help="the rows, in this order, and their titles"
    )
    parser.add_argument("--compared", nargs="*", default=[], metavar="NAME", help="rows compared with every other")
    parser.add_argument("--controls", nargs="*", default=[], metavar="NAME", help="rows that are controls")
    parser.add_argument(
        "--targets", nargs="+", required=True, metavar="NAME=TITLE", help="the targets, in this order, and their titles"
    )
    parser.add_argument("--prompts", nargs="+", required=True, metavar="TARGET=FILE", help="prompts.csv of each target")
    parser.add_argument(
        "--seen-by",
        nargs="+",
        default=[],
        metavar="TARGET=HOW",
        help="what says that a target is still there: head=class of the attribute judge, or parts of the detector "
        "with commas between [all parts]",
    )
    add_options(parser, TextMeasureSettings)
    add_options(parser, _Options)
    add_table_outputs(parser)
