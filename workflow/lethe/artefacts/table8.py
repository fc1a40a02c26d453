"""Table 8 of the RGD paper for a study of ours: AS of RGD by the number of prompts in D_r, which is that of D_f. Writes
csv (full precision, with intervals), Markdown and LaTeX."""

from __future__ import annotations

import argparse

from lethe.artefacts import alignment_table
from lethe.artefacts.alignment_table import Layout

TITLE = "Table 8: alignment (AS) by the size of the sets"
_LAYOUT = Layout("table8", "Alignment by the size of D_r", sized=True)


def main(arguments: argparse.Namespace) -> None:
    alignment_table.main(arguments, _LAYOUT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    alignment_table.add_arguments(parser, _LAYOUT)
