"""The sample stage: ``python -m lethe.sample`` draws one shard of a model's image set."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lethe.cli import add_device, add_provenance, command, provenance
from lethe.device import choose_device
from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.image_plan import all_classes, one_target, shard_of
from lethe.models.edm import EDM
from lethe.settings.options import add_options, from_options
from lethe.settings.sampling import SamplingSettings
from lethe.training import use_threads


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(SamplingSettings, arguments)
    threads = use_threads()
    model = EDM.load(arguments.model, choose_device(arguments.device))
    classes = model.condition_count
    if arguments.target is not None and arguments.target not in range(classes):
        raise LetheError(f"--target {arguments.target}: the model has no such class", f"choose 0 to {classes - 1}")
    plan = (
        all_classes(classes, settings) if arguments.target is None else one_target(arguments.target, classes, settings)
    )
    seeds, conditions = shard_of(plan, arguments.shard, settings.shard_images)
    with tqdm(total=len(seeds), desc="sample", unit="image", disable=None) as bar:
        images = model.sample(
            seeds.tolist(),
            conditions.tolist(),
            steps=settings.steps,
            sigma_min=settings.sigma_min,
            sigma_max=settings.sigma_max,
            rho=settings.rho,
            kernel_batch=settings.kernel_batch,
            progress=bar.update,
        )
    record = provenance(
        "sample",
        settings,
        arguments,
        target=arguments.target,
        shard=arguments.shard,
        sampler=f"EDM Heun, {settings.steps} steps, kernel batch {settings.kernel_batch}, "
        f"{model.device.type}, {threads} thread{'s' if threads > 1 else ''}",
    )
    arrays = {"images": images.numpy(), "seeds": seeds.astype(np.int64), "conditions": conditions.astype(np.int64)}
    write_arrays(arguments.output, arrays, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.sample", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument(
        "--target", type=int, help="the forgotten class, of which more images are drawn; without it, of every class"
    )
    parser.add_argument("--shard", type=int, default=0, help="which shard of the image set [0]")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    add_options(parser, SamplingSettings)
    add_device(parser)
    add_provenance(parser)
    return parser


if __name__ == "__main__":
    command(parser(), main)
