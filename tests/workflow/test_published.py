"""Tables and figures drawn from published records: those of the miniature that come with Lethe, and one's own."""

from __future__ import annotations

import csv
import io
import re
import statistics
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.workflow

COMMITTED = Path("workflow/published/miniature.zip")
DRAWN = "results/miniature-published"
NAMES = {
    "tables": {*(f"table{number}" for number in range(1, 9)), "paired", "cost"},
    "figures": {
        *(f"figure{number}" for number in range(1, 12)),
        *("samples", "threshold", "tradeoff", "tradeoff_text", "trajectory"),
    },
}


def published_rows() -> list[dict[str, str]]:
    """Every record in the archive, read with nothing of Lethe's."""
    with zipfile.ZipFile(COMMITTED) as archive:
        names = [name for name in archive.namelist() if name.endswith("/records.csv")]
        return [row for name in names for row in csv.DictReader(io.StringIO(archive.read(name).decode()))]


def column(path: Path, *keys: str) -> dict[tuple[str, ...], float]:
    """The means of a table at equal steps, by what they are of."""
    with path.open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["at"] == "equal steps"]
    return {tuple(row[key] for key in keys): float(row["mean"]) for row in rows}


def means(wanted: set[tuple[str, ...]], study: str, *keys: str) -> dict[tuple[str, ...], float]:
    """The same, from the records."""
    found: dict[tuple[str, ...], list[float]] = {}
    for row in published_rows():
        if row["study"] == study and (key := tuple(row[name] for name in keys)) in wanted:
            found.setdefault(key, []).append(float(row["value"]))
    return {key: statistics.fmean(values) for key, values in found.items()}


def test_everything_is_drawn_from_the_committed_records_and_nothing_computed(fresh):
    fresh.run("tables", "figures", "--config", "from_published=true", preset="miniature")
    folder = fresh.path / DRAWN
    assert list((fresh.path / "results").iterdir()) == [folder]
    # Every job has a log.
    logs = {path.relative_to(folder / "logs").as_posix() for path in folder.glob("logs/**/*.log")}
    assert logs == {"unpack.log", *(f"{kind}/{name}.log" for kind, names in NAMES.items() for name in names)}
    assert {path.name for path in (folder / "tables").iterdir()} == {
        f"{name}.{kind}" for name in NAMES["tables"] for kind in ("csv", "md", "tex")
    }
    for name in NAMES["figures"]:
        assert (folder / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
        image = np.asarray(Image.open(folder / f"figures/{name}.png").convert("RGB"))
        assert min(image.shape[:2]) > 100, name
        assert image.std() > 5, f"{name} is blank"

    for table, study, keys in (
        ("table1", "digits", ("variant", "metric")),
        ("table2", "shapes", ("target", "variant", "prompts", "metric")),
    ):
        shown = column(folder / f"tables/{table}.csv", *keys)
        assert len(shown) > 20
        assert shown == pytest.approx(means(set(shown), study, *keys))
    assert "records were made with" in (folder / "README.md").read_text()

    refused = fresh.run("verify", "--config", "from_published=true", preset="miniature", check=False)
    assert refused.returncode
    assert "verify cannot be made from published records" in refused.stdout + refused.stderr


def test_what_is_published_draws_the_same_bytes_as_the_run(made):
    made.run("publish")
    archive = made.path / "results/smoke/published.zip"
    archive.rename(made.path / "mine.zip")
    artefacts = {"tables": ("table1.md", "table2.tex", "cost.csv"), "figures": ("figure1.png", "figure4.pdf")}
    names = [f"{kind}/{name}" for kind, all_ in artefacts.items() for name in all_]
    made.run(*(f"results/smoke-published/{name}" for name in names), "--config", "from_published=mine.zip")
    for name in names:
        drawn = (made.path / "results/smoke-published" / name).read_bytes()
        assert drawn == (made.path / "results/smoke" / name).read_bytes(), name

    made.edit("workflow/presets/smoke.yaml", lambda text: text.replace("seeds: [0]", "seeds: [1]"))
    stopped = made.run("table3", "--config", "from_published=mine.zip", check=False)
    assert stopped.returncode
    assert re.search(r"studies\.digits\.seeds: \[1\] here, \[0\] published", stopped.stderr)
    assert not (made.path / "results/smoke-published/tables/table3.csv").exists()
