"""The files generated from the typed configuration: comments in the presets, and the JSON schema for editors.

``python -m lethe.preset_files write`` renews them: a preset keeps its values, and every key, also one left at its
default, is written out with its description. ``check`` fails where one has drifted, or is not valid.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from lethe.cli import command
from lethe.config import Config
from lethe.config.reading import read_preset, read_values
from lethe.errors import LetheError
from lethe.files import write_text
from lethe.preset_text import Sources, render

SCHEMA = Path("workflow/schemas/config.schema.json")
PRESETS = "workflow/presets/*.yaml"
SOURCES = Path("workflow/published/sources.yaml")
# The presets that reproduce the paper; each value of theirs has a source. The second is a cut of the first.
_PAPER, _LITE = "paper", "lite"


def schema_text() -> str:
    return json.dumps(Config.model_json_schema(), indent=2, sort_keys=True) + "\n"


def generated() -> dict[Path, str]:
    """Every generated file with the text it should have."""
    files = {SCHEMA: schema_text()}
    presets = {path: read_preset([str(path)]) for path in (Path("config.yaml"), *sorted(Path().glob(PRESETS)))}
    for path, config in presets.items():
        schema = "../" * (len(path.parts) - 1) + SCHEMA.as_posix()
        files[path] = render(config, schema, _sources(config.preset, presets.values()))
    return files


def _sources(name: str, presets: Iterable[Config]) -> Sources | None:
    """What is known of where the values of the preset ``name`` are from."""
    if name not in (_PAPER, _LITE):
        return None
    full = next((config for config in presets if config.preset == _PAPER), None)
    return Sources(read_values(SOURCES), full if name == _LITE else None)


def main(arguments: argparse.Namespace) -> None:
    drifted = [
        (path, text)
        for path, text in generated().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if arguments.action == "write":
        for path, text in drifted:
            write_text(path, text)
            print(f"wrote {path}")
    elif drifted:
        raise LetheError(
            f"not as generated from lethe/config: {', '.join(str(path) for path, _ in drifted)}",
            "run: python -m lethe.preset_files write",
        )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.preset_files", description=__doc__, allow_abbrev=False)
    parser.add_argument("action", choices=("write", "check"))
    return parser


if __name__ == "__main__":
    command(parser(), main)
