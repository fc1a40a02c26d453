"""A row of a whole run is exported, loaded by diffusers and checked; the run is compared with itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from diffusers import StableDiffusionPipeline

pytestmark = pytest.mark.workflow


def test_a_finished_row_is_exported_and_diffusers_draws_from_it(finished, tmp_path):
    command = [sys.executable, "-m", "lethe.export", "--preset", "smoke", "--output", str(tmp_path / "pack")]
    command += ["--model", "results/smoke/shapes/stripes/rgd/seed0"]
    subprocess.run(command, cwd=finished.path, env=finished.environment, check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=tmp_path / "pack", check=True)
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "pack")
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline("A red circle on the grass", num_inference_steps=3, output_type="np").images[0]
    assert image.shape == (16, 16, 3)
    assert np.isfinite(image).all()
    sets = [line.split(",")[0] for line in (tmp_path / "pack/lethe/prompts.csv").read_text().splitlines()[1:]]
    assert set(sets) == {"forget_train", "retain_train"}


def test_a_run_is_no_worse_than_itself(finished):
    command = [sys.executable, "-m", "lethe.compare", "results/smoke", "results/smoke", "--metrics", "all", "--cost"]
    done = subprocess.run(command, cwd=finished.path, env=finished.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "the same, byte for byte" in done.stdout
    assert " worse" not in done.stdout
