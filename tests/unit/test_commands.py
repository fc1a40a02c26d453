"""The stages' commands: each can say what it takes, a kind of study imports no other, and errors are two lines."""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from lethe.unlearn import __main__ as unlearn

KINDS = {"class": "classes", "text": "text"}
OF_KINDS = ["data", "sets", "sample", "judge", "measure"]
# A text study's captions are compared with photographs, and image metrics measured, by commands of their own.
CHOICES = dict.fromkeys(OF_KINDS, KINDS) | {
    "judge": KINDS | {name: name for name in ("captions", "photographs")},
    "measure": KINDS | {name: name for name in ("captions", "metrics")},
}
FAMILIES = {
    "edm": "classes",
    "given_edm": "given_edm",
    "stable_diffusion": "stable_diffusion",
    "stable_diffusion_3": "stable_diffusion3",
    "given_stable_diffusion": "given_stable_diffusion",
    "given_stable_diffusion_3": "given_stable_diffusion3",
}
MODULES = [
    *(f"lethe.{stage}.{module}" for stage, kinds in CHOICES.items() for module in kinds.values()),
    *(f"lethe.base.{module}" for module in FAMILIES.values()),
    *(f"lethe.imported.{module}" for module in ("edm", "stable_diffusion", "stable_diffusion3")),
    "lethe.prompts",
    "lethe.unlearn.__main__",
    "lethe.card",
    "lethe.export.__main__",
    "lethe.compare.__main__",
    "lethe.artefacts.__main__",
]


def run(stage: str, *words: str | Path, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *flags, "-m", f"lethe.{stage}", *(str(word) for word in words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def kinds_imported(stage: str, *words: str) -> list[str]:
    """The kinds whose module a command of the stage has imported."""
    told = run(stage, *words, flags=("-v",)).stderr
    assert "import 'lethe.cli'" in told
    return [kind for kind, module in KINDS.items() if f"import 'lethe.{stage}.{module}'" in told]


def parsers_of(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """A parser and all its subcommands."""
    inner = [action.choices.values() for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [parser, *(below for choices in inner for choice in choices for below in parsers_of(choice))]


@pytest.mark.parametrize("name", MODULES)
def test_every_command_can_say_what_it_takes(name):
    for parser in parsers_of(importlib.import_module(name).parser()):
        text = parser.format_help()
        for action in parser._actions:
            if not isinstance(action, argparse._SubParsersAction):
                assert action.help, f"{parser.prog}: {action.dest}"
                assert all(option in text for option in action.option_strings)


@pytest.mark.parametrize(("stage", "choices"), [*CHOICES.items(), ("base", FAMILIES)])
def test_a_stage_asks_for_the_kind_of_study_or_model(stage, choices):
    listed = f"{{{','.join(choices)}}}"
    for words, status, said in ((["--help"], 0, listed), ([], 2, "kind"), (["clas"], 2, "'clas'")):
        ended = run(stage, *words)
        assert ended.returncode == status, ended.stderr
        assert said in ended.stdout + ended.stderr


def test_a_kind_of_study_imports_no_other():
    assert kinds_imported("data", "--help") == []
    for kind in KINDS:
        assert kinds_imported("data", kind, "--help") == [kind]


def test_a_wrong_value_ends_a_command_with_two_lines_and_status_2(tmp_path):
    words = ["--data", tmp_path / "none", "--target", "3", "--output", tmp_path / "sets", "--retain-per-class", "0"]
    ended = run("sets", "class", *words)
    assert ended.returncode == 2
    first, second = ended.stderr.strip().splitlines()
    assert first.startswith("python -m lethe.sets class: error: --retain-per-class '0'")
    assert second.startswith("  remedy: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("class", "esd"), ("class", "retrained"), ("text", "retrained"), ("text", "base")])
def test_what_unlearning_does_not_make_is_no_command_of_it(words, capsys):
    with pytest.raises(SystemExit):
        unlearn.parser().parse_args(words)
    assert f"invalid choice: '{words[1]}'" in capsys.readouterr().err
