"""Assets in the real workflow: fetched by a job, one message before any job where they cannot be, nothing made again
for a manifest written anew."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from checkout import Checkout
from file_server import Files, served

pytestmark = pytest.mark.workflow

PRESET = "workflow/presets/smoke.yaml"
READER = """

from lethe.assets import place_of

rule reader:
    input:
        given=ancient(place_of("thing", plan.config.assets).inputs),
    output:
        "results/smoke/read.txt",
    log:
        "results/smoke/logs/reader.log",
    params:
        mark=place_of("thing", plan.config.assets).mark,
        path=place_of("thing", plan.config.assets).path,
    message:
        "read: thing"
    shell:
        "cat {params.path} > {output}"
"""


@pytest.fixture
def server() -> Iterator[Files]:
    with served() as files:
        files.contents["/thing.bin"] = b"bytes of the thing"
        yield files


@pytest.fixture
def checkout(fresh: Checkout, server: Files) -> Checkout:
    """A checkout with a rule that reads an asset."""
    file = {"path": "thing.bin", "url": server.url("/thing.bin"), "size": 18, "sha256": server.sha256("/thing.bin")}
    catalogue = {"thing": {"title": "Something", "licence": "MIT", "used_by": "reader", "files": [file]}}
    (fresh.path / "catalogue.yaml").write_text(json.dumps(catalogue))
    fresh.edit("Snakefile", lambda text: text + READER)
    setting(fresh, "catalogue: null", "catalogue: catalogue.yaml")
    return fresh


def setting(checkout: Checkout, before: str, after: str) -> None:
    checkout.edit(PRESET, lambda text: text.replace(before, after, 1))


def test_fetched_once_and_read(checkout, server):
    assert checkout.planned("reader") == ["fetch: thing", "read: thing"]
    checkout.run("reader")
    result = checkout.path / "results/smoke/read.txt"
    assert result.read_bytes() == b"bytes of the thing"
    manifest = checkout.path / "assets/thing/manifest.json"
    before = manifest.read_bytes()
    assert checkout.planned("reader") == []
    # Neither a manifest written anew, nor other code, nor another way to the same bytes makes anything again.
    checkout.run("assets/thing/manifest.json", "--forcerun", "fetch")
    assert manifest.read_bytes() == before
    assert checkout.planned("reader") == []
    checkout.edit("workflow/lethe/assets/fetch.py", lambda text: text + "\n# edited\n")
    setting(checkout, "offline: false", "offline: true")
    setting(checkout, "mirror: null", "mirror: elsewhere")
    assert checkout.planned("reader") == []
    assert len(server.requests) == 1
    # And where there is no network, what is there is enough for everything else.
    result.unlink()
    checkout.run("reader")
    assert result.read_bytes() == b"bytes of the thing"
    assert len(server.requests) == 1


def test_what_cannot_be_had_stops_the_run_before_its_first_job(checkout, server):
    setting(checkout, "offline: false", "offline: true")
    stopped = checkout.run("reader", check=False)
    assert stopped.returncode == 1
    assert server.requests == []
    told = stopped.stdout + stopped.stderr
    assert told.count("lethe: error:") == 1
    for part in (
        "thing: Something. Used by reader. Licence: MIT",
        "assets/thing/thing.bin (18 bytes): missing",
        server.url("/thing.bin"),
        "assets.offline is true",
        "remedy: run `make assets PRESET=smoke`",
    ):
        assert part in told
    assert not (checkout.path / "assets").exists()
    # Only what runs jobs is stopped, and only what needs the asset.
    checkout.run("--dry-run", "reader")
    checkout.run("--unlock", "reader")
    checkout.run("results/smoke/digits/data/train.safetensors")
    # What a mirror has can be had.
    mirrored = checkout.path / "mirror/thing"
    mirrored.mkdir(parents=True)
    (mirrored / "thing.bin").write_bytes(b"bytes of the thing")
    setting(checkout, "mirror: null", "mirror: mirror")
    checkout.run("reader")
    assert (checkout.path / "results/smoke/read.txt").read_bytes() == b"bytes of the thing"
    assert server.requests == []


def test_what_is_wrong_in_place_is_told(checkout):
    checkout.run("reader")
    (checkout.path / "results/smoke/read.txt").unlink()
    (checkout.path / "assets/thing/thing.bin").write_bytes(b"cut")
    told = checkout.run("reader", check=False)
    assert "assets/thing/thing.bin (18 bytes): has 3 bytes instead of 18" in told.stderr
    shutil.rmtree(checkout.path / "assets")
    checkout.run("reader")


def test_a_renewed_catalogue_asks_for_the_new_file(checkout, server):
    checkout.run("reader")
    server.contents["/thing.bin"] = b"other bytes of it."
    catalogue = json.loads((checkout.path / "catalogue.yaml").read_text())
    catalogue["thing"]["files"][0]["sha256"] = server.sha256("/thing.bin")
    (checkout.path / "catalogue.yaml").write_text(json.dumps(catalogue))
    assert checkout.planned("reader") == ["read: thing"]
    told = checkout.run("reader", check=False)
    assert f"the catalogue now names {server.sha256('/thing.bin')}" in told.stderr
    words = [sys.executable, "-m", "lethe.assets", "thing", "--preset", PRESET]  # as `make assets` does
    subprocess.run(words, cwd=checkout.path, env=checkout.environment, check=True)
    checkout.run("reader")
    assert (checkout.path / "results/smoke/read.txt").read_bytes() == b"other bytes of it."


def test_the_plan_of_a_run_counts_snakemakes_jobs(fresh):
    words = [sys.executable, "-m", "lethe.costs", "--preset", "smoke"]
    told = subprocess.run(words, cwd=fresh.path, env=fresh.environment, capture_output=True, text=True, check=True)
    planned = fresh.planned()
    assert f"jobs to run ({len(planned):,}):" in told.stdout
    cards = len([job for job in planned if job.startswith("card: ")])
    assert re.search(rf"^  card +{cards}$", told.stdout, re.MULTILINE)
    # What runs a network is there as often as the plan says.
    for rule, stage in (("sample", "sample"), ("training_images", "training images")):
        told_by_rule = int(re.search(rf"^  {rule} +([\d,]+)$", told.stdout, re.MULTILINE)[1])
        by_stage = re.findall(rf"^  {stage} +\w+ +([\d,]+) ", told.stdout, re.MULTILINE)
        assert told_by_rule == sum(map(int, by_stage))
