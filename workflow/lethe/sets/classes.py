"""``python -m lethe.sets class`` writes the forget set D_f and the retain set D_r of one class."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
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
from lethe.similarity import Similarity, read_similarity


def balanced(data: LabelledImages, target: int, per_class: int) -> dict[int, int]:
    """How many images of D_r are of each class: ``per_class`` of each remaining one."""
    return {label: per_class for label in range(len(data.classes)) if label != target}


def nearest(data: LabelledImages, target: int, per_class: int, similarity: Similarity) -> dict[int, int]:
    """As many images as :func:`balanced` has, from the classes nearest to the target alone, in equal parts; what does
    not divide is of the nearer ones (RGD paper, Case 1 of Table 3)."""
    if similarity.names != data.classes:
        raise LetheError(
            f"the similarity is of the classes {', '.join(similarity.names)}, the data has {', '.join(data.classes)}",
            "measure the similarity of the classes of this data",
        )
    near, total = similarity.near(target), per_class * (len(data.classes) - 1)
    share, rest = divmod(total, len(near))
    return {label: share + (place < rest) for place, label in enumerate(near)}


def draw(data: LabelledImages, sizes: Mapping[int, int], per_class: int, seed: int) -> np.ndarray:
    """Indices of D_r: so many images of each class, without replacement, class by class."""
    chosen = []
    for label, size in sorted(sizes.items()):
        members = np.flatnonzero(data.conditions == label)
        if len(members) < size:
            raise LetheError(
                f"sets.retain_per_class = {per_class} takes {size} training images of class {data.classes[label]}, "
                f"which has {len(members)}",
                "ask for fewer",
            )
        generator = np.random.default_rng(derived_seed(seed, "retain set", label))
        chosen.append(np.sort(generator.choice(members, size, replace=False)))
    return np.concatenate(chosen)


def make_sets(
    data: LabelledImages, target: int, settings: SetsSettings, seed: int, similarity: Similarity | None = None
) -> Sets:
    """D_f is all images of the target. ``similarity`` of the classes is needed by the strategy ``nearest``."""
    if target not in range(len(data.classes)):
        raise LetheError(f"target {target}: the data has no such class", f"choose 0 to {len(data.classes) - 1}")
    forget = data.conditions == target
    if not forget.any():
        raise LetheError(f"target {target}: the data has no image of this class", "choose another, or other data")
    per_class = settings.retain_per_class
    if settings.strategy == "balanced":
        sizes = balanced(data, target, per_class)
    elif similarity is not None:
        sizes = nearest(data, target, per_class, similarity)
    else:
        raise LetheError("the strategy nearest needs to know which classes are near", "give --similarity")
    retain = draw(data, sizes, per_class, seed)
    return Sets(data.images[forget], data.conditions[forget], data.images[retain], data.conditions[retain], str(target))


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(SetsSettings, arguments)
    data = read_images(arguments.data)
    similarity = read_similarity(arguments.similarity) if arguments.similarity else None
    sets = make_sets(data, arguments.target, settings, arguments.seed, similarity)
    arrays = {name: value for name, value in vars(sets).items() if isinstance(value, np.ndarray)}
    labels, counts = np.unique(sets.retain_conditions, return_counts=True)
    sizes = {data.classes[label]: int(count) for label, count in zip(labels, counts, strict=True)}
    record = provenance("sets", settings, arguments, target=sets.target, seed=arguments.seed, retain_images=sizes)
    write_arrays(arguments.output, arrays, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.sets class", description=__doc__, allow_abbrev=False)
    parser.add_argument("--data", type=Path, required=True, help="training images, from the data stage")
    parser.add_argument("--similarity", type=Path, help="which classes are near, for the strategy nearest")
    parser.add_argument("--target", type=int, required=True, help="class to forget")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw of D_r [0]")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    add_options(parser, SetsSettings)
    add_provenance(parser)
    return parser
