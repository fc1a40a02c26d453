"""Pack what a preset's tables and figures are drawn from into one archive."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pydantic import ValidationError

from lethe.config import load_config
from lethe.errors import LetheError
from lethe.files import sha256_of
from lethe.plan import Plan
from lethe.publish.archive import write_archive
from lethe.publish.computed import computed
from lethe.publish.manifest import Manifest, PublishedFile
from lethe.report.provenance import versions
from lethe.verify import stored_fingerprint


def main(arguments: argparse.Namespace) -> None:
    plan = Plan(load_config(json.loads(arguments.config)))
    expected = plan.expected()
    contents = {file.relative_to(plan.root).as_posix(): file for file in sorted(arguments.files)}
    if absent := [file for file in contents.values() if not file.is_file()]:
        raise LetheError(f"{absent[0]}: no such file", "run the workflow first, or ask it: snakemake publish")
    prints = {name: stored_fingerprint(file) for name, file in contents.items() if str(file) in expected}
    fits = all(mark == expected[str(contents[name])] for name, mark in prints.items())
    try:
        manifest = Manifest(
            preset=plan.config.preset,
            versions={name: ", ".join(found) for name, found in versions(plan).items()},
            fits=fits,
            computed=computed(plan.config),
            files={name: _described(file, prints.get(name, "")) for name, file in contents.items()},
        )
    except ValidationError as error:
        raise LetheError(
            f"{plan.root}: what its tables and figures are drawn from cannot be published: {error.errors()[0]['msg']}",
            "leave out the figures of images (docs/published.md)",
        ) from None
    write_archive(arguments.output, manifest, contents)
    print(f"{arguments.output}: {len(contents)} files, {arguments.output.stat().st_size / 1e6:.1f} MB")
    if not fits:
        print("some results are of other code than the present one; the archive says so")


def _described(file: Path, fingerprint: str) -> PublishedFile:
    return PublishedFile(bytes=file.stat().st_size, sha256=sha256_of(file), fingerprint=fingerprint)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.publish pack", description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", required=True, help="the whole configuration, as JSON")
    parser.add_argument(
        "--files", type=Path, nargs="+", required=True, help="results of the preset that are to be in the archive"
    )
    parser.add_argument("--output", type=Path, required=True, help="zip file to write")
    return parser
