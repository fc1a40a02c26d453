"""One number from many cells (targets and seeds), and the comparison of two variants over the same cells."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Literal, NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.measures.rates import check_confidence

ENUMERATED_UP_TO = 16
MONTE_CARLO_DRAWS = 99_999
# Two values this near, relative to their size, differ by rounding: a tie.
_TIE = 1e-12


class Summary(NamedTuple):
    """Mean and range over ``n`` cells; ``std`` has ``ddof`` degrees taken off, None where n <= ddof."""

    mean: float
    low: float
    high: float
    std: float | None
    ddof: int
    n: int


class Paired(NamedTuple):
    """Variant a against variant b over the same cells; every count is of replicates.

    ``difference`` is the mean of a - b, [``low``, ``high``] its Student-t interval (None for one replicate),
    ``n`` the number of replicates and ``unit`` what they are: targets, seeds of one target, or single pairs.
    ``wins`` counts replicates where a is the better.
    """

    difference: float
    low: float | None
    high: float | None
    n: int
    p_value: float
    wins: int
    ties: int
    losses: int
    unit: Literal["target", "seed", "pair"]


class MeanInterval(NamedTuple):
    """A mean with its Student-t interval over ``n`` replicates of a ``unit``; no interval for one replicate."""

    mean: float
    low: float | None
    high: float | None
    n: int
    unit: Literal["target", "seed"]


def summarise(values: Iterable[float], ddof: int = 1) -> Summary:
    """Mean, minimum, maximum and standard deviation of ``values``.

    ``ddof`` 1 is the sample deviation; papers that do not say often mean 0. LetheError for no values, or one
    that is not finite.
    """
    numbers = np.asarray(list(values), dtype=np.float64)
    if numbers.size == 0:
        raise LetheError("a summary of no values", "run at least one cell")
    if not np.isfinite(numbers).all():
        raise LetheError(
            f"a summary of a value that is not finite: {numbers[~np.isfinite(numbers)][0]}",
            "find the cell it comes from and run it again",
        )
    std = float(numbers.std(ddof=ddof)) if numbers.size > ddof else None
    # A mean of equal numbers can round past them.
    low, high = float(numbers.min()), float(numbers.max())
    mean = min(max(math.fsum(numbers) / numbers.size, low), high)
    return Summary(mean, low, high, std, ddof, numbers.size)


def compare_paired(
    a: Mapping[Hashable, float],
    b: Mapping[Hashable, float],
    confidence: float = 0.95,
    *,
    by: Literal["target", "pair"] = "target",
    better: Literal["higher", "lower"] = "higher",
    seed: int = 0,
) -> Paired:
    """Compare two variants measured on the same cells: ``a`` and ``b`` map (target, seed) to the metric.

    Seeds of one target share its difficulty and are not independent replicates. So by default
    (``by="target"``) each target's differences are averaged over its seeds first, and the targets, weighing
    alike, are the replicates: the result speaks of targets like these. With one target alone its seeds are
    the replicates, and the result speaks of that target only. ``by="pair"`` takes every cell for a replicate,
    whatever its key.

    The interval is Student's over the replicates (normal differences assumed). The two-sided p-value is that
    of the sign-flip randomisation test of the mean (Fisher 1935, section 21; differences symmetric about 0
    under the null), exact over all 2^n flips up to 16 replicates, else (1 + extreme) / (1 + draws) over
    99 999 seeded draws (Phipson & Smyth 2010). The exact one is at least 2^(1 - n), so 5 replicates never
    reach 0.05. Means that differ by rounding alone (1e-12 of their size) are a tie.
    ``better`` says which direction wins ("lower" for FID); it changes nothing else.
    Raises LetheError for cells of one side only (naming them), no cells, or values that are not finite.
    """
    if by not in ("target", "pair") or better not in ("higher", "lower"):
        raise LetheError(f"by={by!r}, better={better!r}", "by: 'target' or 'pair'; better: 'higher' or 'lower'")
    _check_cells(a, b)
    unit, groups = _replicates(a, by)
    means_a = np.array([math.fsum(a[key] for key in group) / len(group) for group in groups])
    means_b = np.array([math.fsum(b[key] for key in group) / len(group) for group in groups])
    differences = means_a - means_b
    rounding = _TIE * np.maximum(np.abs(means_a), np.abs(means_b))
    differences[np.abs(differences) <= rounding] = 0.0
    low, high = student_interval(differences, confidence)
    higher, lower = int(np.count_nonzero(differences > 0)), int(np.count_nonzero(differences < 0))
    wins, losses = (higher, lower) if better == "higher" else (lower, higher)
    return Paired(
        difference=float(differences.mean()),
        low=low,
        high=high,
        n=differences.size,
        p_value=_sign_flip_p_value(differences, float(rounding.sum()), seed),
        wins=wins,
        ties=differences.size - wins - losses,
        losses=losses,
        unit=unit,
    )


def mean_interval(cells: Mapping[tuple[str, int], float], confidence: float = 0.95) -> MeanInterval:
    """The mean of one metric over ``cells``, from (target, seed) to its value, and Student's interval of the mean.

    The replicates are those of :func:`compare_paired`: targets, each the mean over its seeds and weighing alike; with
    one target, its seeds. LetheError for no cells, or a value that is not finite.
    """
    summarise(cells.values())
    unit, groups = _replicates(cells, "target")
    means = np.array([math.fsum(cells[key] for key in group) / len(group) for group in groups])
    low, high = student_interval(means, confidence)
    return MeanInterval(float(means.mean()), low, high, means.size, "seed" if unit == "seed" else "target")


def _check_cells(a: Mapping[Hashable, float], b: Mapping[Hashable, float]) -> None:
    for side, lonely in (("first", a.keys() - b.keys()), ("second", b.keys() - a.keys())):
        if lonely:
            names = ", ".join(sorted(map(repr, lonely)))
            raise LetheError(
                f"a paired comparison where only the {side} variant has: {names}",
                "run the missing cells of the other variant, or leave these out of both",
            )
    if not a:
        raise LetheError("a paired comparison over no cells", "run both variants on at least one cell")
    for side in (a, b):
        for key, value in side.items():
            if not math.isfinite(value):
                raise LetheError(f"a paired comparison where {key!r} is {value}", "run that cell again")


def _replicates(
    cells: Mapping[Hashable, float], by: Literal["target", "pair"]
) -> tuple[Literal["target", "seed", "pair"], list[list[Hashable]]]:
    """What a replicate is, and the keys that each consists of, in an order that is not the mapping's."""
    keys = sorted(cells, key=repr)
    if by == "pair":
        return "pair", [[key] for key in keys]
    targets: dict[Hashable, list[Hashable]] = {}
    for key in keys:
        if not isinstance(key, tuple) or len(key) != 2:
            raise LetheError(f"the cell {key!r} is no (target, seed)", "name it so, or compare by='pair'")
        targets.setdefault(key[0], []).append(key)
    if len(targets) == 1:
        return "seed", [[key] for key in keys]
    return "target", list(targets.values())


def student_interval(values: np.ndarray, confidence: float) -> tuple[float | None, float | None]:
    """Student's interval of the mean of ``values`` (n,), taken as independent; None, None for one value."""
    check_confidence(confidence)
    if values.size < 2:
        return None, None
    from scipy.special import stdtrit

    quantile = float(stdtrit(values.size - 1, (1 + confidence) / 2))
    half = quantile * float(values.std(ddof=1)) / math.sqrt(values.size)
    mean = float(values.mean())
    return mean - half, mean + half


def _sign_flip_p_value(differences: np.ndarray, rounding: float, seed: int) -> float:
    """Two-sided p-value of the sum of ``differences`` (n,) under independent random signs."""
    observed = abs(float(differences.sum())) - rounding
    if differences.size <= ENUMERATED_UP_TO:
        sums = np.zeros(1)
        for difference in differences:
            sums = np.concatenate([sums + difference, sums - difference])
        return float(np.mean(np.abs(sums) >= observed))
    generator = np.random.default_rng(seed)
    sums = np.zeros(MONTE_CARLO_DRAWS)
    for difference in differences:
        sums += difference * (1 - 2 * generator.integers(0, 2, size=MONTE_CARLO_DRAWS))
    extreme = int(np.count_nonzero(np.abs(sums) >= observed))
    return (1 + extreme) / (1 + MONTE_CARLO_DRAWS)
