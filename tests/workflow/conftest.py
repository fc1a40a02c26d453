"""Runs of the real workflow, in copies of this checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# The tables and figures of each study of the smoke preset.
ARTEFACTS = {
    "digits": {
        *("table1", "table3", "paired"),
        *("figure2", "figure6", "figure7", "trajectory", "samples", "tradeoff"),
    },
    "shapes": {
        *("table2", "table4", "table5", "table6", "table8", "cost"),
        *("figure1", "figure3", "figure4", "figure5", "figure8", "figure9", "threshold", "tradeoff_text"),
        *("doco", "outside", "conflict"),
    },
    "shapes3": {"table7"},
}
_LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv", ".snakemake", "results", "__pycache__", "*.egg-info", ".*_cache")


@dataclass(frozen=True)
class Checkout:
    """A copy of the repository in which Snakemake runs, with its own package first on the path."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return {**os.environ, "PATH": search, "PYTHONPATH": str(self.path / "workflow"), "LETHE_STATE_SECONDS": "0.2"}

    def run(
        self, *words: str, preset: str = "smoke", over_it: Path | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """``over_it``: a config file whose values replace the preset's."""
        command = ["snakemake", *words, "--cores", "2"]
        if preset != "miniature":
            command += ["--configfile", f"workflow/presets/{preset}.yaml", *([str(over_it)] if over_it else [])]
        done = subprocess.run(
            command, cwd=self.path, env=self.environment, capture_output=True, text=True, timeout=1800, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
        return done

    def planned(self, *words: str, preset: str = "smoke") -> list[str]:
        """The messages of the jobs that a run would start, sorted."""
        output = self.run("--dry-run", *words, preset=preset)
        return sorted(re.findall(r"^Job \d+: (.*)$", output.stdout + output.stderr, re.MULTILINE))

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        path = self.path / name
        before = path.read_text()
        after = change(before)
        assert after != before, f"the edit of {name} changed nothing"
        path.write_text(after)


def of_study(study: str, planned: list[str]) -> list[str]:
    """The jobs that make something of one study of the smoke preset, its tables and figures too."""
    made = re.compile(rf"\b{study}\b|/({'|'.join(ARTEFACTS[study])})\.")
    return [job for job in planned if made.search(job)]


def copy_of_repository(place: Path) -> Checkout:
    shutil.copytree(REPOSITORY, place, ignore=_LEFT_BEHIND)
    return Checkout(place)


@pytest.fixture
def fresh(tmp_path: Path) -> Checkout:
    """A clean checkout without results."""
    return copy_of_repository(tmp_path / "lethe")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the smoke preset has been run once, whole. Never changed: tests take ``made``."""
    checkout = copy_of_repository(tmp_path_factory.mktemp("finished") / "lethe")
    checkout.run()
    return checkout


@pytest.fixture
def made(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the finished checkout, its times kept, to be changed at will."""
    return Checkout(shutil.copytree(finished.path, tmp_path / "lethe", symlinks=True))
