"""``python -m lethe.data class`` writes a class study's real images, split into train and test."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from lethe.cli import add_provenance, provenance
from lethe.data import LabelledImages
from lethe.data.digits import digits
from lethe.files import write_arrays
from lethe.randomness import derived_seed
from lethe.settings.data import DataSettings
from lethe.settings.options import add_options, from_options

_SOURCES = {"digits": digits}


def stratified_split(data: LabelledImages, test_share: float, seed: int) -> np.ndarray:
    """Mask (N,) of the test images: the same share of each class, drawn from ``seed``."""
    test = np.zeros(len(data.conditions), dtype=bool)
    for label in range(len(data.classes)):
        members = np.flatnonzero(data.conditions == label)
        order = np.random.default_rng(derived_seed(seed, "split", label)).permutation(members)
        test[order[: round(test_share * len(members))]] = True
    return test


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(DataSettings, arguments)
    data = _SOURCES[settings.source]()
    test = stratified_split(data, settings.test_share, settings.split_seed)
    for path, mask in ((arguments.train, ~test), (arguments.test, test)):
        part = data.where(mask)
        record = provenance("data", settings, arguments, classes=list(data.classes), source=settings.source)
        write_arrays(path, {"images": part.images, "conditions": part.conditions}, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.data class", description=__doc__, allow_abbrev=False)
    parser.add_argument("--train", type=Path, required=True, help="safetensors file of training images to write")
    parser.add_argument("--test", type=Path, required=True, help="safetensors file of held-out images to write")
    add_options(parser, DataSettings)
    add_provenance(parser)
    return parser
