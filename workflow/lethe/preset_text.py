"""The text of a preset file: every key, described, and where a preset reproduces a paper, where its value is from."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import yaml
from pydantic import BaseModel

from lethe.config import Config
from lethe.config.studies import Variant
from lethe.config.sweeps import Sweep
from lethe.settings.concept import Concept, load_concept

_WIDTH = 100
Place = tuple[str, ...]
"""The keys that lead to a value."""


@dataclass(frozen=True)
class Sources:
    """Where the values of a preset are from: a text by place, which may have ``*`` in it and then stands for all that
    is below. ``full`` is the preset that this one is a smaller version of, whose value is told where it differs."""

    texts: Mapping[str, str]
    full: Config | None = None

    def of(self, place: Place, value: Any) -> str:
        """What is to be said of a value; empty where nothing is."""
        text = self.texts.get(".".join(place), "")
        text = f"Source: {text}" if text else ""
        if self.full is None or isinstance(value, BaseModel | dict):
            return text
        whole = value_at(self.full, place)
        return f"{text} Here cut; paper: {_flow(_plain(whole))}.".strip() if whole != value else text

    def cited(self, place: Place) -> bool:
        """Whether a place, or what it is in, has a source."""
        dotted = [".".join(place[:length]) for length in range(1, len(place) + 1)]
        return any(fnmatchcase(one, pattern) for one in dotted for pattern in self.texts)


def value_at(config: Config, place: Place) -> Any:
    """The value at a place; None where the preset has none."""
    value: Any = config
    for name in place:
        if isinstance(value, Mapping):
            value = {str(key): item for key, item in value.items()}.get(name)
        else:
            value = getattr(value, name, None)
    return value


def render(config: Config, schema: str, sources: Sources | None = None) -> str:
    """The preset file of ``config``; ``schema`` is for editors."""
    title = (type(config).__doc__ or "").strip().splitlines()[0]
    body = "".join(_Lines(sources or Sources({})).group(config, ()))
    return f"# yaml-language-server: $schema={schema}\n# {title}\n{body}"


class _Lines:
    def __init__(self, sources: Sources) -> None:
        self.sources = sources

    def group(self, settings: BaseModel, place: Place) -> list[str]:
        lines = []
        for name, field in type(settings).model_fields.items():
            if not place:
                lines.append("\n")
            lines += _comment(field.description or "", len(place))
            lines += self.entry((*place, name), getattr(settings, name))
        return lines

    def entry(self, place: Place, value: Any) -> list[str]:
        depth = len(place) - 1
        prefix, name = "  " * depth, place[-1]
        lines = _comment(self.sources.of(place, value), depth)
        if isinstance(value, Variant | Sweep):
            return [*lines, f"{prefix}{name}: {_flow(value.model_dump(mode='json', exclude_unset=True))}\n"]
        if isinstance(value, Concept):
            items = (line for key, item in _said(value).items() for line in _block(key, item, 2 * depth + 2))
            return [*lines, f"{prefix}{name}:\n", *items]
        if isinstance(value, BaseModel):
            return [*lines, f"{prefix}{name}:\n", *self.group(value, place)]
        if isinstance(value, dict) and value and all(isinstance(item, BaseModel) for item in value.values()):
            entries = [line for key, item in value.items() for line in self.entry((*place, str(key)), item)]
            return [*lines, f"{prefix}{name}:\n", *_fields_of(value, 2 * depth + 2), *entries]
        return [*lines, f"{prefix}{name}: {_flow(_plain(value))}\n"]


def _said(concept: Concept) -> dict[str, Any]:
    """What a preset says of a concept: all that is set, or what its file does not say."""
    given = concept.model_dump(mode="json", exclude_unset=True)
    if concept.file is None:
        return given
    told = load_concept(concept.file).model_dump(mode="json")
    return {"file": concept.file} | {key: item for key, item in given.items() if told[key] != item}


def _comment(text: str, depth: int) -> list[str]:
    prefix = "  " * depth
    return [f"{prefix}# {line}\n" for line in textwrap.wrap(text, max(60, _WIDTH - len(prefix)))]


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


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda item: item.model_dump(mode="json")))


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False).removesuffix("...\n").strip()
