"""``python -m lethe.sample class``: one shard of the image set of a model of classes."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from lethe.cli import add_device, add_provenance
from lethe.errors import LetheError
from lethe.image_plan import class_images, shard_of
from lethe.models.edm import EDM
from lethe.sample import begin, system_seeds, write_images
from lethe.settings.options import add_options
from lethe.settings.sampling import SamplingSettings


def main(arguments: argparse.Namespace) -> None:
    settings, model = begin(EDM.load, SamplingSettings, arguments)
    torch.backends.cudnn.allow_tf32 = settings.tf32
    classes = model.condition_count
    if arguments.target is not None and arguments.target not in range(classes):
        raise LetheError(f"--target {arguments.target}: the model has no such class", f"choose 0 to {classes - 1}")
    plan = class_images(arguments.target, classes, settings)
    seeds, conditions = shard_of(plan, arguments.shard, settings.shard_images)
    seeds = system_seeds(len(seeds)) if settings.unseeded else seeds
    write_images(
        model,
        settings,
        arguments,
        seeds=seeds,
        conditions=torch.from_numpy(conditions),
        columns={"conditions": conditions},
        sampler=f"EDM Heun, {settings.steps} steps{', unseeded' * settings.unseeded}",
        target=arguments.target,
    )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.sample class", description=__doc__, allow_abbrev=False)
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
