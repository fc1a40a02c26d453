"""Tables and figures of a class study whose distances are Inception's, and which can be set against the paper's."""

from __future__ import annotations

import csv
import math
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from lethe.artefacts.__main__ import parser
from lethe.artefacts.rows import METRICS, distance_of, metrics_of
from lethe.record import Record, write_records
from lethe.similarity import CLIP, CLIP_FEATURES, Similarity, write_similarity

PUBLISHED = str(Path(__file__).resolve().parents[2] / "workflow/published/paper_values.csv")
NAMES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TITLES = ["base=Base", "rg=RG", "rgd=RGD"]
CENTRES = {
    "UA": 0.99,
    "RA": 0.77,
    "UA_classifier": 0.97,
    "RA_classifier": 0.9,
    "FID": 3.5,
    "KID": 0.002,
    "FID_as_released": 6.4,
    "KID_as_released": 0.004,
    "FID_reference": 6.5,
    "FID_reference_check": 2.5e-5,
}


def value(variant: str, metric: str, target: int) -> float:
    return CENTRES[metric] * (1 + 0.01 * math.sin(7 * target + len(variant)))


def judge_of(metric: str) -> dict[str, str]:
    if "classifier" in metric:
        return {"judge": "cifar10 classifier", "judge_sha256": "cc" * 32, "features": ""}
    if metric in ("UA", "RA"):
        return {"judge": "zero-shot CLIP", "judge_sha256": "aa" * 32, "features": ""}
    return {"judge": "Inception", "judge_sha256": "bb" * 32, "features": "2048 features, front end tf1"}


def record(variant: str, metric: str, target: int) -> Record:
    is_distance = "ID" in metric
    return Record(
        preset="paper",
        study="cifar10",
        target=str(target),
        variant=variant,
        method=variant.partition("~")[0].removesuffix("_nearest"),
        seed=0,
        metric=metric,
        prompts="",
        value=value(variant, metric, target),
        low=None,
        high=None,
        interval="",
        n=50000,
        control=0.5 if is_distance and metric != "FID_reference_check" else None,
        control_n=9000 if is_distance and metric != "FID_reference_check" else None,
        reference="moments of cifar10-32x32.npz" if "reference" in metric else "45000 training images",
        sampler="EDM Heun, 18 steps",
        image_seeds="0-499999",
        fingerprint="",
        **judge_of(metric),
    )


def study(variants: list[str], targets: range | tuple[int, ...] = range(10), without: str = "-") -> Iterator[Record]:
    for variant in variants:
        for target in targets:
            yield from (record(variant, metric, target) for metric in CENTRES if without not in metric)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., dict[str, str]]:
    def run(command: str, records: Iterator[Record], *words: str, figure: bool = False) -> dict[str, str]:
        write_records(tmp_path / "records.csv", records)
        kinds = ("csv", "pdf", "png") if figure else ("csv", "markdown", "tex")
        outputs = {kind: tmp_path / f"made.{kind}" for kind in kinds}
        options = [word for kind, path in outputs.items() for word in (f"--{kind}", str(path))]
        arguments = parser().parse_args([command, "--records", str(tmp_path / "records.csv"), *words, *options])
        arguments.run(arguments)
        return {kind: path.read_text(encoding="utf-8") for kind, path in outputs.items() if kind not in ("pdf", "png")}

    return run


TABLE1 = ("--variants", *TITLES, "--published", PUBLISHED, "--study", "cifar10")


def lines_of(text: str, *keys: str) -> dict[tuple[str, ...], dict[str, str]]:
    return {tuple(line[key] for key in keys): line for line in csv.DictReader(text.splitlines())}


def test_the_columns_are_what_the_records_have():
    assert [metric.name for metric in metrics_of(study(["rgd"]))] == ["UA", "RA", "FID", "FID_reference", "KID"]
    without = [metric.name for metric in metrics_of(study(["rgd"], without="reference"))]
    assert without == ["UA", "RA", "FID", "FID_as_released", "KID"]
    assert metrics_of(study(["rgd"], without="ID")) == METRICS
    assert distance_of(study(["rgd"])).name == "FID"


def test_table_1_has_both_fids_and_the_papers_stands_beside_the_one_it_is(make):
    made = make("table1", study(["base", "rg", "rgd"]), *TABLE1, "--comparable")
    lines = lines_of(made["csv"], "variant", "metric")
    of_rgd = [value("rgd", "FID_reference", target) for target in range(10)]
    released = lines["rgd", "FID_reference"]
    assert float(released["mean"]) == pytest.approx(statistics.mean(of_rgd), rel=1e-12)
    assert (released["published_metric"], released["published_value"]) == ("FID", "6.539")
    assert released["published_is_comparable"] == "True"
    assert lines["rgd", "FID"]["published_value"] == ""
    assert lines["base", "UA"]["published_value"] == ""
    assert lines["rgd", "UA"]["judge"] == "zero-shot CLIP"
    header = next(line for line in made["markdown"].splitlines() if line.startswith("| **Method**"))
    assert [cell.strip(" *|") for cell in header.strip("|").split("|")][2:] == [
        *("UA ↑", "RA ↑", "FID ↓", "FID (all classes) ↓", "KID ↓", "UA ↑", "RA ↑", "FID ↓"),
    ]
    (row,) = (line for line in made["markdown"].splitlines() if line.startswith("| RGD |"))
    assert row.rstrip(" |").endswith("| 1.000 ± 0.000 | 0.771 ± 0.016 | 6.539 ± 0.994")
    text = made["markdown"]
    assert "not comparable" not in text
    assert "The study has the paper's data, judges and numbers of images." in text
    assert "Judge: Inception, sha256 bbbbbbbbbbbb; zero-shot CLIP, sha256 aaaaaaaaaaaa." in text
    assert "All training images are 2.5e-05 from it" in text
    assert "FD" not in text


def test_table_1_says_what_keeps_it_from_the_papers(make):
    made = make("table1", study(["base", "rg", "rgd"]), *TABLE1, "--differs", "5,000 images, not 50,000", "no base")
    assert "not comparable with those of cifar10: 5,000 images, not 50,000; no base." in made["markdown"]
    assert "RGD paper: CIFAR-10, not comparable" in made["markdown"]
    assert lines_of(made["csv"], "variant", "metric")["rgd", "FID_reference"]["published_is_comparable"] == "False"


def test_table_3_has_both_fids_and_clips_near_classes(make, tmp_path):
    numbers = np.arange(10)
    near = Similarity(NAMES, 1 - np.abs(numbers[:, None] - numbers) / 10, (500,) * 10, CLIP, CLIP_FEATURES)
    write_similarity(tmp_path / "similarity.csv", near, "", "")
    words = ("--pairs", "rgd_nearest:rgd", "--titles", "rgd=RGD", "--similarity", str(tmp_path / "similarity.csv"))
    words = (*words, "--retain-images", "450", "--published", PUBLISHED, "--study", "cifar10", "--comparable")
    made = make("table3", study(["rgd_nearest", "rgd"], (0, 2, 5)), *words)
    lines = lines_of(made["csv"], "retain_set", "metric")
    assert {metric for _, metric in lines} == {"UA", "RA", "FID", "FID_reference"}
    assert lines["nearest", "FID_reference"]["published_value"] == "94.259"
    assert lines["nearest", "FID"]["published_value"] == ""
    assert lines["balanced", "RA"]["published_is_comparable"] == "True"
    assert float(lines["balanced - nearest", "FID_reference"]["published_value"]) == pytest.approx(-83.803)
    assert "CLIP's mean embeddings of real images (Figure 7): plane: car and bird" in made["markdown"]
    assert "not comparable" not in made["markdown"]


def test_other_artefacts_show_fid(make):
    records = list(study(["base", "rg", "rgd"]))
    paired = make("paired", records, "--pairs", "rgd:rg", "--titles", *TITLES)
    assert {line["metric"] for line in csv.DictReader(paired["csv"].splitlines())} == {
        *("UA", "RA", "FID", "FID_reference", "KID")
    }
    assert "FID and KID are to the training images of the remaining classes" in paired["markdown"]
    words = ("--variants", *TITLES, "--study", "cifar10")
    assert "FID against UA" in make("tradeoff", records, *words, figure=True)["csv"]
    names = [f"rgd~retain_weight-{weight}~truncation-0.1" for weight in (1, 5)]
    points = [f"{name}/0/0=rgd:{name[18]}:0.1" for name in names]
    words = ("--points", *points, "--titles", "rgd=RGD")
    swept = make("figure6", study(names, (0,)), *words, figure=True)["csv"].splitlines()
    assert swept[0] == "variant,title,retain_weight,truncation,target,seed,UA,RA,FID,is_forgotten"
    assert float(swept[1].split(",")[8]) == value(names[0], "FID", 0)
