from __future__ import annotations

import pytest

from lethe.report.verdict import Paper, verdict


def paper(value: float, std: float | None = None, is_comparable: bool = True) -> Paper:
    return Paper(value, std, "table1", "", is_comparable)


@pytest.mark.parametrize(
    ("value", "low", "high", "published", "expected"),
    [
        (0.90, 0.85, 0.95, paper(0.86), "within"),
        (0.90, 0.85, 0.95, paper(0.85), "within"),  # an end of the interval is in it
        (0.90, 0.85, 0.95, paper(0.84), "outside"),
        (0.90, 0.85, 0.95, paper(0.80, 0.10), "within"),  # outside our interval, one standard deviation of theirs off
        (0.90, 0.85, 0.95, paper(0.80, 0.09), "outside"),
        (0.30, None, None, paper(0.20, 0.10), "within"),  # 0.3 - 0.2 is a little less than 0.1, 0.3 + 0.1 a little more
        (0.90, None, None, paper(0.80, 0.05), "outside"),
        (0.90, None, None, paper(0.90), "undecided"),
        (0.90, 0.85, 0.95, paper(0.90, 0.1, is_comparable=False), "incomparable"),
    ],
)
def test_verdict_follows_its_rule(value, low, high, published, expected):
    assert verdict(value, low, high, published)[0] == expected


def test_reason_tells_what_there_was_to_judge_by():
    assert "no standard deviation" in verdict(0.9, 0.85, 0.95, paper(0.5))[1]
    assert "we have no interval" in verdict(0.9, None, None, paper(0.5, 0.1))[1]
