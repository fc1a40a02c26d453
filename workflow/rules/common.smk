"""What several rule files use."""

from lethe.code import modules_behind
from lethe.model_files import model_files
from lethe.plan.artefacts import code_of_artefact
from lethe.settings.options import as_options


def model_output(folder, family):
    """Every file of a model folder, as outputs that must not be empty."""
    return [ensure(f"{folder}/{name}", non_empty=True) for name in model_files(family)]
