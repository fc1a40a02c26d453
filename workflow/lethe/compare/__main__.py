"""``python -m lethe.compare A B`` compares the records of two runs, number by number: what is better or worse in B, and
what cannot be compared. Exit status 0: no regression, 1: a regression, 2: a bad input."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from lethe.cli import command
from lethe.compare.reading import opened
from lethe.compare.summary import costs, summary
from lethe.compare.table import write_tables
from lethe.compare.verdicts import Options, compare
from lethe.errors import LetheError


def main(arguments: argparse.Namespace) -> None:
    if not 0 < arguments.level < 1:
        raise LetheError(f"--level {arguments.level}: not between 0 and 1", "give for example 0.05")
    if not arguments.tolerance >= 0:  # nor no number
        raise LetheError(f"--tolerance {arguments.tolerance}: not 0 or more", "give for example 0.5, which is 50 %")
    if arguments.output is not None and not arguments.output.name:
        raise LetheError(f"--output {arguments.output}: no name of a file", "give for example changes")
    metrics = tuple(arguments.metrics) if arguments.metrics else None
    options = Options(arguments.level, arguments.tolerance, metrics, arguments.rows, arguments.any_judge)
    with ExitStack() as stack:
        a, b = (stack.enter_context(opened(path)) for path in (arguments.a, arguments.b))
        comparison = compare(a, b, options)
    print("\n".join(summary(a, b, comparison, options)))
    if arguments.cost:
        print("\n".join(costs(a, b)))
    if arguments.output is not None:
        try:
            paths = write_tables(arguments.output, a, b, comparison, options)
        except OSError as error:
            raise LetheError(f"--output {arguments.output}: cannot be written ({error})", "name another") from None
        print(f"\nwrote {', '.join(map(str, paths))}")
    sys.exit(int(any(entry.verdict == "worse" for entry in comparison.entries)))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.compare", description=__doc__, allow_abbrev=False)
    what = "a folder of results (of a preset, a study or a row), a zip of one, or one table of records"
    parser.add_argument("a", type=Path, metavar="A", help=f"the run to compare with: {what}")
    parser.add_argument("b", type=Path, metavar="B", help="the run that is judged; the same kinds")
    parser.add_argument(
        "--metrics", nargs="+", metavar="METRIC", help="these alone, or all [those that tables lead with]"
    )
    parser.add_argument(
        "--level", type=float, default=0.05, help="probability of any false alarm at all, over all numbers [0.05]"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.5,
        help="relative change allowed of a number that carries nothing to test it with, as a single FID [0.5]",
    )
    parser.add_argument(
        "--rows",
        action="store_true",
        help="compare rows (means over training seeds or targets) instead of single models: speaks of methods",
    )
    parser.add_argument(
        "--any-judge", action="store_true", help="compare judges of one name with other weights: trained anew elsewhere"
    )
    parser.add_argument("--cost", action="store_true", help="show seconds and memory of the unlearning too; not judged")
    parser.add_argument("--output", type=Path, metavar="NAME", help="write NAME.csv, NAME.md and NAME.tex too")
    return parser


if __name__ == "__main__":
    command(parser(), main)
