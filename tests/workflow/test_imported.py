"""A model that was unlearned in one run is imported into another: it is measured to the very same numbers."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from lethe.files import read_arrays, sha256_of
from lethe.record import read_records

pytestmark = pytest.mark.workflow

CELLS = {"digits": "3", "shapes": "stripes"}
WEIGHTS = {"digits": "", "shapes": "unet/"}
# What says which row it is.
OF_THE_ROW = {"variant", "method", "sampler", "fingerprint"}


def _measured(folder: Path) -> list[dict[str, Any]]:
    records = read_records([folder / "records.csv"])
    return [{name: value for name, value in asdict(one).items() if name not in OF_THE_ROW} for one in records]


def _images(folder: Path) -> list[np.ndarray]:
    return [read_arrays(path)[0]["images"] for path in sorted((folder / "images").glob("*.safetensors"))]


def test_an_imported_model_is_measured_as_the_row_that_it_was(made, tmp_path):
    cells = {study: made.path / f"results/smoke/{study}/{target}" for study, target in CELLS.items()}
    rows = {}
    for study, cell in cells.items():
        theirs = shutil.copytree(cell / "rgd/seed0/model", tmp_path / f"of_{study}" / CELLS[study])
        row = {"given": str(theirs.with_name("{target}")), "targets": [CELLS[study]]}
        rows[study] = {"variants": {"theirs": row}}
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(yaml.safe_dump({"studies": rows}))

    cards = [f"results/smoke/{study}/{target}/theirs/seed0/model/README.md" for study, target in CELLS.items()]
    made.run("table2", "table1", *cards, over_it=overlay)
    for study, cell in cells.items():
        ours, theirs = cell / "rgd/seed0", cell / "theirs/seed0"
        assert _measured(theirs) == _measured(ours)
        assert _measured(theirs)
        assert all(np.array_equal(*pair) for pair in zip(_images(ours), _images(theirs), strict=True))
        (record, *_) = read_records([theirs / "records.csv"])
        digest = sha256_of(ours / f"model/{WEIGHTS[study]}diffusion_pytorch_model.safetensors")
        assert record.method == "imported"
        assert record.sampler.endswith(f"imported model {tmp_path}/of_{study}/{CELLS[study]}, sha256 {digest[:12]}")
        assert digest in (theirs / "model/README.md").read_text()
    for table in ("table1", "table2"):
        assert "theirs (imported)" in (made.path / f"results/smoke/tables/{table}.md").read_text()
    again = made.run("--dry-run", "table2", "table1", *cards, over_it=overlay)
    assert "Nothing to be done" in again.stdout + again.stderr
