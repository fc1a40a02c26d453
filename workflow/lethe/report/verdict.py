"""Whether a number of ours agrees with the paper's."""

from __future__ import annotations

from typing import Literal, NamedTuple

Verdict = Literal["within", "outside", "incomparable"]
WORDS: dict[Verdict, str] = {
    "within": "within tolerance",
    "outside": "outside tolerance",
    "incomparable": "not comparable",
}
SIGNS: dict[Verdict, str] = {"within": "✓", "outside": "✗", "incomparable": "≁"}
RULE = (
    "Within tolerance: the paper's value lies inside our interval, or the difference is no larger than the paper's own "
    "standard deviation. Not comparable: another model, data or judge than the paper's, so the difference says nothing."
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
    lacking = [
        words
        for words, there in (("we have no interval", low is not None), ("the paper has none", paper.std is not None))
        if not there
    ]
    reason = "the paper's value lies outside our interval and farther off than the paper's standard deviation"
    if lacking == ["we have no interval"]:
        reason = "farther off than the paper's standard deviation; we have no interval"
    elif lacking == ["the paper has none"]:
        reason = "the paper's value lies outside our interval; the paper gives no standard deviation"
    elif lacking:
        reason = "not the same value, and neither side has an interval or a standard deviation"
    return "outside", reason
