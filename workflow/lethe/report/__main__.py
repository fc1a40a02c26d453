"""The report stage: ``python -m lethe.report`` writes one HTML file of what there is of a preset's results."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lethe.cli import command
from lethe.config import load_config
from lethe.config.reading import read_preset
from lethe.errors import LetheError
from lethe.files import write_text
from lethe.plan import Plan
from lethe.report.assembly import page


def main(arguments: argparse.Namespace) -> None:
    given = arguments.config
    plan = Plan(load_config(json.loads(given)) if given is not None else read_preset(arguments.configfile))
    if not Path(plan.root).is_dir():
        raise LetheError(
            f"{plan.root}: no such folder: there are no results of preset {plan.config.preset} to report on",
            f"make them first: make reproduce PRESET={plan.config.preset}",
        )
    output = arguments.output or Path(plan.root) / "report.html"
    write_text(output, page(plan))
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, opens without a server")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.report", description=__doc__, allow_abbrev=False)
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--configfile",
        nargs="+",
        default=["config.yaml"],
        help="a preset's name or file, or several files of which a later one goes before [config.yaml, the miniature]",
    )
    source.add_argument("--config", help="the whole configuration, as JSON, instead of a file")
    parser.add_argument("--output", type=Path, help="HTML file to write [results/PRESET/report.html]")
    return parser


if __name__ == "__main__":
    command(parser(), main)
