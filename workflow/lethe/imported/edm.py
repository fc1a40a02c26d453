"""``python -m lethe.imported edm`` takes a model of classes that others have unlearned: a folder of its network, a
state dict of it, or a pickle of EDM, of which nothing is run."""

from __future__ import annotations

import argparse
from pathlib import Path

from lethe.base.given_edm import model_of
from lethe.base.given_parts import checksums, find_weights, read_part
from lethe.files import read_provenance, sha256_of
from lethe.imported.command import parser_of, record_of
from lethe.imported.forms import form_of
from lethe.imported.overlay import check_configuration, laid_over, read_weights
from lethe.model_files import WEIGHTS
from lethe.models.edm import EDM
from lethe.settings.method import NoSettings
from lethe.settings.network import PreconditioningSettings
from lethe.unpickling.edm import read_edm


def main(arguments: argparse.Namespace) -> None:
    source, base = arguments.source, EDM.load(arguments.base)
    files = {source.name: sha256_of(source)} if source.is_file() else {}
    form = form_of(source, "edm")
    if form == "weights":
        found = read_weights(source)
    elif form == "edm":
        model = model_of(source, read_edm(source))
        _check_same_kind(source, model, base)
        found = model.network.state_dict()
    else:
        network = read_part(source, type(base.network))
        weights = find_weights(source, "diffusers")
        _check_same_kind(source, EDM(network, _preconditioning(weights.files[0], base)), base)
        found, files = network.state_dict(), checksums(source, {"": weights})
    overlay = laid_over(source, found, arguments.base / WEIGHTS)
    if form == "weights":  # of a network of the base's kind, as its names now are
        check_configuration(source, _preconditioning(source, base).model_dump(), base.settings.model_dump())
    record = record_of(arguments, NoSettings(), overlay, files, files)
    base.save(arguments.model, record, overlay.tensors)


def _preconditioning(weights: Path, base: EDM) -> PreconditioningSettings:
    """What a file of Lethe's says of it; the base's where it says nothing."""
    said = read_provenance(weights) if weights.suffix == ".safetensors" else {}
    return type(base.settings)(**said["preconditioning"]) if "preconditioning" in said else base.settings


def _check_same_kind(source: Path, model: EDM, base: EDM) -> None:
    """A network of other shapes is told when its tensors are compared."""
    if type(model.network) is type(base.network):
        check_configuration(source, model.network.config, base.network.config)
    check_configuration(source, model.settings.model_dump(), base.settings.model_dump())


def parser() -> argparse.ArgumentParser:
    return parser_of("edm", __doc__, "folder of a network, a file of its weights, or a pickle of EDM (.pkl)")
