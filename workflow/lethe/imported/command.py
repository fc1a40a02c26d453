"""What the import commands of all families share: options, and what an imported model says of itself."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lethe.cli import add_provenance, provenance
from lethe.imported.marks import KEY, in_words, sha256_of_files
from lethe.imported.overlay import Overlay
from lethe.model_files import Family
from lethe.settings.common import Settings


def parser_of(family: Family, text: str | None, source: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m lethe.imported {family}", description=text, allow_abbrev=False)
    parser.add_argument("--source", type=Path, required=True, help=source)
    parser.add_argument("--base", type=Path, required=True, help="folder of the base that it was unlearned from")
    parser.add_argument("--model", type=Path, required=True, help="model folder to write")
    parser.add_argument("--name", default="", help="what the model is called in records [the last part of --source]")
    parser.add_argument("--seed", type=int, default=0, help="training seed, for the record [0]")
    add_provenance(parser)
    return parser


def record_of(
    arguments: argparse.Namespace,
    settings: Settings,
    overlay: Overlay,
    files: Mapping[str, str],
    of_network: Mapping[str, str],
    parts: Sequence[str] = (),
) -> dict[str, Any]:
    """The provenance of the folder to write; what of it a user should know goes to the log. ``files`` are sha256 by
    name, ``of_network`` those that the network was read from, ``parts`` what else is not the base's."""
    told = {
        "name": arguments.name or arguments.source.name,
        "sha256": sha256_of_files(of_network),
        "files": dict(files),
        "tensors": len(overlay.tensors),
        "given": overlay.given,
        "changed": overlay.changed,
        "parts": list(parts),
    }
    print("\n".join(in_words(told)))
    return provenance("import", settings, arguments, method="imported", seed=arguments.seed, **{KEY: told})
