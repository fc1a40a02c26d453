"""``python -m lethe.base edm`` trains the model of classes that is to forget (or, with --without, one that never saw
the target: the control ``retrained``)."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from lethe.cli import add_device, add_provenance, add_state, provenance
from lethe.data import LabelledImages, read_images
from lethe.device import choose_device
from lethe.errors import LetheError
from lethe.files import sha256_of
from lethe.models.edm import EDM
from lethe.randomness import BatchStream, derived_seed, step_generator
from lethe.settings.base import BaseSettings
from lethe.settings.options import add_options, from_options
from lethe.training import OneCycleTraining, ResumableState, use_threads


def train_base(
    data: LabelledImages, settings: BaseSettings, device: torch.device, state: ResumableState
) -> tuple[EDM, dict[str, torch.Tensor]]:
    """Train on ``data`` with EDM's loss (Karras et al. 2022, Eq. 8); return the model and its averaged weights."""
    torch.manual_seed(derived_seed(settings.seed, "initialisation"))
    _, channels, size, _ = data.images.shape
    model = EDM.new(settings.network, channels, size, len(data.classes), device)
    network = model.network.train()
    training = OneCycleTraining(network, settings.steps, settings.learning_rate, settings.ema, betas=(0.9, 0.99))
    images = model.clean(torch.from_numpy(data.images))
    conditions = torch.from_numpy(data.conditions).to(device)
    batches = BatchStream(len(images), settings.batch, settings.seed, "base")

    def loss_of(number: int) -> torch.Tensor:
        generator = step_generator(settings.seed, number)
        rows = torch.from_numpy(batches(number)).to(device)
        corrupted = model.corrupt(images[rows], generator)
        return corrupted.squared_error(model.predict(corrupted, conditions[rows])).mean()

    training.run(loss_of, state=state, title="base", remedy="lower base.learning_rate")
    return model, training.average


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(BaseSettings, arguments)
    threads = use_threads()
    device = choose_device(arguments.device)
    data = read_images(arguments.data)
    if arguments.without is not None:
        if arguments.without not in range(len(data.classes)):
            raise LetheError(
                f"--without {arguments.without}: the data has no such class", f"choose 0 to {len(data.classes) - 1}"
            )
        data = data.where(np.not_equal(data.conditions, arguments.without))
    state = ResumableState(arguments.state, _training_name(settings, arguments, threads), arguments.state_seconds)
    model, average = train_base(data, settings, device, state)
    record = provenance("base", settings, arguments, without=arguments.without, classes=list(data.classes))
    model.save(arguments.model, record, average)
    state.remove()


def _training_name(settings: BaseSettings, arguments: argparse.Namespace, threads: int) -> str:
    made_from = sha256_of(arguments.data)
    return f"{arguments.fingerprint}|{settings.model_dump_json()}|{made_from}|{arguments.without}|{threads}"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.base edm", description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", type=Path, required=True, help="training images, from the data stage")
    parser.add_argument("--model", type=Path, required=True, help="model folder to write, in the format of diffusers")
    parser.add_argument("--without", type=int, metavar="CLASS", help="leave this class out of the training")
    add_state(parser)
    add_options(parser, BaseSettings)
    add_device(parser)
    add_provenance(parser)
    return parser
