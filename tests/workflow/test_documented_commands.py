"""Every command of the documentation is typed as a reader would type it, and ends well.

In a checkout in which the smoke preset has been run, and stands in for every other preset; what is replaced in a
command, and which commands are run by other tests, is said in tests/documented_runs.py.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from checkout import Checkout
from documented_runs import to_be_run
from typing_in import link_environment, typed

from lethe.config.reading import lay_over, read_values

pytestmark = pytest.mark.workflow

OVERLAY = Path(__file__).parent / "documented.yaml"
# A run of Snakemake for each target would take some seconds each: they are asked for at once. (The rule verify waits
# for nothing, and comes after them.)
_TARGETS = re.compile(
    r"(?:\.venv/bin/)?snakemake --cores all(?P<targets>(?: (?!verify)[\w./]+)*)"
    r"(?: --configfile workflow/presets/smoke\.yaml)?"
)
_RUNS_JOBS = re.compile(r"snakemake |make (reproduce|provenance)")
RUNS = to_be_run()
ASKED = {run: match["targets"].split() or ["all"] for run in RUNS if (match := _TARGETS.fullmatch(run))}


@pytest.fixture(scope="module")
def checkout(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """The finished checkout, set up as `make` would do it, with smoke and what it lacks as its presets."""
    place = shutil.copytree(finished.path, tmp_path_factory.mktemp("documented") / "lethe", symlinks=True)
    values = read_values(place / "workflow/presets/smoke.yaml")
    lay_over(values, read_values(OVERLAY))
    for name in ("config.yaml", "workflow/presets/smoke.yaml"):
        (place / name).write_text(yaml.safe_dump(values, sort_keys=False))
    (place / "mine.yaml").write_text("report: {prompts: 4}\n")
    shutil.copytree(place / "results/smoke/shapes/stripes/rgd/seed0/model", place / "their_folder")
    link_environment(place)
    return Checkout(place)


@pytest.fixture(scope="module")
def asked(checkout: Checkout) -> list[str]:
    """The targets that are documented, made in this order."""
    targets = list(dict.fromkeys(target for targets in ASKED.values() for target in targets))
    command = f"snakemake --cores all {' '.join(targets)} --configfile workflow/presets/smoke.yaml"
    typed(command, checkout, [one for run in ASKED for one in RUNS[run]])
    return targets


@pytest.fixture(scope="module")
def typing(checkout: Checkout, asked: list[str]) -> Iterator[dict[str, Future[str]]]:
    """The other commands, under way: those that run jobs one after the other, since they lock the folder, and beside
    them those that run none."""
    with ThreadPoolExecutor(1) as jobs, ThreadPoolExecutor(1) as others:
        yield {
            run: (jobs if _RUNS_JOBS.search(run) else others).submit(typed, run, checkout, documented)
            for run, documented in RUNS.items()
            if run not in ASKED
        }


def test_every_target_that_is_documented_is_made(checkout, asked):
    assert {"table1", "figure4"} < set(asked), "the documents name tables and figures"
    assert all((checkout.path / target).is_file() for target in asked if "/" in target)


@pytest.mark.parametrize("run", [run for run in RUNS if run not in ASKED], ids=lambda run: run)
def test_command(run, typing):
    typing[run].result()
