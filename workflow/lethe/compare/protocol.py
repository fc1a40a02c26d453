"""Whether two records were measured alike, so that their difference says something of the models."""

from __future__ import annotations

import re
from collections.abc import Callable

from lethe.record import Record

# What of a sampler's words moves pixels by a grey level at most.
_OF_THE_MACHINE = re.compile(r"kernel batch \d+|cpu|cuda.*|mps|\d+ threads?")


def incomparable(a: Record, b: Record, are_one_judge: Callable[[str, str], bool]) -> str:
    """Why not, in words; "" where they were measured alike. ``are_one_judge`` is asked of the sha256 of two files of
    the judge's weights that differ.

    Image seeds may differ: the images are independent then, and the tests take them so.
    """
    if a.judge != b.judge:
        return f"another judge ({a.judge}; {b.judge})"
    if a.judge_sha256 != b.judge_sha256 and not are_one_judge(a.judge_sha256, b.judge_sha256):
        return f"the judge has other weights ({a.judge}: {a.judge_sha256[:12]}; {b.judge_sha256[:12]})"
    if a.features != b.features:
        return f"the judge looked otherwise ({a.features or 'nothing said'}; {b.features or 'nothing said'})"
    if a.n != b.n:
        return f"another number of images ({a.n}; {b.n})"
    if a.reference != b.reference:
        return f"against something else ({a.reference or 'nothing said'}; {b.reference or 'nothing said'})"
    first, second = drawing(a.sampler), drawing(b.sampler)
    return f"images drawn otherwise ({first}; {second})" if first != second else ""


def drawing(sampler: str) -> str:
    """What a sampler's words say, but for the machine."""
    return ", ".join(part for part in sampler.split(", ") if not _OF_THE_MACHINE.fullmatch(part))
