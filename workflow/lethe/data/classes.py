"""``python -m lethe.data class`` writes a class study's real images, split into train and test."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from lethe.cli import add_provenance, provenance
from lethe.data import LabelledImages
from lethe.data.cifar10 import cifar10
from lethe.data.digits import digits
from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.randomness import derived_seed
from lethe.settings.data import DataSettings
from lethe.settings.options import add_options, from_options


def stratified_split(data: LabelledImages, test_share: float, seed: int) -> np.ndarray:
    """Mask (N,) of the test images: the same share of each class, drawn from ``seed``."""
    test = np.zeros(len(data.conditions), dtype=bool)
    for label in range(len(data.classes)):
        members = np.flatnonzero(data.conditions == label)
        order = np.random.default_rng(derived_seed(seed, "split", label)).permutation(members)
        test[order[: round(test_share * len(members))]] = True
    return test


def splits(settings: DataSettings, archive: Path | None) -> tuple[LabelledImages, LabelledImages]:
    """Training and held-out images; ``archive`` is for a source that is read from one."""
    if settings.source == "cifar10":
        if archive is None:
            raise LetheError("cifar10 is read from an archive", "give --file cifar-10-python.tar.gz")
        return cifar10(archive)
    data = digits()
    test = stratified_split(data, settings.test_share, settings.split_seed)
    return data.where(~test), data.where(test)


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(DataSettings, arguments)
    for path, part in zip((arguments.train, arguments.test), splits(settings, arguments.file), strict=True):
        record = provenance("data", settings, arguments, classes=list(part.classes), source=settings.source)
        write_arrays(path, {"images": part.images, "conditions": part.conditions}, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.data class", description=__doc__, allow_abbrev=False)
    parser.add_argument("--train", type=Path, required=True, help="safetensors file of training images to write")
    parser.add_argument("--test", type=Path, required=True, help="safetensors file of held-out images to write")
    parser.add_argument("--file", type=Path, help="the archive that the images are read from (cifar10)")
    add_options(parser, DataSettings)
    add_provenance(parser)
    return parser
