"""``python -m lethe.judge captions``: Inception's features of the images of listed captions, for FID and KID; one shard
of a model's images."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from lethe.cli import add_device, add_provenance, provenance
from lethe.device import choose_device
from lethe.errors import LetheError, nearest
from lethe.files import sha256_of, write_arrays
from lethe.judge.images import open_images
from lethe.judge.prompt_shards import shard_of_prompts
from lethe.prompts import read_prompts
from lethe.settings.captions import RealImages
from lethe.settings.options import add_options, from_options
from lethe.training import use_threads


def main(arguments: argparse.Namespace) -> None:
    from lethe.judges.inception import FEATURES, load_inception, look_inception

    settings = from_options(RealImages, arguments)
    use_threads()
    device = choose_device(arguments.device)
    prompts = read_prompts(arguments.prompts)
    of_captions = [number for number, row in enumerate(prompts) if row.set == arguments.set]
    if not of_captions:
        raise LetheError(
            f"there are no prompts of the set {arguments.set}", nearest(arguments.set, {row.set for row in prompts})
        )
    images = open_images(arguments.images)
    if (found := images.pixels.shape[-2:]) != (settings.size, settings.size):
        raise LetheError(
            f"{images.path}: its images have {found[1]} x {found[0]} pixels, the photographs {settings.size} x "
            f"{settings.size}",
            f"say captions: {{size: {found[1]}}} and look at the photographs again",
        )
    shard, rows = shard_of_prompts(images, prompts)
    own = np.flatnonzero(np.isin(images.column("rows"), of_captions))
    seen = shard.among(np.flatnonzero(np.isin(rows, of_captions)))
    if own.size:
        network, chosen = load_inception(arguments.weights), (images.pixels[row] for row in own)
        features = look_inception(network, chosen, [settings.front_end], device, settings.batch, seen)
    else:  # a shard of other prompts: nothing to look at
        features = {settings.front_end: np.empty((0, FEATURES), np.float32)}
    record = provenance(
        "judge captions",
        settings,
        arguments,
        weights_sha256=sha256_of(arguments.weights),
        images=images.made,
        shard=shard._asdict(),
        set=arguments.set,
    )
    columns = {name: images.column(name)[own] for name in ("seeds", "rows")}
    write_arrays(arguments.output, {"features": features[settings.front_end], **columns}, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.judge captions", description=__doc__, allow_abbrev=False)
    parser.add_argument("--images", type=Path, required=True, help="image file: one shard of a set")
    parser.add_argument("--prompts", type=Path, required=True, help="prompts.csv of the target")
    parser.add_argument("--set", required=True, help="the prompt set of the captions, such as listed_coco")
    parser.add_argument("--weights", type=Path, required=True, help="Inception's weights")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    add_options(parser, RealImages)
    add_device(parser)
    add_provenance(parser)
    return parser
