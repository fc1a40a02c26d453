"""What several rule files use."""

import shlex

from lethe.code import modules_behind
from lethe.model_files import model_files
from lethe.plan.artefacts import code_of_artefact
from lethe.settings.options import as_options


def inputs_of(*places):
    """The files to wait for before what is given can be used; their age says nothing."""
    return [path for place in places if place is not None for path in place.inputs]


def option_of(name, place):
    """The option ``name`` with where it lies what is given; nothing where nothing is."""
    return "" if place is None else f"--{name} {shlex.quote(place.path)}"


def model_output(folder, family):
    """Every file of a model folder, as outputs that must not be empty."""
    return [ensure(f"{folder}/{name}", non_empty=True) for name in model_files(family)]


def drawn_from():
    """The results that each table and figure is drawn from, by its name. Their rules are to be known already."""
    inputs = {name: [str(file) for file in getattr(rules, name).input] for name in plan.names()}
    return {name: [file for file in files if file.startswith(f"{plan.root}/")] for name, files in inputs.items()}


def those_there(results):
    """Of these results those that the workflow can give: all, or where they are published, those in the archive."""
    if published is None:
        return list(results)
    return [file for file in results if file.removeprefix(f"{plan.root}/") in published.manifest.files]
