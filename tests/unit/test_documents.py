"""The documents: links lead somewhere, configuration loads, and what must be told of is told of."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from checkout import REPOSITORY
from documents import Document, document, documents

from lethe.config import load_config
from lethe.errors import LetheError
from lethe.methods import method_named, method_names
from lethe.methods.method import KINDS, Method
from lethe.metrics import metric_names
from lethe.plan import Plan

DOCUMENTS = documents()
NAMES = [each.name for each in DOCUMENTS]
PRESETS = ("config.yaml", "workflow/presets/paper.yaml", "workflow/presets/doco.yaml", "workflow/presets/lite.yaml")


@pytest.mark.parametrize("page", DOCUMENTS, ids=NAMES)
def test_links_and_images_lead_somewhere(page):
    broken = []
    for target in page.links:
        file, _, anchor = target.partition("#")
        path = (page.path.parent / file).resolve() if file else page.path
        if not path.exists():
            broken.append(target)
        elif anchor and anchor not in Document(path, path.read_text(encoding="utf-8")).anchors:
            broken.append(f"{target}: there is no such heading")
    assert not broken, f"{page.name}: {', '.join(broken)}"


def test_every_document_and_image_is_linked():
    linked = {(page.path.parent / link.partition("#")[0]).resolve() for page in DOCUMENTS for link in page.links}
    there = {path for pattern in ("*.md", "images/*") for path in (REPOSITORY / "docs").glob(pattern)}
    assert not {path.name for path in there - linked}


def test_the_index_names_every_document():
    index = set(document("docs/README.md").links)
    assert index >= {path.name for path in (REPOSITORY / "docs").glob("*.md")} - {"README.md"}


# Configuration: a fragment loads in a place of a preset, as a whole or key by key


@functools.cache
def presets() -> list[dict[str, Any]]:
    return [yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8")) for name in PRESETS]


def places(values: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Where a fragment may belong: at the top, in a study, among its rows and targets, in the artefacts."""
    yield ()
    for study, own in values.get("studies", {}).items():
        yield "studies", study
        yield "studies", study, "variants"
        if own["kind"] == "text":
            yield "studies", study, "targets"
            yield from (("studies", study, "targets", target) for target in own["targets"])
    shown = values.get("artefacts", {})
    yield from [("artefacts",)] * bool(shown)
    yield from (("artefacts", name) for name, own in shown.items() if isinstance(own, dict) and own)


def laid_over(values: Any, fragment: Any) -> Any:
    """As Snakemake lays one config file over another."""
    if not isinstance(fragment, dict) or not isinstance(values, dict):
        return fragment
    return values | {key: laid_over(values.get(key), value) for key, value in fragment.items()}


def put(values: dict[str, Any], place: tuple[str, ...], fragment: dict[str, Any]) -> dict[str, Any]:
    """A preset with the keys of a fragment at a place, in the place of those that are there."""
    if not place:
        return laid_over(values, fragment)
    values = copy.deepcopy(values)
    owner = functools.reduce(lambda owner, key: owner[key], place, values)
    owner.update(fragment)
    return values


def loaded(fragment: dict[str, Any], among: list[dict[str, Any]]) -> dict[str, Any]:
    """The first preset that loads with the fragment, in the first place that takes it. AssertionError where none does,
    with the message of the nearest."""
    is_row = all(isinstance(value, dict) and "method" in value for value in fragment.values())
    faults = []
    for values in [{"preset": ""}, *among] if "artefacts" in fragment else among:
        for place in places(values):
            if is_row and place[-1:] != ("variants",):
                continue
            changed = put(values, place, fragment)
            try:
                load_config(changed)
            except LetheError as error:
                faults.append(f"{values['preset']} {'.'.join(place)}: {error.problem}")
            else:
                return changed
    raise AssertionError(f"{fragment}\nloads nowhere; nearest:\n{min(faults, key=_farness)}")


def _farness(fault: str) -> tuple[bool, int]:
    """A place that knows no such key is farther than one that refuses its value."""
    return "there is no such key" in fault, len(fault)


def fragments(text: str) -> Iterator[dict[str, Any]]:
    """Lines that begin with one key are alternatives; other keys may belong to several places, but not those of a
    file of its own, which has studies."""
    lines = [line for line in text.splitlines() if re.match(r"\w", line)]
    if len({line.partition(":")[0] for line in lines}) < len(lines):
        yield from (yaml.safe_load(line) for line in lines)
    elif "studies" in (values := yaml.safe_load(text)):
        yield values
    else:
        yield from ({key: value} for key, value in values.items())


# The metric and the method that two pages add are not there before; tests/workflow follows these pages.
NOT_YET_THERE = ("metrics: [roughness]", "cagrad: {method: cagrad}")


@pytest.mark.parametrize("page", DOCUMENTS, ids=NAMES)
def test_configuration_loads_in_its_place(page):
    """What a page shows first is there for what it shows later: a row for the table that names it."""
    among = presets()
    for block in page.blocks:
        if block.language == "yaml" and block.text.strip() not in NOT_YET_THERE:
            for fragment in fragments(block.text):
                among = [loaded(fragment, among), *among]


# What must be told of


def test_every_metric_has_an_entry_and_no_entry_is_of_none():
    told = set(re.findall(r"^### `(\w+)`$", document("docs/numbers.md").text, re.MULTILINE))
    words = yaml.safe_load((REPOSITORY / "workflow/lethe/report/words.yaml").read_text(encoding="utf-8"))
    assert told == set(words["metrics"]) | set(metric_names())


def test_methods_with_released_defects_are_among_the_quirks():
    text = document("docs/quirks.md").text
    for name in method_names():
        method = method_named(name)
        recipes = [method.recipe(kind) for kind in KINDS if _has(method, kind)] if isinstance(method, Method) else []
        for setting in ("as_released", "mask_as_released"):
            has = [
                recipe
                for recipe in recipes
                if setting in recipe.settings.model_fields
                and (recipe.has_released_defects or setting == "mask_as_released")
            ]
            line = rf"\{{method: {name}, settings: \{{{setting}: true"
            mentioned = re.search(line, text) or (name in ("rg", "graddiff") and f"`{name}`" in text)
            assert bool(mentioned) or not has, f"docs/quirks.md has no twin of {name} with {setting}"


def _has(method: Method, kind: str) -> bool:
    return not isinstance(method.classes if kind == "class" else method.text, str)


@pytest.mark.parametrize("name", ["docs/quirks.md"])
def test_tests_that_are_named_exist(name):
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", document(name).text)
    assert len(named) > 30
    for file, test in named:
        assert f"def {test}(" in (REPOSITORY / file).read_text(encoding="utf-8"), f"{name}: {file}::{test}"


def test_every_quirk_says_what_where_and_how_it_is_shown():
    sections = re.split(r"^### ", document("docs/quirks.md").text, flags=re.MULTILINE)[1:]
    for section in sections:
        title = section.partition("\n")[0]
        for part in ("- **Code**", "- **Changes**", "- **Here**", "- **Test"):
            assert part in section, f"{title}: no {part}"


def test_the_run_matrix_is_that_of_the_preset():
    plan = Plan(load_config(yaml.safe_load((REPOSITORY / "workflow/presets/paper.yaml").read_text(encoding="utf-8"))))
    section = document("docs/paper.md").text.split("## Run matrix")[1].split("\n## ")[0]
    models: dict[str, int] = {}
    for study, count in re.findall(r"^\|[^|]*\| `(\w+)` \|[^|]*\| (\d+) \|", section, re.MULTILINE):
        models[study] = models.get(study, 0) + int(count)
    assert models == {name: len(study.unlearned) for name, study in plan.studies.items()}


def test_the_readme_shows_numbers_of_the_results():
    shown, results = document("README.md").text, document("docs/results.md").text
    rows = re.findall(r"^\| \*?([A-Za-z]+)\*? \| ([\d.| ]+)\|$", shown, re.MULTILINE)
    assert len(rows) >= 7
    for row, numbers in rows:
        own = " ".join(re.findall(rf"^\| \*?{row}D?\*?[ (].*$", results, re.MULTILINE))
        for number in re.findall(r"[\d.]+", numbers):
            assert number in own, f"README: {row} {number} is not in docs/results.md"


def test_the_readme_is_one_for_newcomers():
    assert len(Path(REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()) <= 160
