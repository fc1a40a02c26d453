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

DOCUMENTS = documents()
NAMES = [each.name for each in DOCUMENTS]
PRESETS = ("config.yaml", "workflow/presets/paper.yaml", "workflow/presets/doco.yaml")


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
def preset(name: str) -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8"))


def places(values: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Where a fragment may belong: at the top, in a study, among its rows, targets and sweeps, in the artefacts."""
    yield ()
    for study, own in values["studies"].items():
        yield "studies", study
        yield "studies", study, "variants"
        if own["kind"] == "text":
            yield "studies", study, "targets"
            yield from (("studies", study, "targets", target) for target in own["targets"])
    yield ("artefacts",)
    yield from (("artefacts", name) for name, shown in values["artefacts"].items() if isinstance(shown, dict) and shown)


def merged(values: Any, fragment: Any, *, whole: bool) -> Any:
    """As Snakemake lays one config file over another; ``whole`` values of keys take the place of what is there."""
    if not isinstance(fragment, dict) or not isinstance(values, dict):
        return fragment
    return values | {
        key: value if whole else merged(values.get(key), value, whole=False) for key, value in fragment.items()
    }


def faults(fragment: dict[str, Any]) -> list[str]:
    """Why it loads nowhere, the place nearest to taking it first; empty where it loads somewhere."""
    found = []
    for name in PRESETS:
        for place in places(preset(name)):
            values = copy.deepcopy(preset(name))
            if place:
                owner = functools.reduce(lambda owner, key: owner[key], place[:-1], values)
                owner[place[-1]] = merged(owner[place[-1]], fragment, whole=True)
            else:
                values = merged(values, fragment, whole=False)
            try:
                load_config(values)
            except LetheError as error:
                found.append(f"{name} {'.'.join(place)}: {error.problem}")
            else:
                return []
    return sorted(found, key=len)


def fragments(text: str) -> Iterator[dict[str, Any]]:
    """A block of several lines for one key is one of alternatives, line by line."""
    lines = [line for line in text.splitlines() if re.match(r"\w", line)]
    if len({line.partition(":")[0] for line in lines}) == len(lines):
        yield yaml.safe_load(text)
    else:
        yield from (yaml.safe_load(line) for line in lines)


CONFIGURATION = [
    pytest.param(block.text, id=f"{page.name}:{block.line}")
    for page in DOCUMENTS
    for block in page.blocks
    if block.language == "yaml"
]
# The metric of the page on adding one is not there before it is added; its own test follows the page.
NOT_YET_THERE = "metrics: [roughness]"


@pytest.mark.parametrize("text", CONFIGURATION)
def test_configuration_loads_in_its_place(text):
    if text.strip() == NOT_YET_THERE:
        pytest.skip("tests/workflow/test_add_a_metric.py adds it first")
    for fragment in fragments(text.replace("method: cagrad", "method: rgd")):
        if not faults(fragment):
            continue
        for key, value in fragment.items():  # keys of several places
            assert not (found := faults({key: value})), f"{key}: {value}\nloads nowhere; nearest:\n{found[0]}"


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
