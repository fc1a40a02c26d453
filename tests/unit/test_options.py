"""Settings as command-line options, there and back."""

from __future__ import annotations

import argparse
import importlib
import inspect
import pkgutil
import shlex
import subprocess
import sys
import typing
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError

import lethe.base
import lethe.data.__main__
import lethe.judge
import lethe.sample
import lethe.sets
import lethe.settings
import lethe.unlearn
from lethe.errors import LetheError
from lethe.methods import method_named, method_names
from lethe.settings.base import BaseSettings
from lethe.settings.common import Settings
from lethe.settings.network import NetworkSettings
from lethe.settings.options import add_options, as_options, from_options
from lethe.settings.sampling import SamplingSettings

MODULES = [
    importlib.import_module(f"lethe.settings.{info.name}") for info in pkgutil.iter_modules(lethe.settings.__path__)
]
OF_STAGES = {
    cls.__name__: cls
    for module in MODULES
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, Settings) and cls is not Settings
}
OF_METHODS = {name: method_named(name).settings for name in method_names()}
STAGES = [lethe.data.__main__, lethe.base, lethe.sets, lethe.unlearn, lethe.sample, lethe.judge]


def parsed(model: type[BaseModel], words: str) -> Any:
    """What a command makes of ``words``, as a shell hands them over."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, model)
    return from_options(model, parser.parse_args(shlex.split(words)))


CANDIDATES = [1e-05, -1e-05, 1 / 3, 0.1 + 0.2, 1e22, -7, 1, 12345678, True, False, None, (3,), (1, 2, 3), "a b;'c' $d"]


def accepted(model: type[BaseModel], name: str) -> list[BaseModel]:
    """Settings that differ from the defaults in one field, for each awkward value that the field accepts."""
    annotation = model.model_fields[name].annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [model(**{name: inner}) for field in annotation.model_fields for inner in accepted(annotation, field)]
    choices = typing.get_args(annotation) if typing.get_origin(annotation) is Literal else CANDIDATES
    found = []
    for value in choices:
        try:
            found.append(model.model_validate({name: value}, strict=isinstance(value, bool)))
        except ValidationError:
            continue
    return found


@pytest.mark.parametrize("model", [*OF_STAGES.values(), *OF_METHODS.values()], ids=[*OF_STAGES, *OF_METHODS])
def test_settings_come_back_from_their_options(model):
    assert parsed(model, as_options(model())) == parsed(model, "") == model()
    for name in model.model_fields:
        values = accepted(model, name)
        assert values, f"no candidate suits {name}"
        for settings in values:
            assert parsed(model, as_options(settings)) == settings


@pytest.mark.parametrize("model", [*OF_STAGES.values(), *OF_METHODS.values()], ids=[*OF_STAGES, *OF_METHODS])
def test_every_setting_has_a_default_and_says_what_it_is(model):
    for name, field in model.model_fields.items():
        assert not field.is_required(), name
        assert field.description, name
        assert field.description.endswith("."), name


class Text(Settings):
    """A group with what no stage has yet: free text, and a group in a group."""

    prompt: str = Field("", description="A prompt.")
    base: BaseSettings = Field(default_factory=BaseSettings, description="A group.")


@pytest.mark.parametrize("prompt", ["", "van gogh", "it's", "--steps", '$HOME `ls` \\ "q"', "a=b", "none"])
def test_any_text_survives_the_shell(prompt):
    assert parsed(Text, as_options(Text(prompt=prompt))).prompt == prompt


def test_options_reach_groups_in_groups():
    settings = parsed(Text, "--base-network-widths 4,8,16 --base-steps 3")
    assert settings.base.network.widths == (4, 8, 16)
    assert settings.base.steps == 3
    assert settings.base.network.layers == NetworkSettings().layers


def test_the_workflow_can_prefix_a_group():
    words = shlex.split(as_options(SamplingSettings(steps=5), prefix="sampling."))
    parser = argparse.ArgumentParser()
    add_options(parser, SamplingSettings, prefix="sampling.")
    assert vars(parser.parse_args(words))["sampling.steps"] == "5"


def test_none_is_a_word_only_where_none_is_a_value():
    assert parsed(OF_METHODS["salun"], "--clip-norm none").clip_norm is None
    assert parsed(OF_METHODS["salun"], "--clip-norm 0.5").clip_norm == 0.5
    with pytest.raises(LetheError, match="--steps 'none'"):
        parsed(OF_METHODS["salun"], "--steps none")


@pytest.mark.parametrize(
    ("model", "words", "option", "value"),
    [
        (BaseSettings, "--steps 0", "--steps", "0"),
        (BaseSettings, "--steps many", "--steps", "many"),
        (BaseSettings, "--learning-rate nan", "--learning-rate", "nan"),
        (BaseSettings, "--learning-rate inf", "--learning-rate", "inf"),
        (BaseSettings, "--network-widths 8,x", "--network-widths", "x"),
        (BaseSettings, "--network-widths 8,0", "--network-widths", "0"),
        (BaseSettings, "--network-widths ''", "--network-widths", ""),
        (BaseSettings, "--network-p-std -1", "--network-p-std", "-1"),
        (OF_METHODS["salun"], "--clip-norm zero", "--clip-norm", "zero"),
        (OF_METHODS["salun"], "--relabel nxt", "--relabel", "nxt"),
        (OF_METHODS["salun"], "--as-released maybe", "--as-released", "maybe"),
        (OF_METHODS["random_label"], "--relabel previous", "--relabel", "previous"),
    ],
)
def test_a_bad_value_is_named_with_its_option(model, words, option, value):
    with pytest.raises(LetheError) as caught:
        parsed(model, words)
    assert caught.value.problem.startswith(f"{option} '{value}': ")


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValidationError, match="step"):
        BaseSettings(step=3)


def commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """A parser and all its subcommands."""
    inner = [action.choices.values() for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [parser, *(below for choices in inner for choice in choices for below in commands(choice))]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_every_command_can_say_what_it_takes(stage):
    for parser in commands(stage.parser()):
        text = parser.format_help()
        for action in parser._actions:
            if not isinstance(action, argparse._SubParsersAction):
                assert action.help, f"{parser.prog}: {action.dest}"
                assert all(option in text for option in action.option_strings)


def test_a_wrong_value_ends_a_command_with_two_lines_and_status_2(tmp_path):
    words = ["--data", tmp_path / "none", "--target", "3", "--output", tmp_path / "sets", "--retain-per-class", "0"]
    command = [sys.executable, "-m", "lethe.sets", *(str(word) for word in words)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    first, second = ended.stderr.strip().splitlines()
    assert "error: --retain-per-class '0'" in first
    assert second.startswith("  remedy: ")
    assert list(tmp_path.iterdir()) == []


def test_settings_can_be_read_without_torch():
    names = [*(module.__name__ for module in MODULES), *(f"lethe.methods.{name}" for name in method_names())]
    program = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
