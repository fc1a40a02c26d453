"""Whether our values can be set against the paper's, and what is said where they cannot."""

from __future__ import annotations

import argparse
from typing import NamedTuple


class Comparability(NamedTuple):
    """``is_given``: the study is made as the paper's. ``differences`` are what keeps it from that, where it is near."""

    is_given: bool = False
    differences: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """What follows the paper's name over its columns."""
        return "" if self.is_given else ", not comparable"

    def caption(self, table: str) -> str:
        return f"Beside it the RGD paper's {table}" + ("." if self.is_given else ", which is not comparable.")

    def note(self, study: str, usual: str) -> str:
        """``usual`` is said of a study of other data."""
        if self.is_given:
            return "The study has the paper's data, judges and numbers of images."
        if self.differences:
            return f"The paper's values are not comparable with those of {study}: {'; '.join(self.differences)}."
        return usual


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--comparable", action="store_true", help="the study is the paper's own: do not say that it is not comparable"
    )
    parser.add_argument(
        "--differs",
        nargs="+",
        default=[],
        metavar="WORDS",
        help="what keeps a study of the paper's data from it [none]",
    )


def from_options(arguments: argparse.Namespace) -> Comparability:
    return Comparability(arguments.comparable and not arguments.differs, tuple(arguments.differs))
