"""An entry: one number of both runs, with its verdict before the correction for how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from lethe.compare.reading import Key
from lethe.directions import Better, better
from lethe.measures.two_samples import Difference
from lethe.methods import is_control, method_names
from lethe.record import Record

Verdict = Literal[
    "worse", "better", "different", "no difference", "identical", "not comparable", "only in A", "only in B"
]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
APART: tuple[Verdict, ...] = ("not comparable", "only in A", "only in B")
"""The verdicts on what was not compared."""


class Place(NamedTuple):
    """What an entry is of; ``target`` and ``seed`` are in words where it is over several."""

    study: str
    target: str
    variant: str
    seed: str
    metric: str
    prompts: str

    def __str__(self) -> str:
        where = f" on {self.prompts}" if self.prompts else ""
        return f"{self.study}, {self.target}, {self.variant}, {self.seed}: {self.metric}{where}"


@dataclass(frozen=True)
class Entry:
    """``why`` says how the numbers were compared, or why not; ``adjusted`` is the p-value after the correction.
    ``direction`` is the better one, "" where there is none."""

    place: Place
    method: str
    a: float | None
    b: float | None
    verdict: Verdict
    why: str
    direction: Better = ""
    difference: Difference | None = None
    adjusted: float | None = None

    def judged(self, is_different: bool) -> Verdict:
        if not is_different:
            return self.verdict
        if not self.direction or self.a is None or self.b is None:
            return "different"
        return "better" if (self.b > self.a) == (self.direction == "higher") else "worse"


def place_of(key: Key) -> Place:
    return Place(key.study, key.target, key.variant, f"seed {key.seed}", key.metric, key.prompts)


def entry_of(place: Place, a: Record, b: Record, verdict: Verdict, why: str) -> Entry:
    # Nobody wants a control better: that it moved at all is what matters.
    direction = "" if _is_control(b.method) else better(place.metric, place.prompts)
    return Entry(place, b.method, a.value, b.value, verdict, why, direction)


def lonely(key: Key, a: Record | None, b: Record | None) -> Entry:
    """What only one run has."""
    if a is not None:
        return Entry(place_of(key), a.method, a.value, None, "only in A", "the other run lacks it")
    return Entry(place_of(key), b.method if b else "", None, b and b.value, "only in B", "the other run lacks it")


def by_tolerance(place: Place, a: Record, b: Record, tolerance: float) -> Entry:
    """What carries nothing to test it with: it may change by the share ``tolerance`` of itself, or of what a perfect
    model would show, if that is more."""
    change = abs(b.value - a.value) / max(abs(a.value), abs(a.control or 0.0), 1e-12)
    words = f"no test: changed by {100 * change:.3g} %, the tolerance is {100 * tolerance:g} %"
    entry = entry_of(place, a, b, "no difference", words)
    verdict = entry.judged(change > tolerance)
    return entry if verdict == entry.verdict else Entry(**{**vars(entry), "verdict": verdict})


def is_identical(a: Record, b: Record) -> bool:
    return (a.value, a.low, a.high) == (b.value, b.low, b.high)


def _is_control(method: str) -> bool:
    return method in method_names() and is_control(method)
