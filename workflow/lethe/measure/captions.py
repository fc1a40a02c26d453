"""``python -m lethe.measure captions``: FID and KID of a model's images of captions to real photographs, as records.

The mean CLIP score of the same images (AS) is in the cell's other records, like that of every prompt set.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from lethe.errors import LetheError
from lethe.files import read_arrays
from lethe.measure import add_cell, cell_of
from lethe.measure.distance_columns import NO_INTERVAL, kernel_columns
from lethe.measures.frechet import frechet_distance
from lethe.record import Record, write_records
from lethe.settings.captions import RealImages
from lethe.settings.given_judges import InceptionMeasures
from lethe.settings.options import add_options, from_options
from lethe.shards import read_shards


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
    settings = from_options(InceptionMeasures, arguments)
    real, seen = read_arrays(arguments.real)
    judged, made = read_shards(arguments.judged)
    for path, arrays, said in ((arguments.real, real, seen), (arguments.judged[0], judged, made)):
        if "features" not in arrays or "weights_sha256" not in said:
            raise LetheError(
                f"{path}: no features of Inception", "make them with python -m lethe.judge photographs and captions"
            )
    for name in ("weights_sha256", "settings"):
        if seen[name] != made[name]:
            raise LetheError(
                f"{arguments.real} and {arguments.judged[0]}: Inception looked in different ways ({name})",
                "look at both kinds of images with the same weights and settings",
            )
    how = RealImages(**seen["settings"])
    which = f"photographs of {seen['source']}, middle square, bicubic to {how.size} pixels"
    found = distances(judged["features"], real["features"], arguments.minimum_distance, settings.kernel_images, which)
    common = cell_of(arguments) | {
        "prompts": made["set"],
        "judge": "Inception with pytorch-fid's weights",
        "judge_sha256": made["weights_sha256"],
        "features": f"2048 features of Inception, front end {how.front_end}",
        "sampler": made["images"]["sampler"],
        "image_seeds": f"{judged['seeds'].min()}-{judged['seeds'].max()}",
    }
    write_records(arguments.output, [Record(**common, **columns) for columns in found])


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.measure captions", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--judged",
        type=Path,
        nargs="+",
        required=True,
        help="features of the captions' images, shard by shard: python -m lethe.judge captions",
    )
    parser.add_argument(
        "--real", type=Path, required=True, help="features of photographs: python -m lethe.judge photographs"
    )
    parser.add_argument("--minimum-distance", type=int, default=100, help="fewest images in either set [100]")
    parser.add_argument("--target", required=True, help="the target, for the record")
    parser.add_argument("--output", type=Path, required=True, help="csv file of records to write")
    add_options(parser, InceptionMeasures)
    add_cell(parser)
    return parser
