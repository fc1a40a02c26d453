"""Where the results of a preset are from: configuration, versions, judges, and whether every fingerprint fits."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import NamedTuple

import yaml

from lethe.files import read_provenance
from lethe.plan import Plan
from lethe.report.records import Records
from lethe.verify import stored_fingerprint


class Result(NamedTuple):
    """A file with the fingerprint that it carries, and the one that this configuration and code give it."""

    path: str
    stored: str
    expected: str

    @property
    def fits(self) -> bool:
        return self.stored == self.expected


def results(plan: Plan) -> list[Result]:
    """Every result with a fingerprint that is there."""
    expected = plan.expected()
    return [Result(path, stored_fingerprint(Path(path)), expected[path]) for path in expected if Path(path).is_file()]


def versions(plan: Plan) -> dict[str, list[str]]:
    """By package, the versions that image sets and weights were made with: one, unless the run was spread."""
    found: dict[str, set[str]] = {}
    for path in plan.expected():
        if path.endswith(".safetensors") and Path(path).is_file():
            for name, version in read_provenance(path).get("versions", {}).items():
                found.setdefault(name, set()).add(version)
    return {name: sorted(found[name]) for name in sorted(found)}


def judges(records: Records) -> list[tuple[str, str, str]]:
    """Study, judge and sha256 of its weights, each once."""
    return list(dict.fromkeys((record.study, record.judge, record.judge_sha256) for record in records.all))


def samplers(records: Records) -> list[tuple[str, str]]:
    """Study and sampler, each once."""
    return list(dict.fromkeys((record.study, record.sampler) for record in records.all))


def config_text(plan: Plan) -> str:
    """The whole configuration as YAML, defaults included."""
    values = plan.config.model_dump(mode="json")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=100)


def made_with() -> str:
    """What wrote the report itself."""
    return f"Lethe {importlib.metadata.version('lethe')}, Python {platform.python_version()}"
