"""The modules a result depends on are all those that its command really imports, and no other method's or kind's."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import lethe
from lethe.code import code_hash, modules_behind
from lethe.methods import method_names
from lethe.models import DENOISERS, EMBEDDERS
from lethe.plan.study import IMPORTERS
from lethe.plan.text import BASES, GIVEN_BASES

PACKAGE = Path(lethe.__file__).parent
FAMILIES = tuple(DENOISERS)


def of_stage(stage: str, family: str) -> tuple[str, ...]:
    """The modules that the plan names for a stage of a study whose models are of this family."""
    if stage == "unlearn":
        return ("lethe.unlearn.__main__", "lethe.methods.rgd", DENOISERS[family][0])
    if family == "edm":
        return (f"lethe.{stage}.classes", f"lethe.{stage}.__main__")
    if stage == "base":
        return (BASES[family], "lethe.base.__main__")
    named = {"sample": (DENOISERS[family][0],), "sets": (DENOISERS[family][0], EMBEDDERS[family])}
    return (f"lethe.{stage}.text", f"lethe.{stage}.__main__", *named.get(stage, ()))


STAGES = ["data", "base", "sets", "unlearn", "sample", "judge", "measure"]
PROMPTS, ARTEFACTS = ("lethe.prompts",), ("lethe.artefacts.__main__",)
GIVEN = [(module, "lethe.base.__main__") for module in GIVEN_BASES.values()]
IMPORTED = {family: (module, "lethe.imported.__main__") for family, module in IMPORTERS.items()}
COMMANDS = [*(of_stage(stage, family) for family in FAMILIES for stage in STAGES), *GIVEN]
COMMANDS += [*IMPORTED.values(), PROMPTS, ARTEFACTS]

# Loads each command's modules at module level, and says which files of Lethe that has loaded.
LOADING = """
import importlib, json, sys
for modules in json.loads(sys.argv[1]):
    for name in [name for name in sys.modules if name.partition(".")[0] == "lethe"]:
        del sys.modules[name]
    for name in modules:
        importlib.import_module(name)
    loaded = (module for name, module in sys.modules.items() if name.startswith("lethe."))
    print(json.dumps([module.__file__ for module in loaded if getattr(module, "__file__", None)]))
"""


def has_code(path: Path) -> bool:
    """Not so: a package that says what it is, and no more."""
    return any(not isinstance(part, ast.Expr) for part in ast.parse(path.read_text()).body)


@pytest.fixture(scope="module")
def loaded() -> dict[tuple[str, ...], set[Path]]:
    """The files that each command loads, in one fresh interpreter: torch is loaded once."""
    words = [sys.executable, "-c", LOADING, json.dumps(COMMANDS)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    files = [{Path(name).resolve() for name in json.loads(line)} for line in done.stdout.splitlines()]
    return dict(zip(COMMANDS, files, strict=True))


@pytest.mark.parametrize("modules", COMMANDS, ids=" ".join)
def test_the_closure_holds_every_module_that_is_loaded(loaded, modules):
    with_code = {path for path in loaded[modules] if has_code(path)}
    assert with_code
    assert with_code <= {path.resolve() for path in modules_behind(*modules)}


def test_the_closure_is_named_from_the_working_directory_wherever_that_is(tmp_path, monkeypatch):
    before, name = modules_behind("lethe.data.__main__"), code_hash("lethe.data.__main__")
    code_hash.cache_clear()
    monkeypatch.chdir(tmp_path)
    after = modules_behind("lethe.data.__main__")
    assert before != after
    assert all(path.is_file() and not path.is_absolute() for path in after)
    assert code_hash("lethe.data.__main__") == name


def test_a_method_drags_in_no_other_method():
    for name in method_names():
        names = {
            path.stem
            for path in modules_behind("lethe.unlearn.__main__", f"lethe.methods.{name}")
            if "methods" in path.parts
        }
        shared = {other for other in names if other.startswith("_")}  # by methods of one family
        assert names - shared == {name, "method"}


def test_a_study_of_classes_depends_on_nothing_of_text():
    """An edit of what Stable Diffusion needs must not make the class studies anew."""
    for modules in (*(of_stage(stage, "edm") for stage in STAGES), IMPORTED["edm"]):
        names = {path.stem for path in modules_behind(*modules)}
        assert not {name for name in names if name.startswith(("text", "stable_diffusion", "prompt"))}, modules


def test_a_study_of_one_stable_diffusion_depends_on_nothing_of_the_other():
    for family, others in {
        "stable_diffusion": {"stable_diffusion3", "prompts3", "packed_prompts"},
        "stable_diffusion_3": {"stable_diffusion"},
    }.items():
        for modules in (*(of_stage(stage, family) for stage in STAGES), IMPORTED[family]):
            assert not others & {path.stem for path in modules_behind(*modules)}, modules


def test_no_stage_imports_a_later_one():
    commands = {stage: [of_stage(stage, family) for family in FAMILIES] for stage in STAGES}
    commands |= {"imported": list(IMPORTED.values()), "prompts": [PROMPTS], "artefacts": [ARTEFACTS]}
    order = ["data", "base", "imported", "prompts", "sets", "unlearn", "sample", "judge", "measure", "artefacts"]
    for position, stage in enumerate(order):
        for modules in commands[stage]:
            parts = {path.resolve().relative_to(PACKAGE).with_suffix("").parts[0] for path in modules_behind(*modules)}
            assert stage in parts
            later = set(order[position + 1 :]) & parts
            assert not later, f"{' '.join(modules)} imports {later}"
