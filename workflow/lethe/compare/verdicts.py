"""Every number of two runs with its verdict, after the correction for how many there are."""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

from lethe.compare.differences import FEWEST_TARGETS, of_records, of_rows
from lethe.compare.entries import APART, Entry, Place, by_tolerance, entry_of, is_identical, lonely, place_of
from lethe.compare.protocol import incomparable
from lethe.compare.reading import Key, Run
from lethe.compare.weights import have_same_weights
from lethe.directions import HEADLINE, better
from lethe.errors import LetheError, nearest
from lethe.measures.multiplicity import holm
from lethe.record import Record

Cells = dict[tuple[str, int], Record]
"""Of one row and metric, by target and training seed."""


@dataclass(frozen=True)
class Options:
    """``level`` of any false alarm at all; ``tolerance`` is the relative change allowed of what has no test; ``rows``
    compares means over targets or training seeds instead of model by model. ``metrics`` None: the leading ones."""

    level: float = 0.05
    tolerance: float = 0.5
    metrics: tuple[str, ...] | None = None
    rows: bool = False
    any_judge: bool = False


class Comparison(NamedTuple):
    """All entries, and how many tests were corrected for."""

    entries: list[Entry]
    tests: int


def compare(a: Run, b: Run, options: Options) -> Comparison:
    """LetheError where the runs have nothing in common that could be compared."""
    metrics = _chosen([*a.records, *b.records], options.metrics)
    keys = [key for key in dict.fromkeys([*a.records, *b.records]) if _is_asked_for(key, metrics, options)]
    entries = list(_by_row(a, b, keys, options) if options.rows else _by_model(a, b, keys, options))
    if all(entry.verdict in APART for entry in entries):
        reasons = "; ".join([*dict.fromkeys(entry.why for entry in entries)][:3])
        raise LetheError(
            f"{a.name} and {b.name}: no number of theirs can be compared ({reasons or 'none is there'})",
            "name two runs of the same studies, with the same judges and sampling; or see --any-judge, --metrics",
        )
    tested = [place for place, entry in enumerate(entries) if entry.difference is not None]
    differences = [entries[place].difference for place in tested]
    adjusted = holm([each.p_value for each in differences], [each.smallest_p for each in differences], options.level)
    for place, p_value in zip(tested, adjusted.p_values.tolist(), strict=True):
        entry = entries[place]
        entries[place] = replace(entry, adjusted=p_value, verdict=entry.judged(p_value <= options.level))
    return Comparison(entries, adjusted.counted)


def _chosen(keys: Iterable[Key], asked: tuple[str, ...] | None) -> set[str]:
    there = dict.fromkeys(key.metric for key in keys)
    if asked == ("all",):
        return set(there)
    for name in asked or ():
        if name not in there:
            raise LetheError(f"--metrics {name}: neither run has it", nearest(name, there))
    return set(asked or HEADLINE)


def _is_asked_for(key: Key, metrics: set[str], options: Options) -> bool:
    return key.metric in metrics and (options.metrics is not None or better(key.metric, key.prompts) != "")


def _by_model(a: Run, b: Run, keys: Iterable[Key], options: Options) -> Iterator[Entry]:
    """Model by model; what has no interval of its own with the row's other targets, where there are enough."""
    are_one_judge = _judges_of(a, b, options)
    rows: dict[tuple[str, ...], tuple[Cells, Cells]] = defaultdict(lambda: ({}, {}))
    for key in keys:
        first, second = a.records.get(key), b.records.get(key)
        if first is None or second is None:
            yield lonely(key, first, second)
        elif why := incomparable(first, second, are_one_judge):
            yield entry_of(place_of(key), first, second, "not comparable", why)
        elif is_identical(first, second):
            yield entry_of(place_of(key), first, second, "identical", "the same number and interval")
        else:
            paths = (a.files[key], b.files[key]) if a.raw and b.raw else None
            if difference := of_records(first, second, paths, 1 - options.level):
                entry = entry_of(place_of(key), first, second, "no difference", difference.how)
                yield replace(entry, difference=difference)
            else:
                for cells, record in zip(rows[_row(key)], (first, second), strict=True):
                    cells[key.target, key.seed] = record
    for row, (first, second) in rows.items():
        targets = {target for target, _ in first}
        if len(targets) >= FEWEST_TARGETS:
            yield _of_row(row, first, second, options)
        else:
            for target, seed in first:
                key = Key(row[0], target, row[1], seed, *row[2:])
                yield by_tolerance(place_of(key), first[target, seed], second[target, seed], options.tolerance)


def _by_row(a: Run, b: Run, keys: Iterable[Key], options: Options) -> Iterator[Entry]:
    """Row by row: over its targets, where both runs have enough, or else target by target over training seeds."""
    are_one_judge = _judges_of(a, b, options)
    rows: dict[tuple[str, ...], tuple[Cells, Cells]] = defaultdict(lambda: ({}, {}))
    for key in keys:
        for cells, run in zip(rows[_row(key)], (a, b), strict=True):
            if key in run.records:
                cells[key.target, key.seed] = run.records[key]
    for row, sides in rows.items():
        by_target = [_by_target(side) for side in sides]
        shared = [target for target in by_target[0] if target in by_target[1]]
        for target in dict.fromkeys([*by_target[0], *by_target[1]]):
            own = [list(side.get(target, {}).values()) for side in by_target]
            first, second = (next(iter(records), None) for records in own)
            key = Key(row[0], target, row[1], (first or second).seed, *row[2:])
            if first is None or second is None:
                yield lonely(key, first, second)
            elif why := next(filter(None, (incomparable(*pair, are_one_judge) for pair in product(*own))), ""):
                shared.remove(target)
                yield entry_of(place_of(key), first, second, "not comparable", why)
        groups = [shared] if len(shared) >= FEWEST_TARGETS else [[target] for target in shared]
        for group in groups:
            first, second = ({cell: record for t in group for cell, record in side[t].items()} for side in by_target)
            yield _of_row(row, first, second, options)


def _judges_of(a: Run, b: Run, options: Options) -> Callable[[str, str], bool]:
    """Whether two files hold one judge: always, where that was said, else where their weights are the same."""
    if options.any_judge:
        return lambda first, second: True
    return functools.cache(lambda first, second: have_same_weights(a, first, b, second))


def _by_target(cells: Cells) -> dict[str, Cells]:
    found: dict[str, Cells] = defaultdict(dict)
    for cell, record in cells.items():
        found[cell[0]][cell] = record
    return dict(found)


def _row(key: Key) -> tuple[str, ...]:
    return key.study, key.variant, key.metric, key.prompts


def _of_row(row: tuple[str, ...], first: Cells, second: Cells, options: Options) -> Entry:
    """Of cells of the same targets."""
    study, variant, metric, prompts = row
    targets = list(dict.fromkeys(target for target, _ in first))
    seeds = sorted({seed for _, seed in (*first, *second)})
    words = f"seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    place = Place(
        study, targets[0] if len(targets) == 1 else f"{len(targets)} targets", variant, words, metric, prompts
    )
    one, other = next(iter(first.values())), next(iter(second.values()))
    values = {"a": _mean(first), "b": _mean(second)}
    if first.keys() == second.keys() and all(is_identical(first[cell], second[cell]) for cell in first):
        return replace(entry_of(place, one, other, "identical", "the same numbers and intervals"), **values)
    difference = of_rows(first, second, 1 - options.level)
    if difference is None and len(first) == len(second) == 1:
        difference = of_records(one, other, None, 1 - options.level)
    if difference is None:
        one, other = (replace(record, value=_mean(side)) for record, side in ((one, first), (other, second)))
        return by_tolerance(place, one, other, options.tolerance)
    return replace(entry_of(place, one, other, "no difference", difference.how), difference=difference, **values)


def _mean(cells: Cells) -> float:
    """Over targets, each the mean over its seeds, as the tests take them."""
    of_targets = [[record.value for record in own.values()] for own in _by_target(cells).values()]
    return math.fsum(math.fsum(values) / len(values) for values in of_targets) / len(of_targets)
