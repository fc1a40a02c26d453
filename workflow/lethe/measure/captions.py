"""``python -m lethe.measure captions``: FID and KID of a model's images of captions to real photographs, as records.

The mean CLIP score of the same images (AS) is in the cell's other records, like that of every prompt set.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lethe.cli import add_device
from lethe.device import choose_device
from lethe.errors import LetheError, nearest
from lethe.files import read_arrays, sha256_of
from lethe.measure import add_cell, cell_of
from lethe.measure.distance_columns import NO_INTERVAL, kernel_columns
from lethe.measures.frechet import frechet_distance
from lethe.prompts import PromptRow, read_prompts
from lethe.record import Record, write_records
from lethe.settings.captions import RealImages
from lethe.settings.given_judges import InceptionMeasures
from lethe.settings.options import add_options, from_options
from lethe.training import use_threads


class Images(NamedTuple):
    """Images of one prompt set: for each shard its path and which of its images they are, their seeds (N,), and the
    provenance of the first shard."""

    places: list[tuple[Path, np.ndarray]]
    seeds: np.ndarray
    made: dict[str, Any]

    def stream(self, size: int) -> Iterator[np.ndarray]:
        """uint8 (C, size, size) each, one shard in memory; LetheError for images of another size."""
        for path, chosen in self.places:
            images = read_arrays(path, only=["images"])[0]["images"]
            if images.shape[-2:] != (size, size):
                height, width = images.shape[-2:]
                raise LetheError(
                    f"{path}: its images have {width} x {height} pixels, the photographs {size} x {size}",
                    f"say captions: {{size: {width}}} and look at the photographs again",
                )
            yield from images[chosen]


def images_of(shards: Sequence[Path], prompts: Sequence[PromptRow], name: str) -> Images:
    """The images of the prompt set ``name``: of each of its prompts equally many, at least one."""
    rows = [number for number, row in enumerate(prompts) if row.set == name]
    if not rows:
        raise LetheError(f"there are no prompts of the set {name}", nearest(name, {row.set for row in prompts}))
    places, seeds, of_rows, made = [], [], [], []
    for path in shards:
        arrays, provenance = read_arrays(path, only=["rows", "seeds"])
        chosen = np.flatnonzero(np.isin(arrays["rows"], rows))
        made.append(provenance)
        if chosen.size:
            places.append((path, chosen))
            seeds.append(arrays["seeds"][chosen])
            of_rows += arrays["rows"][chosen].tolist()
    counts = np.bincount(np.array(of_rows, np.int64), minlength=len(prompts))[rows]
    if counts.min() == 0 or counts.min() < counts.max() or len({one.get("fingerprint") for one in made}) > 1:
        raise LetheError(
            f"{shards[0]} and the {len(shards) - 1} files after it have {counts.min()} to {counts.max()} images of "
            f"each prompt of {name}, or are of several models",
            "give every shard of one image set once, drawn from these prompts",
        )
    return Images(places, np.concatenate(seeds), made[0])


def distances(
    features: np.ndarray, real: np.ndarray, minimum: int, kernel_images: int, which: str
) -> list[dict[str, Any]]:
    """FID and KID of features (N, d) to those of photographs (M, d), which are called ``which``; each a dictionary of a
    record's columns."""
    value = frechet_distance(features, real, minimum=minimum)
    frechet = {"value": value, "n": len(features), "reference": f"{len(real)} {which}"}
    return [
        {"metric": "FID"} | frechet | NO_INTERVAL | {"control": None, "control_n": None},
        {"metric": "KID"} | kernel_columns(features, real, which, minimum, kernel_images),
    ]


def main(arguments: argparse.Namespace) -> None:
    from lethe.judges.inception import load_inception, look_inception

    settings = from_options(InceptionMeasures, arguments)
    use_threads()
    device = choose_device(arguments.device)
    arrays, seen = read_arrays(arguments.real)
    if "features" not in arrays or "weights_sha256" not in seen:
        raise LetheError(
            f"{arguments.real}: no features of photographs", "make them with python -m lethe.judge captions"
        )
    digest, how = sha256_of(arguments.weights), RealImages(**seen["settings"])
    if digest != seen["weights_sha256"]:
        raise LetheError(
            f"{arguments.real}: features of Inception with the weights {seen['weights_sha256'][:12]}, but "
            f"{arguments.weights} is {digest[:12]}",
            "look at both kinds of images with the same weights",
        )
    images = images_of(arguments.images, read_prompts(arguments.prompts), arguments.set)
    network = load_inception(arguments.weights)
    front_end, seen_images = how.front_end, images.stream(how.size)
    features = look_inception(network, seen_images, [front_end], device, how.batch, count=len(images.seeds))[front_end]
    real = arrays["features"]
    which = f"photographs of {seen['source']}, middle square, bicubic to {how.size} pixels"
    found = distances(features, real, arguments.minimum_distance, settings.kernel_images, which)
    common = cell_of(arguments) | {
        "prompts": arguments.set,
        "judge": "Inception with pytorch-fid's weights",
        "judge_sha256": digest,
        "features": f"2048 features of Inception, front end {how.front_end}",
        "sampler": images.made["sampler"],
        "image_seeds": f"{images.seeds.min()}-{images.seeds.max()}",
    }
    write_records(arguments.output, [Record(**common, **columns) for columns in found])


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.measure captions", description=__doc__, allow_abbrev=False)
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="image files: shards of one set")
    parser.add_argument("--prompts", type=Path, required=True, help="prompts.csv of the target")
    parser.add_argument("--set", required=True, help="the prompt set of the captions, such as listed_coco")
    parser.add_argument(
        "--real", type=Path, required=True, help="features of photographs: python -m lethe.judge captions"
    )
    parser.add_argument("--weights", type=Path, required=True, help="Inception's weights")
    parser.add_argument("--minimum-distance", type=int, default=100, help="fewest images in either set [100]")
    parser.add_argument("--target", required=True, help="the target, for the record")
    parser.add_argument("--output", type=Path, required=True, help="csv file of records to write")
    add_options(parser, InceptionMeasures)
    add_device(parser)
    add_cell(parser)
    return parser
