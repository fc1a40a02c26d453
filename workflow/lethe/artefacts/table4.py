"""Table 4 of the RGD paper for a study of ours: AS of RG on uniform sets and of RGD, whose sets are diverse. Writes csv
(full precision, with intervals), Markdown and LaTeX."""

from __future__ import annotations

import argparse

from lethe.artefacts import alignment_table
from lethe.artefacts.alignment_table import Layout

TITLE = "Table 4: alignment (AS) with uniform and with diverse sets"
_LAYOUT = Layout("table4", "Alignment with and without diverse prompts in D_f and D_r")


def main(arguments: argparse.Namespace) -> None:
    alignment_table.main(arguments, _LAYOUT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    alignment_table.add_arguments(parser, _LAYOUT)
