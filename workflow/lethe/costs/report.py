"""What a run needs, in words and tables for a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lethe.assets.places import Place
from lethe.assets.readiness import lacks_of
from lethe.assets.space import readable
from lethe.costs.cards import Card
from lethe.costs.work import Work
from lethe.settings.assets import AssetSettings

_STAGES = ("base", "training images", "unlearn", "sample", "judge")
_DISK = {"base": "models", "unlearn": "models", "training images": "images", "sample": "images", "judge": "judged"}


def asset_lines(places: Sequence[Place], settings: AssetSettings) -> list[str]:
    """What is downloaded, or is the user's own."""
    if not places:
        return ["assets: none; everything is in this repository and its packages"]
    rows, missing, unknown = [], 0, False
    for place in places:
        if place.asset is None:
            rows.append((place.name, "your own", "", ""))
            continue
        lacks = lacks_of(place.name, place.asset, settings)
        state = "in place" if not lacks else "to be fetched" if all(x.obstacle is None for x in lacks) else "MISSING"
        if lacks:
            missing, unknown = missing + (place.asset.size or 0), unknown or place.asset.size is None
        gated = ", gated" if place.asset.gated else ""
        rows.append((place.name, state, readable(place.asset.size), f"{place.asset.licence}{gated}"))
    lines = [f"assets in {settings.folder}/ ({readable(missing)}{' and more' if unknown else ''} to come):"]
    lines += _table(("asset", "state", "size", "licence"), rows)
    return [*lines, *_obstacles(places, settings)]


def _obstacles(places: Sequence[Place], settings: AssetSettings) -> list[str]:
    found = {
        f"  {place.name}: {lack.obstacle}": None
        for place in places
        if place.asset is not None
        for lack in lacks_of(place.name, place.asset, settings)
        if lack.obstacle is not None
    }
    return list(found)


def job_lines(jobs: Mapping[str, int]) -> list[str]:
    if not jobs:
        return ["jobs: none; everything is made"]
    rows = [(rule, f"{count:,}") for rule, count in sorted(jobs.items(), key=lambda pair: (-pair[1], pair[0]))]
    return [f"jobs to run ({sum(jobs.values()):,}):", *_table(("rule", "jobs"), rows)]


def work_lines(works: Iterable[Work], card: Card) -> list[str]:
    """Hours, memory and disk by stage, of what is left and of the whole."""
    by_stage: dict[tuple[str, str], list[Work]] = defaultdict(list)
    for work in works:
        by_stage[work.stage, work.study].append(work)
    rows: list[tuple[str, ...]] = []
    total, left, disk = 0.0, 0.0, defaultdict(float)
    largest = 0.0
    for stage, study in sorted(by_stage, key=lambda key: (_STAGES.index(key[0]), key[1])):
        own = by_stage[stage, study]
        hours, to_do = sum(hours_of(work, card) for work in own), [work for work in own if not work.is_done]
        hours_left, memory = sum(hours_of(work, card) for work in to_do), max(work.memory for work in own)
        total, left, largest = total + hours, left + hours_left, max(largest, memory)
        disk[_DISK[stage]] += sum(work.disk for work in own)
        flops = sum(work.flops for work in own)
        rows.append(
            (
                stage,
                study,
                f"{len(own):,}",
                own[0].precision,
                f"{flops / 1e15:.3g}",
                f"{hours:.2f}",
                f"{hours_left:.2f}",
                readable(memory) if memory else "",
            )
        )
    unit = "GPU hours" if card.memory else "core hours"
    head = ("stage", "study", "jobs", "precision", "PFLOP", unit, "left", "peak memory")
    speeds = " and ".join(
        f"{card.sustained(precision) / 1e12:.3g} TFLOP/s in {precision}"
        for precision in sorted({work.precision for own in by_stage.values() for work in own})
    )
    lines = [f"on {card.title}, at {speeds}:", *_table(head, rows)]
    lines.append(f"  in all {total:.1f} {unit}, {left:.1f} left; docs/cost.md tells how far off this can be")
    if card.memory and largest > card.memory:
        lines.append(
            f"  {readable(largest)} are more than this card has ({readable(card.memory)}): see compute.checkpointing, "
            "compute.precision, sampling.kernel_batch and batch"
        )
    sizes = ", ".join(f"{readable(size)} of {kind}" for kind, size in disk.items() if size)
    return [*lines, f"disk: {sizes}; and, while a model is trained, the state it resumes from: three times its weights"]


def hours_of(work: Work, card: Card) -> float:
    """Of one job; one without a network's work takes no card."""
    return (work.flops / card.sustained(work.precision) + card.start) / 3600 if work.flops else 0.0


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    widths = [max(len(str(row[column])) for row in (head, *rows)) for column in range(len(head))]
    numeric = [all(_is_number(row[column]) for row in rows) for column in range(len(head))]
    places = list(zip(widths, numeric, strict=True))
    return [
        "  " + "  ".join(_padded(*cell) for cell in zip(row, places, strict=True)).rstrip() for row in (head, *rows)
    ]


def _padded(cell: object, place: tuple[int, bool]) -> str:
    width, to_the_right = place
    return f"{cell!s:>{width}}" if to_the_right else f"{cell!s:<{width}}"


def _is_number(cell: object) -> bool:
    return str(cell).replace(",", "").replace(".", "").replace("e+", "").isdecimal()
