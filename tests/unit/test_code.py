"""The modules a result depends on are all those that its command really imports, and no other method's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lethe.code import modules_behind
from lethe.methods import method_names

STAGES = [
    "lethe.data.__main__",
    "lethe.base",
    "lethe.sets",
    "lethe.unlearn",
    "lethe.sample",
    "lethe.judge",
    "lethe.measure",
]


@pytest.mark.parametrize("stage", STAGES)
def test_the_closure_holds_every_module_that_is_loaded(stage):
    """Loaded for real in a fresh interpreter, at module level; packages' empty __init__ files carry no code."""
    program = (
        f"import sys, {stage}\n"
        "print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('lethe.') and getattr(m, '__file__', 0)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {Path(name).resolve() for name in done.stdout.split()}
    loaded = {path for path in loaded if path.name != "__init__.py"}
    assert loaded
    assert loaded <= {path.resolve() for path in modules_behind(stage)}


def test_a_method_drags_in_no_other_method():
    for name in method_names():
        names = {
            path.stem for path in modules_behind("lethe.unlearn", f"lethe.methods.{name}") if "methods" in path.parts
        }
        assert names == {name, "method", "__init__"}


def test_no_stage_imports_a_later_one():
    order = ["data", "base", "sets", "unlearn", "sample", "judge", "measure", "artefacts"]
    for position, stage in enumerate(order):
        modules = modules_behind(f"lethe.{stage}.__main__" if stage in ("data", "artefacts") else f"lethe.{stage}")
        parts = {path.with_suffix("").parts[-1] for path in modules} | {path.parent.name for path in modules}
        later = set(order[position + 1 :]) & parts
        assert not later, f"{stage} imports {later}"
