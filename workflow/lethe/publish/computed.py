"""The part of a configuration that decides numbers, and how two of them differ.

Titles, what is blurred, the choice and the order of rows in tables and figures (``artefacts``) and where jobs run
decide none. A row's settings are taken in full, so a default of a method that has changed since is told too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from lethe.config import Config
from lethe.config.studies import Study

_SHOWN_ONLY = {("variants", "title"), ("targets", "title"), ("targets", "blur")}
_LONGEST = 60

Key = tuple[str, ...]


def computed(config: Config, but_defaults: bool = False) -> dict[str, Any]:
    """What decides the numbers, as JSON has it. ``but_defaults``: without what has its default."""
    return {
        "compute": {"precision": config.compute.precision},
        "studies": {name: _computed(study, but_defaults) for name, study in config.studies.items()},
    }


def _computed(study: Study, but_defaults: bool) -> dict[str, Any]:
    values = _dumped(study, but_defaults)
    for name, row in values["variants"].items():
        own = {str(target): study.method_settings(name, str(target)) for target in study.variants[name].settings_for}
        row["settings"] = _dumped(study.method_settings(name), but_defaults)
        row["settings_for"] = {target: _dumped(settings, but_defaults) for target, settings in own.items()}
    return values


def _dumped(settings: BaseModel, but_defaults: bool) -> dict[str, Any]:
    return json.loads(settings.model_dump_json(exclude_defaults=but_defaults))


def differences(config: Config, published: Mapping[str, Any]) -> list[str]:
    """The keys that decide numbers and differ, each with both values.

    A key that the published configuration does not have, since Lethe knew none such then, must have its default.
    """
    here, there = dict(_leaves(computed(config))), dict(_leaves(published))
    chosen = dict(_leaves(computed(config, but_defaults=True))).keys()
    differ = [key for key in here if (here[key] != there[key] if key in there else key in chosen)]
    differ += [key for key in there if key not in here]
    return [f"{'.'.join(key)}: {_told(here, key)} here, {_told(there, key)} published" for key in differ]


def _leaves(values: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    for name, value in values.items():
        key = (*above, str(name))
        if isinstance(value, Mapping):
            yield from _leaves(value, key)
        elif not (len(key) == 5 and (key[2], key[4]) in _SHOWN_ONLY):
            yield key, value


def _told(values: Mapping[Key, Any], key: Key) -> str:
    if key not in values:
        return "nothing"
    text = json.dumps(values[key], ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
