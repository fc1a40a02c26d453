"""The files that tables and figures are written to, as options of their commands."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_table_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--csv", type=Path, required=True, help="csv file to write, in full precision")
    parser.add_argument("--markdown", type=Path, required=True, help="Markdown file to write")
    parser.add_argument("--tex", type=Path, required=True, help="LaTeX file to write")


def add_figure_outputs(parser: argparse.ArgumentParser, numbers: bool = False) -> None:
    """``numbers``: the drawn numbers are written too."""
    parser.add_argument("--pdf", type=Path, required=True, help="pdf file to write")
    parser.add_argument("--png", type=Path, required=True, help="png file to write")
    if numbers:
        parser.add_argument("--csv", type=Path, required=True, help="csv file of the drawn numbers to write")
