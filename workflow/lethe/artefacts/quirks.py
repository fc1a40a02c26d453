"""What the released evaluation changes: each number as measured here beside the same row's as RGD's code measures it
(images from no seed, AS by the training transform, the detector shown swapped colours, distances to the images of all
classes). One table a study. Writes csv (full precision), Markdown and LaTeX."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lethe.artefacts import protocol, typeset
from lethe.artefacts.naming import titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.quirks_shape import as_table
from lethe.artefacts.quirks_values import Pair, Study, study_of
from lethe.errors import LetheError
from lethe.files import write_rows, write_text
from lethe.measures.summary import Summary
from lethe.record import read_records

TITLE = "what the released evaluation changes, row by row"
COLUMNS = (
    *("study", "target", "variant", "released_variant", "title", "method", "quantity", "better", "prompts"),
    *("metric", "mean", "std", "n", "features", "sampler", "released_metric", "released_mean", "released_std"),
    *("released_n", "released_features", "released_sampler", "judge", "judge_sha256"),
    *(*protocol.COLUMNS, "released_records"),
)


def csv_rows(study: Study) -> Iterable[dict[str, Any]]:
    """One line for each number that was measured in both ways."""
    for block in study.blocks:
        for (pair, quantity), values in block.values.items():
            fixed, released = values.fixed[0], values.released[0]
            yield (
                {
                    "study": study.name,
                    "target": block.target,
                    "variant": pair.row,
                    "released_variant": pair.released,
                    "title": pair.title,
                    "method": fixed.method,
                    "quantity": quantity.title,
                    "better": quantity.better,
                    "prompts": fixed.prompts,
                    "metric": fixed.metric,
                    "features": fixed.features,
                    "sampler": fixed.sampler,
                    "released_metric": released.metric,
                    "released_features": released.features,
                    "released_sampler": released.sampler,
                    "judge": fixed.judge,
                    "judge_sha256": fixed.judge_sha256,
                }
                | _numbers("", values.fixed_summary)
                | _numbers("released_", values.released_summary)
                | protocol.mean_protocol(values.fixed)
                | {"released_records": protocol.protocol("", values.released)["records"]}
            )


def _numbers(side: str, summary: Summary) -> dict[str, Any]:
    return {f"{side}mean": summary.mean, f"{side}std": summary.std, f"{side}n": summary.n}


class Named(NamedTuple):
    """The pairs of each study, the titles of its targets, and the set that detections are counted on."""

    pairs: Mapping[str, Sequence[Pair]]
    titles: Mapping[tuple[str, str], str]
    counted: Mapping[tuple[str, str], str]


def named(rows: Sequence[str], targets: Sequence[str], counted: Sequence[str]) -> Named:
    pairs: dict[str, list[Pair]] = {}
    for place, title in titles_of(rows, "--rows").items():
        study, _, names = place.partition("/")
        row, _, released = names.partition(":")
        if not (study and row and released):
            raise LetheError(f"--rows {place}: not study/row:released", "write for example shapes/rgd:rgd_released=RGD")
        pairs.setdefault(study, []).append(Pair(row, released, title))
    return Named(pairs, _by_target(targets, "--targets"), _by_target(counted, "--counted"))


def _by_target(words: Sequence[str], option: str) -> dict[tuple[str, str], str]:
    found = {}
    for place, text in titles_of(words, option).items():
        study, _, target = place.partition("/")
        if not (study and target):
            raise LetheError(f"{option} {place}: not study/target", "write for example shapes/stripes=stripes")
        found[study, target] = text
    return found


def main(arguments: argparse.Namespace) -> None:
    chosen = named(arguments.rows, arguments.targets, arguments.counted)
    records = read_records(arguments.records)
    studies = [study_of(records, name, pairs, chosen.titles, chosen.counted) for name, pairs in chosen.pairs.items()]
    tables = list(map(as_table, studies))
    write_rows(arguments.csv, COLUMNS, [line for study in studies for line in csv_rows(study)])
    write_text(arguments.markdown, "\n".join(map(typeset.as_markdown, tables)))
    write_text(arguments.tex, "\n".join(map(typeset.as_latex, tables)))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--records", type=Path, nargs="+", required=True, metavar="CSV", help="record files")
    parser.add_argument(
        "--rows",
        nargs="+",
        required=True,
        metavar="STUDY/ROW:RELEASED=TITLE",
        help="the rows, in this order, each with the row that is evaluated as released",
    )
    parser.add_argument(
        "--targets",
        nargs="*",
        default=[],
        metavar="STUDY/NAME=TITLE",
        help="the targets of text studies, in order",
    )
    parser.add_argument(
        "--counted",
        nargs="*",
        default=[],
        metavar="STUDY/NAME=SET",
        help="the prompt set whose images' detections are counted, of targets that the detector knows",
    )
    add_table_outputs(parser)
