"""What every method must say of itself, whichever they are: a new file in lethe/methods is tested here without a word
more."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys

import pytest

from lethe.errors import LetheError
from lethe.gradients import RULES
from lethe.methods import is_control, method_named, method_names
from lethe.methods.method import KINDS, Control, Kind, Method, Recipe, settings_of
from lethe.settings.options import add_options, as_options, from_options

EVERY = method_names()
METHODS = [name for name in EVERY if isinstance(method_named(name), Method)]
CONTROLS = [name for name in EVERY if isinstance(method_named(name), Control)]
# What a difference of a method's card begins with where it is about one kind of study.
LABELS = {"class": "Classes", "text": "Text"}


def recipe_or_none(name: str, kind: Kind) -> Recipe | None:
    """A method's recipe for a kind of study, or None where it gives a reason instead."""
    recipe = {"class": method_named(name).classes, "text": method_named(name).text}[kind]
    return recipe if isinstance(recipe, Recipe) else None


RECIPES = [(name, kind) for name in METHODS for kind in KINDS if recipe_or_none(name, kind)]


@pytest.mark.parametrize("name", EVERY)
def test_the_card_says_where_the_method_comes_from(name):
    method = method_named(name)
    card = method.card
    assert card.title
    assert card.title == card.title.strip()
    assert all(difference.endswith(".") for difference in card.differences)
    if isinstance(method, Method):
        assert card.paper
        assert card.code, "name the authors' code, or say that there is none"
        if card.code.startswith("http"):
            assert card.commit, "name the commit that was read"
            assert card.licence, "name its licence, or say that none is stated"
        for kind in KINDS:
            recipe = recipe_or_none(name, kind)
            if recipe is not None and recipe.has_released_defects:
                beginnings = ("as_released: ", f"{LABELS[kind]}, as_released: ")
                assert any(difference.startswith(beginnings) for difference in card.differences), kind


def test_no_two_rows_of_a_table_have_one_title():
    titles = [method_named(name).card.title for name in EVERY]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(("name", "kind"), RECIPES + [(name, "class") for name in CONTROLS])
def test_settings_have_defaults_descriptions_and_options(name, kind):
    model = settings_of(method_named(name), kind)
    for field, info in model.model_fields.items():
        assert not info.is_required(), field
        assert info.description, field
    parser = argparse.ArgumentParser()
    add_options(parser, model)
    changed = {"steps": 12, "batch": 16, "learning_rate": 3e-3} if name in METHODS else {}
    for settings in (model(), model(**changed)):
        assert from_options(model, parser.parse_args(shlex.split(as_options(settings)))) == settings


@pytest.mark.parametrize("name", METHODS)
def test_a_kind_of_study_without_a_recipe_has_a_reason(name):
    method = method_named(name)
    assert {kind for kind in KINDS if recipe_or_none(name, kind)}, "it is for nothing"
    for kind in KINDS:
        recipe = recipe_or_none(name, kind)
        if recipe is None:
            reason = {"class": method.classes, "text": method.text}[kind]
            assert len(reason.split()) > 3
            for ask in (method.recipe, lambda kind: settings_of(method, kind)):
                with pytest.raises(LetheError) as caught:
                    ask(kind)
                assert method.card.title in caught.value.problem
                assert reason in caught.value.problem
        else:
            assert method.recipe(kind) is recipe
            assert settings_of(method, kind) is recipe.settings


@pytest.mark.parametrize(("name", "kind"), RECIPES)
def test_a_method_is_made_of_known_parts(name, kind):
    recipe = recipe_or_none(name, kind)
    assert recipe.forget is not None or recipe.retain is not None
    assert recipe.rule(recipe.settings()).name in RULES
    assert recipe.needs_conflict == (recipe.forget is not None and recipe.retain is not None)
    # No setting is for an objective that is not there.
    forgetting = {"retain_weight", "truncation", "relabel", "mask_fraction"} & recipe.settings.model_fields.keys()
    assert recipe.forget is not None or not forgetting
    # The loop reads these settings of every method.
    assert {"steps", "batch", "learning_rate", "clip_norm", "as_released"} <= recipe.settings.model_fields.keys()


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_says_who_makes_it(name):
    control = method_named(name)
    assert control.made_by in ("nothing", "base", "unlearn", "import")
    assert control.bounds == (control.made_by != "import") == is_control(name)
    assert (control.prepare is not None) == (control.made_by == "unlearn")
    assert control.made_by == "import" or not control.settings.model_fields
    assert set(control.kinds) <= set(KINDS)
    for kind in set(KINDS) - set(control.kinds):
        with pytest.raises(LetheError, match=f"{control.card.title} is not for studies of kind {kind}"):
            settings_of(control, kind)


@pytest.mark.parametrize("name", EVERY)
def test_a_method_can_be_read_without_torch(name):
    """The workflow reads every method when it plans: on a login node, and many times."""
    program = f"import sys, lethe.methods.{name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
