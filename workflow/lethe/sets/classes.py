"""``python -m lethe.sets class`` writes the forget set D_f and the retain set D_r of one class."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from lethe.cli import add_provenance, provenance
from lethe.data import LabelledImages, read_images
from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.randomness import derived_seed
from lethe.sets import Sets
from lethe.settings.options import add_options, from_options
from lethe.settings.sets import SetsSettings


def balanced(data: LabelledImages, target: int, per_class: int, seed: int) -> np.ndarray:
    """Indices of D_r: ``per_class`` images of each remaining class, without replacement, class by class."""
    chosen = []
    for label, name in enumerate(data.classes):
        if label == target:
            continue
        members = np.flatnonzero(data.conditions == label)
        if len(members) < per_class:
            raise LetheError(
                f"sets.retain_per_class = {per_class}, but class {name} has {len(members)} training images",
                "ask for fewer",
            )
        generator = np.random.default_rng(derived_seed(seed, "retain set", label))
        chosen.append(np.sort(generator.choice(members, per_class, replace=False)))
    return np.concatenate(chosen)


_STRATEGIES = {"balanced": balanced}


def make_sets(data: LabelledImages, target: int, settings: SetsSettings, seed: int) -> Sets:
    if target not in range(len(data.classes)):
        raise LetheError(f"target {target}: the data has no such class", f"choose 0 to {len(data.classes) - 1}")
    forget = data.conditions == target
    if not forget.any():
        raise LetheError(f"target {target}: the data has no image of this class", "choose another, or other data")
    retain = _STRATEGIES[settings.strategy](data, target, settings.retain_per_class, seed)
    return Sets(data.images[forget], data.conditions[forget], data.images[retain], data.conditions[retain], str(target))


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(SetsSettings, arguments)
    sets = make_sets(read_images(arguments.data), arguments.target, settings, arguments.seed)
    arrays = {name: value for name, value in vars(sets).items() if isinstance(value, np.ndarray)}
    record = provenance("sets", settings, arguments, target=sets.target, seed=arguments.seed)
    write_arrays(arguments.output, arrays, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.sets class", description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", type=Path, required=True, help="training images, from the data stage")
    parser.add_argument("--target", type=int, required=True, help="class to forget")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw of D_r [0]")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    add_options(parser, SetsSettings)
    add_provenance(parser)
    return parser
