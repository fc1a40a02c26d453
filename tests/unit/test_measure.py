"""The measure stage of a class study: which images each number is about, and what stands in its record."""

from __future__ import annotations

import numpy as np
import pytest

from lethe.cli import command
from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.image_plan import all_classes, one_target
from lethe.measure.classes import main, measure, parser
from lethe.measures import frechet_distance, kernel_distance
from lethe.record import read_records
from lethe.settings.measures import MeasureSettings
from lethe.settings.sampling import SamplingSettings

CLASSES, FEATURES = 4, 3
SETTINGS = MeasureSettings(minimum_rate=5, minimum_distance=10)


def outputs(conditions, seed, wrong=()):
    """Raw outputs of a judge that is right but for the rows ``wrong``, which it takes for noise."""
    random = np.random.default_rng(seed)
    logits = np.eye(CLASSES + 1, dtype=np.float32)[conditions]
    logits[list(wrong)] = np.eye(CLASSES + 1)[CLASSES]
    features = random.normal(size=(len(conditions), FEATURES)).astype(np.float32) + conditions[:, None]
    return {"features": features, "logits": logits, "conditions": conditions}


def test_rates_and_distances_are_about_the_right_images():
    conditions = np.repeat(np.arange(CLASSES), 20)
    judged = outputs(conditions, 0, wrong=[*range(20, 35), 0, 1, 2])  # 15 of the target 1, 3 of class 0
    real, held_out = outputs(conditions, 1), outputs(np.repeat(np.arange(CLASSES), 10), 2)
    found = {metric["metric"]: metric for metric in measure(judged, real, held_out, 1, SETTINGS)}

    assert found["UA"]["value"] == 15 / 20
    assert found["RA"]["value"] == 57 / 60
    rest = conditions != 1
    assert found["FD"]["value"] == frechet_distance(judged["features"][rest], real["features"][rest], minimum=10)
    assert found["FD"]["control"] == frechet_distance(
        held_out["features"][held_out["conditions"] != 1], real["features"][rest], minimum=10
    )
    # The released code compares the nine classes with statistics of all ten.
    assert found["FD_as_released"]["value"] == frechet_distance(judged["features"][rest], real["features"], minimum=10)
    kernel = kernel_distance(judged["features"][rest], real["features"][rest], minimum=10)
    assert found["KD"]["value"] == kernel.value
    assert found["KD"]["high"] - found["KD"]["value"] == pytest.approx(1.96 * kernel.standard_error)
    assert (found["FD"]["n"], found["FD"]["control_n"]) == (60, 30)


def test_too_few_images_are_refused():
    conditions = np.repeat(np.arange(CLASSES), 4)
    sets = outputs(conditions, 0), outputs(conditions, 1), outputs(conditions, 2)
    with pytest.raises(LetheError, match="UA"):
        measure(*sets, 1, SETTINGS)


def written(path, arrays, **provenance):
    write_arrays(path, arrays, {"judge": "j", "judge_sha256": "a" * 64, "features": "f", **provenance})
    return str(path)


def test_the_base_serves_a_target_with_the_images_of_its_plan(tmp_path):
    """A set of all classes holds more images than one target's plan; the records are about the plan's alone."""
    sampling = SamplingSettings(forget_images=30, retain_images=12)
    everything = all_classes(CLASSES, sampling)
    plan = one_target(2, CLASSES, sampling)
    wanted = set(zip(plan.seeds.tolist(), plan.conditions.tolist(), strict=True))
    extra = [
        row
        for row, pair in enumerate(zip(everything.seeds.tolist(), everything.conditions.tolist(), strict=True))
        if pair not in wanted
    ]
    assert extra
    judged = outputs(everything.conditions, 0, wrong=extra) | {"seeds": everything.seeds}
    real = outputs(np.repeat(np.arange(CLASSES), 30), 1)
    files = [
        written(tmp_path / "j", judged, classes=list("abcd"), images={"sampler": "s"}),
        written(tmp_path / "r", real),
        written(tmp_path / "h", real),
    ]
    words = ["--judged", files[0], "--real", files[1], "--held-out", files[2], "--target", "2", "--fingerprint", "fp"]
    words += ["--output", str(tmp_path / "records.csv"), "--minimum-rate", "5", "--minimum-distance", "10"]
    words += ["--sampling-forget-images", "30", "--sampling-retain-images", "12"]
    command(parser(), main, words)
    records = {record.metric: record for record in read_records([tmp_path / "records.csv"])}
    assert records["RA"].value == 1.0, "images outside the plan are all wrong and must not count"
    assert records["RA"].n == 36
    assert records["UA"].n == 30
    assert records["FD"].features == "f"
    assert {record.prompts for record in records.values()} == {""}
    assert records["FD"].fingerprint == "fp"


def test_different_judges_are_refused(tmp_path, capsys):
    judged = outputs(np.repeat(np.arange(CLASSES), 4), 0)
    first = written(tmp_path / "j", judged, classes=list("abcd"), images={"sampler": "s"})
    second = written(tmp_path / "r", judged, judge_sha256="b" * 64)
    words = [
        "--judged",
        first,
        "--real",
        second,
        "--held-out",
        second,
        "--target",
        "2",
        "--output",
        str(tmp_path / "x"),
    ]
    with pytest.raises(SystemExit) as stopped:
        command(parser(), main, words)
    assert stopped.value.code == 2
    assert "different judges" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
