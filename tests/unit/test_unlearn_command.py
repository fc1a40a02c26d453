"""The files that the unlearn stage's command writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from lethe.files import read_provenance
from lethe.methods import method_named
from lethe.model_files import CONFIG, WEIGHTS
from lethe.models.edm import EDM
from lethe.unlearn.__main__ import main, parser
from lethe.unlearn.trajectory import TRAJECTORY


def words(folder: Path, method: str, base: Path, *more: str) -> list[str]:
    outputs = [
        word for name in ("model", "trajectory", "conflict", "cost") for word in (f"--{name}", str(folder / name))
    ]
    return ["class", method, "--base", str(base), *outputs, "--device", "cpu", *more]


def test_the_command_leaves_a_model_its_trajectory_and_its_cost(tmp_path, base_folder, sets_file):
    settings = ["--steps", "6", "--batch", "16", "--learning-rate", "1e-3", "--seed", "4", "--fingerprint", "abc"]
    state = ["--sets", str(sets_file), "--state", str(tmp_path / "state"), "--state-seconds", "0"]
    main(parser().parse_args(words(tmp_path, "rgd", base_folder, *settings, *state)))
    assert not (tmp_path / "state").exists()
    assert EDM.load(tmp_path / "model").condition_count == 10
    record = read_provenance(tmp_path / "model" / WEIGHTS)
    assert (record["method"], record["target"], record["seed"], record["fingerprint"]) == ("rgd", "3", 4, "abc")
    given = method_named("rgd").recipe("class").settings(steps=6, batch=16, learning_rate=1e-3)
    assert record["settings"] == given.model_dump()

    with (tmp_path / "trajectory").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == TRAJECTORY
    assert [int(row["step"]) for row in rows] == list(range(6))
    for row in rows:
        assert float(row["forget_loss"]) < 0 < float(row["retain_loss"])
        assert -1 <= float(row["cosine"]) <= 1
        assert int(row["conflict"]) == (float(row["cosine"]) < 0)

    cost = json.loads((tmp_path / "cost").read_text())
    assert (cost["steps"], cost["device"]) == (6, "cpu")
    assert cost["batch"] == 16
    assert 0 < cost["training_seconds"] < cost["seconds"]
    each = (16 + 18) / 16  # one batch of D_f, and all of D_r
    assert (cost["passes"], cost["passes_per_step"]) == pytest.approx((6 * each, each))
    assert cost["forwards"] == cost["forwards_per_step"] == 0
    assert cost["storage_bytes"] == sum((tmp_path / "model" / name).stat().st_size for name in (CONFIG, WEIGHTS))
    assert 0 < cost["seconds"] < 60
    assert 1e8 < cost["peak_memory_bytes"] < 1e11


def test_the_cost_of_a_step_is_without_that_of_the_mask(tmp_path, base_folder, sets_file):
    settings = ["--steps", "6", "--batch", "16", "--sets", str(sets_file)]
    main(parser().parse_args(words(tmp_path, "salun", base_folder, *settings)))
    cost = json.loads((tmp_path / "cost").read_text())
    mask = 40 / 16  # all of D_f once
    assert (cost["passes"], cost["passes_per_step"]) == (mask + 6 * 2, 2)
    assert (cost["forwards"], cost["forwards_per_step"]) == (6, 1), "the teacher's"


def test_a_method_with_one_loss_leaves_the_other_cells_empty(tmp_path, base_folder, sets_file):
    settings = ["--steps", "2", "--batch", "16", "--sets", str(sets_file)]
    main(parser().parse_args(words(tmp_path, "finetune", base_folder, *settings)))
    with (tmp_path / "trajectory").open(newline="") as stream:
        for row in csv.DictReader(stream):
            assert float(row["retain_loss"]) > 0
            assert all(row[name] == "" for name in TRAJECTORY if name not in ("step", "retain_loss"))


def test_a_control_needs_no_sets(tmp_path, base_folder):
    main(parser().parse_args(words(tmp_path, "destroyed", base_folder)))
    EDM.load(tmp_path / "model")
    assert (tmp_path / "trajectory").read_text().splitlines() == [",".join(TRAJECTORY)]
    cost = json.loads((tmp_path / "cost").read_text())
    assert cost["steps"] == cost["passes"] == cost["forwards"] == cost["passes_per_step"] == 0
