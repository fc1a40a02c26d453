"""Runs of the real workflow, in copies of this checkout."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from pathlib import Path

import pytest
from checkout import Checkout, copy_of_repository

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
    "shapes3": {"table7", "metrics"},
}


def of_study(study: str, planned: list[str]) -> list[str]:
    """The jobs that make something of one study of the smoke preset, its tables and figures too."""
    made = re.compile(rf"\b{study}\b|/({'|'.join(ARTEFACTS[study])})\.")
    return [job for job in planned if made.search(job)]


@pytest.fixture
def fresh(tmp_path: Path) -> Checkout:
    """A clean checkout without results."""
    return copy_of_repository(tmp_path / "lethe")


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the smoke preset has been run once, whole. Never changed: tests take ``made``. Where tests run
    side by side, the first process that needs it makes it, and the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    shared.mkdir(exist_ok=True)
    done = shared / "done"
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(shared / "lethe", ignore_errors=True)
            copy_of_repository(shared / "lethe").run()
            done.touch()
    return Checkout(shared / "lethe")


@pytest.fixture
def made(finished: Checkout, tmp_path: Path) -> Checkout:
    """A copy of the finished checkout, its times kept, to be changed at will."""
    return Checkout(shutil.copytree(finished.path, tmp_path / "lethe", symlinks=True))
