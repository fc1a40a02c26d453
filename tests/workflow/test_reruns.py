"""What is made again after which change: each trap of the engine has its test."""

from __future__ import annotations

import os
import shutil

import pytest

pytestmark = pytest.mark.workflow

SALUN = [
    "judge: digits 3 salun, seed 0",
    "measure: digits 3 salun, seed 0",
    "sample: digits 3 salun, seed 0, shard 0000",
    "table1: results/smoke/tables/table1.md",
    "unlearn: salun forgets digits 3, seed 0",
]


def test_touching_a_module_reruns_nothing(made):
    for path in (made.path / "workflow/lethe").rglob("*.py"):
        os.utime(path)
    assert made.planned() == []


def test_editing_a_methods_module_reruns_its_cells(made):
    made.edit("workflow/lethe/methods/salun.py", lambda text: text + "\n# edited\n")
    assert made.planned() == SALUN


def test_changing_a_methods_setting_reruns_its_cells(made):
    made.edit(
        "workflow/presets/smoke.yaml",
        lambda text: text.replace("salun: {method: salun}", "salun: {method: salun, settings: {learning_rate: 0.002}}"),
    )
    assert made.planned() == SALUN


def test_editing_what_a_module_imports_reruns_its_cells(made):
    """salun alone imports the masks, by way of its module: the closure of imports must reach them."""
    made.edit("workflow/lethe/masks.py", lambda text: text + "\n# edited\n")
    assert made.planned() == SALUN


def test_threads_and_memory_rerun_nothing(made):
    made.edit("workflow/presets/smoke.yaml", lambda text: text.replace("threads: 1", "threads: 2"))
    made.edit("workflow/presets/smoke.yaml", lambda text: text.replace("memory_mb: 2000", "memory_mb: 3000"))
    assert made.planned() == []


def test_a_new_target_makes_only_its_cells(made):
    made.edit("workflow/presets/smoke.yaml", lambda text: text.replace("targets: [3]", "targets: [3, 5]"))
    planned = made.planned()
    assert any(job.startswith("unlearn: rgd forgets digits 5") for job in planned)
    cells = [job for job in planned if job.startswith(("sets", "unlearn", "retrained", "sample", "judge", "measure"))]
    assert cells
    assert all(" 5" in job for job in cells), cells
    assert not [job for job in planned if job.startswith(("base", "data"))]


def test_a_lost_history_is_noticed_by_verify(made):
    """Without .snakemake a changed parameter is invisible to Snakemake; the fingerprints tell."""
    shutil.rmtree(made.path / ".snakemake")
    made.edit(
        "workflow/presets/smoke.yaml",
        lambda text: text.replace("salun: {method: salun}", "salun: {method: salun, settings: {learning_rate: 0.002}}"),
    )
    done = made.run("verify", check=False)
    assert done.returncode != 0
    output = done.stdout + done.stderr
    assert "stale: results/smoke/digits/3/salun/seed0/model/diffusion_pytorch_model.safetensors" in output
    assert "digits/3/rgd" not in output.split("results come from other settings")[1].split("remedy")[0]
