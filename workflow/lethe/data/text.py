"""``python -m lethe.data text`` draws a text study's captioned pictures: training and held-out ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from lethe.cli import add_provenance, provenance
from lethe.data.shapes import HEADS, captioned
from lethe.files import as_bytes, write_arrays
from lethe.randomness import derived_seed
from lethe.settings.options import add_options, from_options
from lethe.settings.text_data import TextDataSettings


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(TextDataSettings, arguments)
    for split, count in (("train", settings.train_images), ("test", settings.test_images)):
        part = captioned(count, derived_seed(settings.seed, split))
        arrays = {
            "images": part.pictures.images,
            "labels": part.pictures.labels,
            "boxes": part.pictures.boxes,
            "captions": as_bytes(part.captions),
        }
        # As pairs: the order of the heads is that of the labels' columns.
        heads = [[head, list(classes)] for head, classes in HEADS.items()]
        record = provenance("data", settings, arguments, source=settings.source, heads=heads)
        write_arrays(getattr(arguments, split), arrays, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.data text", description=__doc__, allow_abbrev=False)
    parser.add_argument("--train", type=Path, required=True, help="safetensors file of training pictures to write")
    parser.add_argument("--test", type=Path, required=True, help="safetensors file of held-out pictures to write")
    add_options(parser, TextDataSettings)
    add_provenance(parser)
    return parser
