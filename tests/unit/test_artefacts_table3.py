from __future__ import annotations

import csv
import dataclasses
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from lethe.artefacts.__main__ import parser
from lethe.errors import LetheError
from lethe.record import Record, write_records
from lethe.similarity import Similarity, write_similarity

PUBLISHED = Path(__file__).resolve().parents[2] / "workflow/published/paper_values.csv"
PAIRS = ("graddiff_nearest:graddiff", "rgd_nearest:rgd")
TITLES = ("graddiff=GradDiff", "rgd=RGD & co")
TARGETS, SEEDS = (1, 3, 8), (0, 1)
NAMES = tuple("abcdefghij")


def value(variant: str, metric: str, target: int, seed: int) -> float:
    centre = {"UA": 1.0, "RA": 0.9, "FD": 14.0}[metric] * (1.3 if "nearest" in variant and metric == "FD" else 1)
    return centre if metric == "UA" else centre * (1 + 0.02 * np.sin(5 * target + 3 * seed + len(variant)))


def record(variant: str, metric: str, target: int, seed: int = 0, **changes: object) -> Record:
    made = Record(
        preset="miniature",
        study="digits",
        target=str(target),
        variant=variant,
        method=variant.removesuffix("_nearest"),
        seed=seed,
        metric=metric,
        prompts="",
        value=value(variant, metric, target, seed),
        low=None,
        high=None,
        interval="",
        n=100,
        control=None,
        control_n=None,
        reference="",
        judge="digits classifier",
        judge_sha256="0123456789abcdef" * 4,
        features="the penultimate layer" if metric == "FD" else "",
        sampler="EDM Heun, 18 steps",
        image_seeds="0-999",
        fingerprint="",
    )
    return dataclasses.replace(made, **changes)


def study(balanced_targets: Iterable[int] = range(10), seeds: Iterable[int] = SEEDS) -> list[Record]:
    """The balanced rows have ten targets, those of the nearest classes three."""
    return [
        record(variant, metric, target, seed)
        for pair in PAIRS
        for variant in pair.split(":")
        for target in (TARGETS if "nearest" in variant else balanced_targets)
        for seed in seeds
        for metric in ("UA", "RA", "FD")
    ]


@pytest.fixture
def table3(tmp_path: Path) -> Callable[..., dict[str, str]]:
    def run(records: Iterable[Record], pairs: Iterable[str] = PAIRS) -> dict[str, str]:
        write_records(tmp_path / "records.csv", records)
        numbers = np.arange(10)
        similarity = Similarity(NAMES, 1 - np.abs(numbers[:, None] - numbers) / 10, (5,) * 10, "", "")
        write_similarity(tmp_path / "similarity.csv", similarity, "", "")
        outputs = {kind: tmp_path / f"table.{kind}" for kind in ("csv", "markdown", "tex")}
        words = ["table3", "--records", str(tmp_path / "records.csv"), "--pairs", *pairs, "--titles", *TITLES]
        words += ["--similarity", str(tmp_path / "similarity.csv"), "--retain-images", "126", "--study", "digits"]
        words += [
            "--published",
            str(PUBLISHED),
            *(w for kind, path in outputs.items() for w in (f"--{kind}", str(path))),
        ]
        arguments = parser().parse_args(words)
        arguments.run(arguments)
        return {kind: path.read_text(encoding="utf-8") for kind, path in outputs.items()}

    return run


def lines(text: str) -> dict[tuple[str, str, str], dict[str, str]]:
    return {(row["method"], row["retain_set"], row["metric"]): row for row in csv.DictReader(text.splitlines())}


@pytest.mark.parametrize("method", ["graddiff", "rgd"])
@pytest.mark.parametrize("metric", ["RA", "FD"])
def test_both_cases_and_their_difference_are_the_libraries(table3, method, metric):
    made = lines(table3(study())["csv"])
    cases = {"nearest": f"{method}_nearest", "balanced": method}
    by_target = {}
    for case, variant in cases.items():
        values = {(t, s): value(variant, metric, t, s) for t in TARGETS for s in SEEDS}
        line = made[method, case, metric]
        assert line["variant"] == variant
        assert float(line["value"]) == pytest.approx(statistics.mean(values.values()), rel=1e-12)
        assert float(line["std"]) == pytest.approx(statistics.stdev(values.values()), rel=1e-9)
        assert (line["n_targets"], line["n_seeds"], line["n_cells"], line["targets"]) == ("3", "2", "6", "1 3 8")
        by_target[case] = [statistics.mean(values[t, s] for s in SEEDS) for t in TARGETS]
    line = made[method, "balanced - nearest", metric]
    differences = np.subtract(by_target["balanced"], by_target["nearest"])
    low, high = ttest_1samp(differences, 0).confidence_interval(0.95)
    assert float(line["value"]) == pytest.approx(differences.mean(), rel=1e-9)
    assert (float(line["low"]), float(line["high"])) == pytest.approx((low, high), rel=1e-9)


def test_the_papers_values_and_their_difference_stand_beside(table3):
    made = table3(study())
    cells = lines(made["csv"])
    assert [cells["rgd", case, "RA"]["published_value"] for case in ("nearest", "balanced")] == ["0.239", "0.675"]
    assert float(cells["rgd", "balanced - nearest", "RA"]["published_value"]) == pytest.approx(0.436)
    assert float(cells["graddiff", "balanced - nearest", "FD"]["published_value"]) == pytest.approx(-60.734)
    assert {row["published_is_comparable"] for row in cells.values()} == {"False"}
    rows = [line for line in made["markdown"].splitlines() if line.startswith("| RGD & co |")]
    assert [row.split("|")[-2].strip() for row in rows] == ["94.26 ± 28.22", "10.46 ± 1.976", "−83.80"]  # noqa: RUF001
    assert "not comparable" in made["markdown"]
    assert "not comparable" in made["tex"]
    assert r"RGD \& co" in made["tex"]


def test_the_notes_name_the_nearest_classes_of_each_target(table3):
    text = table3(study())["markdown"]
    assert "b: a and c, d: c and e, i: h and j" in text
    assert "D\\_r has 126 images in either case" in text


def test_one_target_with_one_seed_has_no_interval(table3):
    made = lines(table3([r for r in study() if r.target == "3" and r.seed == 0])["csv"])
    line = made["rgd", "balanced - nearest", "FD"]
    assert (line["low"], line["high"]) == ("", "")
    assert float(line["value"]) == pytest.approx(value("rgd", "FD", 3, 0) - value("rgd_nearest", "FD", 3, 0))
    assert made["rgd", "nearest", "FD"]["std"] == ""


@pytest.mark.parametrize(
    ("records", "pairs", "message"),
    [
        (study(), ["rgd_nearest:graddiff"], "rgd_nearest is of rgd, graddiff of graddiff"),
        (study(balanced_targets=[2, 5]), PAIRS, "share no target and seed"),
        (study(), ["rgd_far:rgd"], "no record of the variant 'rgd_far'"),
        (study(), ["rgd_nearest:rgd_nearest"], "not a pair of variants"),
        (
            [dataclasses.replace(r, judge_sha256="ff" * 32) if r.variant == "rgd" else r for r in study()],
            PAIRS,
            "judged in 2 ways",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(table3, records, pairs, message):
    with pytest.raises(LetheError, match=message):
        table3(records, pairs)
