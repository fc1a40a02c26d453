"""The one error that a user is meant to read."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LetheError(Exception):
    """Something the user can mend: what is wrong (thing and value), and the remedy.

    Commands print it as two lines and exit with status 2; no traceback.
    """

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}\n  remedy: {remedy}")
        self.problem = problem
        self.remedy = remedy


def nearest(name: str, known: Iterable[object]) -> str:
    """Words naming the known name nearest to ``name``, or all of them when none is near."""
    choices = [str(choice) for choice in known]
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"choose one of: {', '.join(choices)}"
