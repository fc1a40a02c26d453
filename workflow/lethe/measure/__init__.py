"""The measure stage: from the judge's raw outputs to records. Here is what both kinds of study share."""

from __future__ import annotations

import argparse
from typing import Any

from lethe.cli import add_provenance
from lethe.measures.rates import Rate

_CELL = {"preset": "the preset", "study": "the study", "variant": "the row", "method": "its method"}


def add_cell(parser: argparse.ArgumentParser) -> None:
    """Options that say which cell the records are of; ``--target`` is the kind of study's own."""
    for name, text in _CELL.items():
        parser.add_argument(f"--{name}", default="", help=f"{text}, for the record")
    parser.add_argument("--seed", type=int, default=0, help="training seed, for the record [0]")
    add_provenance(parser)


def cell_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The columns of a record that say which cell it is of."""
    names = (*_CELL, "seed", "fingerprint")
    return {name: getattr(arguments, name) for name in names} | {"target": str(arguments.target)}


def rate_columns(rate: Rate, confidence: float) -> dict[str, Any]:
    """The columns of a record that hold a share of images with its interval."""
    return {
        "value": rate.value,
        "low": rate.low,
        "high": rate.high,
        "interval": f"Wilson {100 * confidence:g} %",
        "n": rate.n,
        "control": None,
        "control_n": None,
        "reference": "",
    }
