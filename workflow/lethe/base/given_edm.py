"""``python -m lethe.base given_edm`` makes a model folder of a checkpoint of EDM: a pickle, of which nothing is run."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from lethe.cli import add_provenance, provenance
from lethe.data import LabelledImages, read_images
from lethe.errors import LetheError
from lethe.models.ddpmpp import DDPMpp
from lethe.models.edm import EDM
from lethe.settings.method import NoSettings
from lethe.unpickling.edm import EDMCheckpoint, read_edm


def model_of(source: Path, checkpoint: EDMCheckpoint) -> EDM:
    """The model with the checkpoint's weights; LetheError where the network has not just these, of just this shape."""
    _compare(source, checkpoint)
    network = DDPMpp(**checkpoint.network)
    network.load_state_dict(checkpoint.tensors)
    return EDM(network.requires_grad_(True), checkpoint.preconditioning)


def _compare(source: Path, checkpoint: EDMCheckpoint) -> None:
    remedy = "give a DDPM++ checkpoint of EDM, as edm-cifar10-32x32-cond-vp.pkl"
    with torch.device("meta"):
        expected = {name: weight.shape for name, weight in DDPMpp(**checkpoint.network).state_dict().items()}
    for name in expected.keys() | checkpoint.tensors.keys():
        given = checkpoint.tensors.get(name)
        if name not in expected:
            raise LetheError(f"{source}: there is a weight model.{name}, which no DDPM++ has", remedy)
        if given is None:
            raise LetheError(f"{source}: there is no weight model.{name}", remedy)
        if given.shape != expected[name] or given.dtype != torch.float32:
            raise LetheError(
                f"{source}: the weight model.{name} is {tuple(given.shape)} of {given.dtype}, not "
                f"{tuple(expected[name])} of {torch.float32}",
                remedy,
            )


def _check_data(source: Path, model: EDM, path: Path, data: LabelledImages) -> None:
    classes, shape = len(data.classes), data.images.shape[1:]
    if model.condition_count != classes:
        raise LetheError(
            f"{source}: the model has {model.condition_count} classes, but {path} has {classes}",
            "give the checkpoint that was trained on this data by class (cond, not uncond)",
        )
    if model.clean_shape != shape:
        raise LetheError(
            f"{source}: the model makes images {model.clean_shape}, but those of {path} are {shape}",
            "give the checkpoint that was trained on this data",
        )


def main(arguments: argparse.Namespace) -> None:
    data = read_images(arguments.data)
    checkpoint = read_edm(arguments.source)
    model = model_of(arguments.source, checkpoint)
    _check_data(arguments.source, model, arguments.data, data)
    record = provenance(
        "base",
        NoSettings(),
        arguments,
        classes=list(data.classes),
        sha256=checkpoint.sha256,
        globals=checkpoint.asked,
        sources=checkpoint.sources,
    )
    model.save(arguments.model, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.base given_edm", description=__doc__, allow_abbrev=False)
    parser.add_argument("--source", type=Path, required=True, help="the checkpoint, as edm-cifar10-32x32-cond-vp.pkl")
    parser.add_argument(
        "--data", type=Path, required=True, help="training images, from the data stage, to compare with"
    )
    parser.add_argument("--model", type=Path, required=True, help="model folder to write, in the format of diffusers")
    add_provenance(parser)
    return parser
