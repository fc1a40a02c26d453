"""What tables, figures, metrics and prompt sets are called in the report: words.yaml, read."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml

from lethe.metrics import metric_named, metric_names
from lethe.plan.study import StudyPlan
from lethe.prompts import LISTED, NEIGHBOUR

FILE = Path(__file__).with_name("words.yaml")


class Words(NamedTuple):
    tables: dict[str, str]
    figures: dict[str, tuple[str, str]]
    metrics: dict[str, str]
    prompts: dict[str, str]


@functools.cache
def _words() -> Words:
    return Words(**yaml.safe_load(FILE.read_text(encoding="utf-8")))


def number_of(name: str) -> str:
    """``Table 1`` of table1, ``Figure 4`` of figure4; empty for what is in no paper."""
    for what in ("table", "figure"):
        if name.startswith(what) and name[len(what) :].isdecimal():
            return f"{what.capitalize()} {name[len(what) :]}"
    return ""


def table_title(name: str) -> str:
    return ": ".join(filter(None, (number_of(name), _words().tables.get(name, name))))


def figure_title(name: str) -> str:
    return ": ".join(filter(None, (number_of(name), _words().figures.get(name, (name, ""))[0])))


def figure_shows(name: str) -> str:
    """What a figure shows, for a reader who cannot see it."""
    return _words().figures.get(name, ("", ""))[1]


def metric_means(metric: str) -> str:
    if metric in metric_names():
        return metric_named(metric).means
    known = _words().metrics
    released = "_as_released"
    if metric.endswith(released):
        plain = known.get(metric.removesuffix(released), "")
        return f"{plain} As the released code evaluates it." if plain else ""
    return known.get(metric) or known.get(metric.partition(":")[0], "")


def prompts_title(name: str) -> str:
    if name.startswith(NEIGHBOUR):
        return f"neighbour: {name.removeprefix(NEIGHBOUR).replace('_', ' ')}"
    if name.startswith(LISTED):
        return f"list: {name.removeprefix(LISTED).replace('_', ' ')}"
    return _words().prompts.get(name, name)


def row_titles(study: StudyPlan, variants: Iterable[str]) -> dict[str, str]:
    """Titles of rows; one that a row before bears already has its row's name beside it."""
    titles: dict[str, str] = {}
    for variant in variants:
        title = study.study.title(variant)
        titles[variant] = f"{title} ({variant})" if title in titles.values() else title
    return titles


def target_title(study: StudyPlan, target: str) -> str:
    return study.study.targets[target].title if study.kind == "text" else f"class {target}"


def known_artefacts() -> set[str]:
    return set(_words().tables) | set(_words().figures)
