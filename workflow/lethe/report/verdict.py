"""Whether a number of ours agrees with the paper's."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["within", "outside", "undecided", "incomparable"]
WORDS: dict[Verdict, str] = {
    "within": "within tolerance",
    "outside": "outside tolerance",
    "undecided": "undecided",
    "incomparable": "not comparable",
}
SIGNS: dict[Verdict, str] = {"within": "✓", "outside": "✗", "undecided": "?", "incomparable": "≁"}
RULE = (
    "Within tolerance: the paper's value lies inside our interval, or the difference is no larger than the paper's own "
    "standard deviation. Undecided: we have no interval and the paper no standard deviation. Not comparable: another "
    "model, other data or other judges than the paper's, so the difference says nothing."
)
_ROUNDING = 1e-9  # of the difference of two decimals


class Paper(NamedTuple):
    """A published value; ``std`` None where the paper gives none. ``is_comparable``: same model, data and judges."""

    value: float
    std: float | None
    artefact: str
    task: str
    is_comparable: bool


def verdict(value: float, low: float | None, high: float | None, paper: Paper) -> tuple[Verdict, str]:
    """The verdict on ``value`` with its interval (None where it has none), and the reason in words."""
    if not paper.is_comparable:
        return "incomparable", "another model, other data or other judges than the paper's"
    if low is not None and high is not None and low - _ROUNDING <= paper.value <= high + _ROUNDING:
        return "within", "the paper's value lies inside our interval"
    if paper.std is not None and abs(value - paper.value) <= paper.std + _ROUNDING:
        return "within", "the difference is no larger than the paper's standard deviation"
    if paper.std is None:
        if low is None or high is None:
            return "undecided", "we have no interval, and the paper gives no standard deviation"
        return "outside", "the paper's value lies outside our interval; the paper gives no standard deviation"
    ours = "we have no interval" if low is None or high is None else "the paper's value lies outside our interval"
    return "outside", f"the difference is larger than the paper's standard deviation; {ours}"
