"""The report stage: ``python -m lethe.report`` writes one HTML file of what there is of a preset's results."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

from lethe.cli import command
from lethe.config import load_config
from lethe.errors import LetheError
from lethe.files import write_text
from lethe.plan import Plan
from lethe.report.assembly import page


def main(arguments: argparse.Namespace) -> None:
    plan = Plan(load_config(_values(arguments)))
    if not Path(plan.root).is_dir():
        raise LetheError(
            f"{plan.root}: no such folder: there are no results of preset {plan.config.preset} to report on",
            f"make them first: make reproduce PRESET={plan.config.preset}",
        )
    output = arguments.output or Path(plan.root) / "report.html"
    write_text(output, page(plan))
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, opens without a server")


def _values(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.config is not None:
        return json.loads(arguments.config)
    path = arguments.configfile
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LetheError(
            f"--configfile {path}: no such file", "give config.yaml or workflow/presets/NAME.yaml"
        ) from None
    except yaml.YAMLError as error:
        raise LetheError(f"--configfile {path}: not YAML ({error})", "mend the file") from None
    if not isinstance(values, dict):
        raise LetheError(f"--configfile {path}: not a configuration", "give config.yaml or workflow/presets/NAME.yaml")
    return values


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.report", description=__doc__, allow_abbrev=False)
    source = parser.add_mutually_exclusive_group()
    source.add_argument(
        "--configfile", type=Path, default=Path("config.yaml"), help="the preset's file [config.yaml, the miniature]"
    )
    source.add_argument("--config", help="the whole configuration, as JSON, instead of a file")
    parser.add_argument("--output", type=Path, help="HTML file to write [results/PRESET/report.html]")
    return parser


if __name__ == "__main__":
    command(parser(), main)
