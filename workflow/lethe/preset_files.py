"""The files generated from the typed configuration: comments in the presets, and the JSON schema for editors.

``python -m lethe.preset_files write`` renews them: a preset keeps its values, and every key, also one left at its
default, is written out with its description. ``check`` fails where one has drifted, or is not valid.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from lethe.cli import command
from lethe.config import Config, load_config
from lethe.config.studies import Variant
from lethe.config.sweeps import Sweep
from lethe.errors import LetheError
from lethe.files import write_text
from lethe.settings.concept import Concept

SCHEMA = Path("workflow/schemas/config.schema.json")
PRESETS = "workflow/presets/*.yaml"
_WIDTH = 100


def render(config: Config, schema: str) -> str:
    """The preset file of ``config``: every key, with its description above it; ``schema`` is for editors."""
    title = (type(config).__doc__ or "").strip().splitlines()[0]
    return f"# yaml-language-server: $schema={schema}\n# {title}\n" + "".join(_group(config, 0))


def _group(settings: BaseModel, indent: int) -> list[str]:
    lines = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if indent == 0:
            lines.append("\n")
        prefix = " " * indent
        width = max(60, _WIDTH - indent)
        lines += [f"{prefix}# {line}\n" for line in textwrap.wrap(field.description or "", width)]
        lines += _entry(name, value, indent)
    return lines


def _entry(name: str, value: Any, indent: int) -> list[str]:
    prefix = " " * indent
    if isinstance(value, Variant | Sweep):
        return [f"{prefix}{name}: {_flow(value.model_dump(mode='json', exclude_unset=True))}\n"]
    if isinstance(value, Concept):
        given = value.model_dump(mode="json", exclude_unset=True)
        return [f"{prefix}{name}:\n", *(line for key, item in given.items() for line in _block(key, item, indent + 2))]
    if isinstance(value, BaseModel):
        return [f"{prefix}{name}:\n", *_group(value, indent + 2)]
    if isinstance(value, dict) and value and all(isinstance(item, BaseModel) for item in value.values()):
        entries = [line for key, item in value.items() for line in _entry(key, item, indent + 2)]
        return [f"{prefix}{name}:\n", *_fields_of(value, indent + 2), *entries]
    return [f"{prefix}{name}: {_flow(json.loads(json.dumps(value)))}\n"]


def _block(key: str, value: Any, indent: int) -> list[str]:
    """A key of a concept: a list of sentences and a vocabulary line by line, all else on its own line."""
    prefix = " " * indent
    if isinstance(value, dict):
        return [f"{prefix}{key}:\n", *(f"{prefix}  {word}: {_flow(words)}\n" for word, words in value.items())]
    if key in ("sentences", "anchor_sentences", "outside") and len(value) > 1:
        return [f"{prefix}{key}:\n", *(f"{prefix}  - {_flow(sentence)}\n" for sentence in value)]
    return [f"{prefix}{key}: {_flow(value)}\n"]


def _fields_of(value: dict[str, Any], indent: int) -> list[str]:
    """Rows, sweeps and concepts are written with the keys they set, so what the keys mean stands above them."""
    kind = next(
        (kind for kind in (Variant, Sweep, Concept) if any(isinstance(item, kind) for item in value.values())), None
    )
    if kind is None:
        return []
    lines = []
    for name, field in kind.model_fields.items():
        wrapped = textwrap.wrap(f"{name}: {field.description}", _WIDTH - indent - 2, subsequent_indent="  ")
        lines += [f"{' ' * indent}#   {line}\n" for line in wrapped]
    return lines


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).removesuffix("...\n").strip()


def schema_text() -> str:
    return json.dumps(Config.model_json_schema(), indent=2, sort_keys=True) + "\n"


def generated() -> dict[Path, str]:
    """Every generated file with the text it should have."""
    files = {SCHEMA: schema_text()}
    for path in (Path("config.yaml"), *sorted(Path().glob(PRESETS))):
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise LetheError(f"{path}: not YAML ({error})", "mend the file") from None
        schema = "../" * (len(path.parts) - 1) + SCHEMA.as_posix()
        files[path] = render(load_config(values), schema)
    return files


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
