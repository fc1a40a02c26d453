"""Trade-off figures: the numbers drawn, the axis that opens near 1, markers side by side."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import itertools
import math
import statistics
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import t as student

from lethe.artefacts import tradeoff, tradeoff_text
from lethe.artefacts.estimates import estimate
from lethe.artefacts.spread import near_one, side_by_side, ticks_near_one
from lethe.artefacts.style import _METHODS, looks_of
from lethe.errors import LetheError
from lethe.gradients import RULES
from lethe.measures.summary import mean_interval
from lethe.record import Record, write_records

BASE = Record(
    preset="miniature",
    study="digits",
    target="3",
    variant="rgd",
    method="rgd",
    seed=0,
    metric="UA",
    prompts="",
    value=0.5,
    low=None,
    high=None,
    interval="",
    n=100,
    control=None,
    control_n=None,
    reference="",
    judge="judge",
    judge_sha256="0" * 64,
    features="",
    sampler="Heun",
    image_seeds="0-9",
    fingerprint="",
)
VALUES = {
    "base": {"UA": 0.02, "RA": 0.98, "FD": 0.9},
    "finetune": {"UA": 0.1, "RA": 0.97, "FD": 2.0},
    "rg": {"UA": 1.0, "RA": 0.9, "FD": 3.0},
    "rgd": {"UA": 1.0, "RA": 0.95, "FD": 1.5},
    "destroyed": {"UA": 1.0, "RA": 0.0, "FD": 200.0},
}


def records(targets: Iterable[int] = (1, 3, 8), seeds: Iterable[int] = (0, 1)) -> list[Record]:
    return [
        dataclasses.replace(
            BASE, variant=v, method=v, target=str(t), seed=s, metric=m, value=x - 0.001 * t - 0.002 * s * (m != "UA")
        )
        for v, metrics in VALUES.items()
        for m, x in metrics.items()
        for t in targets
        for s in seeds
    ]


def run(module: object, place: Path, made: Iterable[Record], *words: str, stem: str = "t") -> list[dict[str, str]]:
    write_records(place / "records.csv", made)
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    outputs = [word for kind in ("pdf", "png", "csv") for word in (f"--{kind}", str(place / f"{stem}.{kind}"))]
    module.main(parser.parse_args(["--records", str(place / "records.csv"), *words, *outputs]))
    return list(csv.DictReader((place / f"{stem}.csv").read_text().splitlines()))


CLASS_WORDS = ("--study", "digits", "--variants", *(f"{name}={name.title()}" for name in VALUES))


def test_means_and_intervals_are_over_targets(tmp_path: Path) -> None:
    lines = run(tradeoff, tmp_path, records(), *CLASS_WORDS)
    (line,) = (x for x in lines if (x["variant"], x["panel"], x["target"]) == ("rgd", "RA against UA", ""))
    by_target = [0.95 - 0.001 * target - 0.001 for target in (1, 3, 8)]
    half = student.ppf(0.975, 2) * statistics.stdev(by_target) / math.sqrt(3)
    assert float(line["retained"]) == pytest.approx(statistics.mean(by_target))
    assert float(line["retained_low"]) == pytest.approx(statistics.mean(by_target) - half)
    assert float(line["retained_high"]) == pytest.approx(statistics.mean(by_target) + half)
    assert line["retained_interval"] == "targets"
    cells = [x for x in lines if x["variant"] == "rgd" and x["panel"] == "RA against UA" and x["target"]]
    assert [(x["target"], x["seed"]) for x in cells] == [(t, s) for t in "138" for s in "01"]


def test_the_front_is_of_methods_and_knows_that_a_distance_is_better_low(tmp_path: Path) -> None:
    lines = run(tradeoff, tmp_path, records(), *CLASS_WORDS)
    front = {(x["panel"], x["variant"]) for x in lines if x["is_front"] == "1"}
    assert front == {("RA against UA", "finetune"), ("RA against UA", "rgd"), ("FD against UA", "rgd")}


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    for stem in ("a", "b"):
        run(tradeoff, tmp_path, records(), *CLASS_WORDS, stem=stem)
    for kind in ("pdf", "png", "csv"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def text_records() -> list[Record]:
    made = []
    for variant, detected, alignment, kept in (("base", 0.9, 0.83, 0.8), ("esd", 0.3, 0.81, 0.85), ("rgd", 0, 0.82, 0)):
        for target in ("stripes", "gogh") if variant != "esd" else ("stripes",):
            values = [
                ("forget_test", "detected" if target == "stripes" else "recognised", detected),
                ("forget_test", "kept:all", kept),
                ("retain_test", "AS", alignment),
            ]
            cell = dataclasses.replace(BASE, study="shapes", variant=variant, method=variant, target=target)
            made += [
                dataclasses.replace(cell, prompts=p, metric=m, value=x, low=x - 0.1, high=x + 0.2, interval="BCa")
                for p, m, x in values
            ]
    return made


TEXT_WORDS = ("--study", "shapes", "--variants", "base=Base", "esd=ESD", "rgd=RGD")
TEXT_WORDS += ("--targets", "stripes=stripes", "gogh=van Gogh", "--seen-by", "gogh=recognised")


def test_on_text_forgetting_is_what_is_no_longer_seen(tmp_path: Path) -> None:
    lines = run(tradeoff_text, tmp_path, text_records(), *TEXT_WORDS)
    rows = {(x["panel"], x["variant"]): x for x in lines if not x["target"]}
    assert {name for name, _ in rows} == {f"{t}: {m}" for t in ("stripes", "van Gogh") for m in ("AS", "kept")}
    line = rows["stripes: AS", "esd"]
    assert [float(line[f"forgotten{end}"]) for end in ("", "_low", "_high")] == pytest.approx([0.7, 0.5, 0.8])
    assert (float(line["retained"]), line["retained_interval"]) == (0.81, "BCa"), "of a single cell: its own interval"
    assert ("van Gogh: AS", "esd") not in rows, "a row without the target is left out of its panel"
    assert {name for name, x in rows.items() if x["is_front"] == "1"} == {
        *(("stripes: AS", "rgd"), ("stripes: kept", "esd"), ("stripes: kept", "rgd")),
        *(("van Gogh: AS", "rgd"), ("van Gogh: kept", "rgd")),
    }


def test_a_metric_that_no_row_has_leaves_its_panel_out(tmp_path: Path) -> None:
    made = [record for record in text_records() if (record.metric, record.target) != ("kept:all", "gogh")]
    lines = run(tradeoff_text, tmp_path, made, *TEXT_WORDS)
    assert {x["panel"] for x in lines} == {"stripes: AS", "stripes: kept", "van Gogh: AS"}


def test_rows_without_a_record_are_no_figure(tmp_path: Path) -> None:
    with pytest.raises(LetheError, match="no row was measured on any of the targets"):
        run(tradeoff_text, tmp_path, text_records(), *TEXT_WORDS, "--variants", "other=Other")


def test_metrics_of_different_seeds_do_not_make_points(tmp_path: Path) -> None:
    made = [dataclasses.replace(r, seed=5) if r.metric == "AS" and r.variant == "rgd" else r for r in text_records()]
    with pytest.raises(LetheError, match="rgd on stripes: detected and AS are of different seeds"):
        run(tradeoff_text, tmp_path, made, *TEXT_WORDS)


def test_the_axis_opens_near_one() -> None:
    places = [near_one(share, 0.01) for share in (0.0, 0.5, 0.9, 0.99, 1.0)]
    assert places[0] == 0
    assert places == sorted(places)
    assert places[3] - places[2] > 0.3 * places[-1], "the last tenth has a third of it"
    ticks = ticks_near_one(0.01, 0.09)
    assert ticks[0] == (places[4], "1")
    assert all(place == near_one(float(words), 0.01) for place, words in ticks)
    assert all(high - low >= 0.09 * places[4] for (high, _), (low, _) in itertools.pairwise(ticks))
    assert places[4] - places[3] == pytest.approx(math.log10(2)), "one image of a hundred can be seen"


@pytest.mark.parametrize(
    "places", [[0.0, 0.0, 0.0], [1.0, 0.98, 0.2, 1.0, 0.25], [0.5], [0.3, 0.1, 0.9], [0, 1, 1.05, 1.1]]
)
def test_markers_are_moved_as_little_as_can_be(places: list[float]) -> None:
    gap = 0.1
    moved = side_by_side(places, gap)
    order = sorted(range(len(places)), key=lambda i: places[i])
    for before, after in itertools.pairwise(order):
        assert moved[after] - moved[before] >= gap - 1e-9
    constraints = [
        {"type": "ineq", "fun": lambda x, a=before, b=after: x[b] - x[a] - gap}
        for before, after in itertools.pairwise(order)
    ]
    best = minimize(lambda x: ((x - np.array(places)) ** 2).sum(), moved, constraints=constraints, tol=1e-10)
    assert moved == pytest.approx(best.x, abs=1e-5)


def test_an_interval_is_over_seeds_where_there_is_one_target() -> None:
    found = mean_interval({("3", seed): value for seed, value in enumerate((1.0, 2.0, 4.5))})
    half = student.ppf(0.975, 2) * statistics.stdev((1.0, 2.0, 4.5)) / math.sqrt(3)
    assert found == (pytest.approx(2.5), pytest.approx(2.5 - half), pytest.approx(2.5 + half), 3, "seed")
    alone = {("3", 0): dataclasses.replace(BASE, low=0.4, high=0.7, interval="Wilson")}
    assert estimate(alone, 0.95) == (0.5, 0.4, 0.7, "Wilson")
    assert estimate(alone, 0.95).one_minus[:3] == pytest.approx((0.5, 0.3, 0.6))


def test_no_two_methods_look_alike_and_a_reserve_takes_no_methods_colour() -> None:
    same = [{"graddiff", "graddiff_d", "sum"}, {"rg", "restricted"}]
    for one, other in itertools.combinations(_METHODS, 2):
        assert (_METHODS[one] == _METHODS[other]) == any({one, other} <= names for names in same)
    names = ["esd", "cagrad", "mine", "yours", *(f"rgd_{number}" for number in range(20))]
    looks = looks_of(names)
    assert len(set(looks.values())) == len(names)
    assert {looks["mine"].colour, looks["yours"].colour}.isdisjoint({looks["esd"].colour, looks["cagrad"].colour})


def test_every_rule_has_a_look_of_its_own() -> None:
    """A new method need not: it takes one of the reserve."""
    assert RULES.keys() <= _METHODS.keys()


def test_where_a_high_number_says_that_it_is_gone_it_is_not_turned(tmp_path: Path) -> None:
    made = [
        dataclasses.replace(r, metric="CER", value=1 - r.value, low=1 - r.high, high=1 - r.low)
        if r.metric == "recognised"
        else r
        for r in text_records()
    ]
    usual = run(tradeoff_text, tmp_path, text_records(), *TEXT_WORDS)
    words = (*TEXT_WORDS[:-1], "gogh=CER")
    assert [x["forgotten"] for x in run(tradeoff_text, tmp_path, made, *words)] == [x["forgotten"] for x in usual]
