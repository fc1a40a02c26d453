"""Settings as command-line options, there and back."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import pkgutil
import re
import shlex
import subprocess
import sys
import typing
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, model_validator

import lethe.settings
from lethe.errors import LetheError
from lethe.methods import method_named, method_names
from lethe.methods.method import KINDS, settings_of
from lethe.settings.base import BaseSettings
from lethe.settings.common import Settings
from lethe.settings.concept import Concept
from lethe.settings.given_text_judges import GivenAlignment, GivenDetector
from lethe.settings.judge import TextJudgeSettings
from lethe.settings.listed import ListedPrompts
from lethe.settings.network import NetworkSettings
from lethe.settings.options import add_options, as_options, from_options
from lethe.settings.sampling import SamplingSettings
from lethe.settings.text_base import LatentBaseSettings

MODULES = [
    importlib.import_module(f"lethe.settings.{info.name}") for info in pkgutil.iter_modules(lethe.settings.__path__)
]
# What only a configuration has: no command is given it option by option.
ONLY_CONFIGURED = (
    Settings,
    Concept,
    LatentBaseSettings,
    GivenAlignment,
    GivenDetector,
    ListedPrompts,
    TextJudgeSettings,
)
OF_STAGES = {
    cls.__name__: cls
    for module in MODULES
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, Settings) and cls not in ONLY_CONFIGURED
}
OF_METHODS = {}
for name in method_names():
    for kind in KINDS:
        with contextlib.suppress(LetheError):  # it has no meaning there
            OF_METHODS[f"{kind} {name}"] = settings_of(method_named(name), kind)


def parsed(model: type[BaseModel], words: str) -> Any:
    """What a command makes of ``words``, as a shell hands them over."""
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_options(parser, model)
    return from_options(model, parser.parse_args(shlex.split(words)))


NUMBERS = [1e-05, -1e-05, 1 / 3, 0.1 + 0.2, 1e22, -7, 1, 16, 17, 12345678]
LISTS = [(3,), (3, 5), (1, 2, 3), (0.25, 1 / 3), (True, False), ("a, b", "c"), ("pytorch", "tf1")]
CANDIDATES = [
    *NUMBERS,
    True,
    False,
    None,
    *LISTS,
    "a b;'c' $d",
    "it's {}",
    "a='b' $c",
    {"a_b": "it's {c}, $d", "e": ""},
]


def accepted(model: type[BaseModel], name: str) -> list[BaseModel]:
    """Settings that differ from the defaults in one field, for each awkward value that the field accepts."""
    annotation = model.model_fields[name].annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        choices = [inner for field in annotation.model_fields for inner in accepted(annotation, field)]
    else:
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


class Lists(Settings):
    """Lists and dictionaries of text, and a field without a default."""

    name: str = Field(description="A name.")
    words: tuple[str, ...] = Field((), description="Words.")
    pair: tuple[str, str] = Field(("a", "b"), description="Two words.")
    table: dict[str, tuple[str, ...]] = Field(default_factory=dict, description="Words by name.")
    layers: Layers = Field(default_factory=lambda: Layers(), description="A group.")


class Layers(Settings):
    """A group whose fields depend on each other."""

    widths: tuple[int, ...] = Field((), description="Numbers.")
    depth: int = Field(0, description="How many.")

    @model_validator(mode="after")
    def _as_many(self) -> Layers:
        if len(self.widths) != self.depth:
            raise ValueError(f"depth = {self.depth}, but {len(self.widths)} widths")
        return self


AWKWARD = [
    "",
    " ",
    "a, b",
    "[",
    "[]",
    "]",
    '"',
    "it's",
    "--words",
    "René",
    '$HOME `ls` \\ "q"',
    "{mood} a",
    "none",
    "null",
    "1",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_lists_and_dictionaries_of_any_text_survive_the_shell(text):
    for words in ((text,), (text, "b"), ("b", text), (text, text, "")):
        settings = Lists(name=text, words=words, pair=(text, "b"), table={text: words, "empty": ()})
        assert parsed(Lists, as_options(settings)) == settings


def test_an_empty_list_is_a_list():
    assert parsed(Lists, as_options(Lists(name="a", words=()))).words == ()
    assert parsed(Lists, "--name=a --words=[] --layers-widths=[]").layers.widths == ()
    assert parsed(Lists, '--name=a --words="[\\"b\\", \\"c\\"]"').words == ("b", "c")


def test_what_is_given_stands_where_there_is_no_option():
    given = Lists(name="a", words=("b", "c"), table={"d": ("e",)}, layers=Layers(widths=(1, 2), depth=2))
    parser = argparse.ArgumentParser()
    add_options(parser, Lists)
    words = ["--words=f", "--layers-widths=3,4"]
    assert from_options(Lists, parser.parse_args([]), given) == given
    changed = from_options(Lists, parser.parse_args(words), given)
    assert changed == given.model_copy(update={"words": ("f",), "layers": Layers(widths=(3, 4), depth=2)})


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("--words=a", "--name: Field required"),
        ("--name=a --table=b", r"--table 'b': not JSON \("),
        ("--name=a '--words=[b'", r"--words '\[b': not JSON \("),
        ("--name=a --pair=b", r"--pair \['b'\]: .*required"),
        ("""--name=a '--table={"b": "c"}'""", "--table 'c': .*tuple"),
        ("""--name=a '--table=["c"]'""", r"--table \['c'\]: .*dictionary"),
        ("--name=a --layers-depth=1", "depth = 1, but 0 widths"),
    ],
)
def test_a_bad_list_is_named_with_its_option(words, problem):
    with pytest.raises(LetheError) as caught:
        parsed(Lists, words)
    assert re.match(problem, caught.value.problem), caught.value.problem


def test_help_says_what_a_list_and_a_dictionary_look_like():
    parser = argparse.ArgumentParser()
    add_options(parser, Lists)
    text = " ".join(parser.format_help().split())
    assert "--name STR A name. [required]" in text
    assert "--words WORD,...|JSON Words. [[]]" in text
    assert "--table JSON Words by name. [{}]" in text
    assert "--layers-widths N,N,... Numbers. [[]]" in text


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
    assert parsed(OF_METHODS["class salun"], "--clip-norm none").clip_norm is None
    assert parsed(OF_METHODS["class salun"], "--clip-norm 0.5").clip_norm == 0.5
    with pytest.raises(LetheError, match="--steps 'none'"):
        parsed(OF_METHODS["class salun"], "--steps none")


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
        (OF_METHODS["class salun"], "--clip-norm zero", "--clip-norm", "zero"),
        (OF_METHODS["class salun"], "--relabel nxt", "--relabel", "nxt"),
        (OF_METHODS["class salun"], "--as-released maybe", "--as-released", "maybe"),
        (OF_METHODS["class random_label"], "--relabel previous", "--relabel", "previous"),
    ],
)
def test_a_bad_value_is_named_with_its_option(model, words, option, value):
    with pytest.raises(LetheError) as caught:
        parsed(model, words)
    assert caught.value.problem.startswith(f"{option} '{value}': ")


def test_an_unknown_setting_is_refused():
    with pytest.raises(ValidationError, match="step"):
        BaseSettings(step=3)


def test_settings_can_be_read_without_torch():
    names = [*(module.__name__ for module in MODULES), *(f"lethe.methods.{name}" for name in method_names())]
    program = f"import sys, {', '.join(names)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
