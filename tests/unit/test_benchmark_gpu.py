"""The benchmark for a GPU runs, in tiny, on a CPU."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from lethe.methods import method_named

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def test_it_measures_every_method_and_the_sampler(tmp_path):
    spec = importlib.util.spec_from_file_location("gpu", PROGRAM)
    gpu = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gpu)
    gpu.main(f"--device cpu --tiny --steps 1 --sampling-steps 2 --output {tmp_path}/gpu.md".split())
    text = (tmp_path / "gpu.md").read_text()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    training, sampling = rows[2:14], rows[16:]
    assert [row[0] for row in training] == [method_named(name).card.title for name in gpu.METHODS for _ in range(4)]
    assert {tuple(row[2:4]) for row in training} == {(p, c) for p in gpu.PRECISIONS for c in ("yes", "no")}
    assert all(float(row[4]) > 0 for row in training)
    assert [row[0] for row in sampling] == list(gpu.PRECISIONS)
    assert all(float(row[3]) > 0 for row in sampling)
    assert "a tiny network" in text
