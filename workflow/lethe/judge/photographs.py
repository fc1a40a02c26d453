"""``python -m lethe.judge photographs``: Inception's features of real photographs, for FID and KID on captions.

They are looked at once for all models, and read one by one: one job, in which no more than a batch is in memory.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lethe.cli import add_device, add_provenance, provenance
from lethe.device import choose_device
from lethe.files import sha256_of, write_arrays
from lethe.settings.captions import RealImages
from lethe.settings.options import add_options, from_options
from lethe.shards import whole
from lethe.training import use_threads


def main(arguments: argparse.Namespace) -> None:
    from lethe.judges.inception import load_inception, look_inception
    from lethe.judges.photographs import photograph_names, squares

    settings = from_options(RealImages, arguments)
    use_threads()
    device = choose_device(arguments.device)
    names = photograph_names(arguments.images)
    network = load_inception(arguments.weights)
    pictures = squares(arguments.images, names, settings.size)
    front_end = settings.front_end
    features = look_inception(network, pictures, [front_end], device, settings.batch, whole(len(names)))[front_end]
    record = provenance(
        "judge photographs",
        settings,
        arguments,
        weights_sha256=sha256_of(arguments.weights),
        source=arguments.images.name,
    )
    write_arrays(arguments.output, {"features": features}, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.judge photographs", description=__doc__, allow_abbrev=False)
    parser.add_argument("--images", type=Path, required=True, help="zip archive or folder of photographs")
    parser.add_argument("--weights", type=Path, required=True, help="Inception's weights")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    add_options(parser, RealImages)
    add_device(parser)
    add_provenance(parser)
    return parser
