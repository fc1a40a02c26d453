"""Table 2 of the RGD paper for a study of ours: AS of each variant on the prompts to keep, for each target. Writes csv
(full precision, with intervals), Markdown and LaTeX."""

from __future__ import annotations

import argparse

from lethe.artefacts import alignment_table
from lethe.artefacts.alignment_table import Layout

TITLE = "Table 2: alignment (AS) of each variant on the prompts to keep"
_LAYOUT = Layout("table2", "Alignment after unlearning", equal=True)


def main(arguments: argparse.Namespace) -> None:
    alignment_table.main(arguments, _LAYOUT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    alignment_table.add_arguments(parser, _LAYOUT)
