"""Unpack published records, and say beside them where they are from."""

from __future__ import annotations

import argparse
import importlib.metadata
from pathlib import Path

from lethe.files import sha256_of, write_text
from lethe.publish.archive import unpack
from lethe.publish.manifest import Manifest


def main(arguments: argparse.Namespace) -> None:
    manifest = unpack(arguments.archive, arguments.folder)
    write_text(arguments.note, note(arguments.archive, manifest))
    print(f"{arguments.folder}: {len(manifest.files)} files from {arguments.archive}")


def note(archive: Path, manifest: Manifest) -> str:
    """Which archive this is, and which code made its records: the tables are the same bytes as those of the run."""
    packages = [f"| {name} | {version} |" for name, version in sorted(manifest.versions.items())]
    lines = [
        f"# Drawn from published records: preset {manifest.preset}",
        "",
        "Nothing here was computed: tables and figures are drawn from the records in the archive.",
        "",
        f"- archive: `{archive}`, sha256 `{sha256_of(archive)}`, {len(manifest.files)} files",
        f"- drawn by Lethe {importlib.metadata.version('lethe')}",
        "- when it was packed, every result was of the code and configuration that packed it"
        if manifest.fits
        else "- when it was packed, some results were of older code than that which packed it",
        "",
        "| the records were made with | version |",
        "|---|---|",
        *packages,
    ]
    return "\n".join(lines) + "\n"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.publish unpack", description=__doc__, allow_abbrev=False)
    parser.add_argument("--archive", type=Path, required=True, help="zip file that `snakemake publish` has made")
    parser.add_argument("--folder", type=Path, required=True, help="folder to unpack into")
    parser.add_argument("--note", type=Path, required=True, help="Markdown file to write: where the records are from")
    return parser
