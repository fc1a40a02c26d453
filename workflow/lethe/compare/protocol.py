"""Whether two records were measured alike, so that their difference says something of the models."""

from __future__ import annotations

import re

from lethe.record import Record

# What of a sampler's words moves pixels by a grey level at most.
_OF_THE_MACHINE = re.compile(r"kernel batch \d+|cpu|cuda.*|mps|\d+ threads?")


def incomparable(a: Record, b: Record, any_judge: bool = False) -> str:
    """Why not, in words; "" where they were measured alike. ``any_judge``: judges of one name that were trained anew,
    as on another machine, are taken for the same.

    Image seeds may differ: the images are independent then, and the tests take them so.
    """
    if a.judge != b.judge:
        return f"another judge ({a.judge}; {b.judge})"
    if a.judge_sha256 != b.judge_sha256 and not any_judge:
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
