"""``python -m lethe.measure class``: the judges' raw outputs of one cell of a class study, as records."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.image_plan import ImagePlan, one_target, rows_of
from lethe.measure import add_cell, cell_of, rate_columns
from lethe.measure.class_distances import Features, Names, distances
from lethe.measure.reference import Reference, read_reference
from lethe.measures.rates import remaining_accuracy, unlearning_accuracy
from lethe.record import Record, write_records
from lethe.settings.common import Settings
from lethe.settings.given_judges import InceptionMeasures
from lethe.settings.measures import MeasureSettings
from lethe.settings.options import add_options, from_options
from lethe.settings.sampling import SamplingSettings
from lethe.shards import read_shards

Metrics = list[dict[str, Any]]


class _Options(Settings):
    """The sampling settings say which images of a shared set belong to the target."""

    sampling: SamplingSettings = SamplingSettings()
    inception: InceptionMeasures = InceptionMeasures()


class Seen(NamedTuple):
    """What the judges have seen in images, and what is said of it."""

    arrays: dict[str, np.ndarray]
    made: dict[str, Any]

    def features(self, front_end: str) -> Features:
        """Inception's, of the images that it has looked at."""
        rows = self.arrays["inception_rows"]
        return Features(self.arrays[f"inception_{front_end}"], self.arrays["conditions"][rows])


def measure(
    judged: dict[str, np.ndarray],
    real: dict[str, np.ndarray],
    held_out: dict[str, np.ndarray],
    target: int,
    settings: MeasureSettings,
) -> Metrics:
    """What the trained classifier says of one model and target, each metric a dictionary of a record's own columns.

    ``judged`` has features (N, d), logits (N, K + 1) and conditions (N,) of generated images; ``real`` and ``held_out``
    the same of training and of held-out images.
    """
    features = [Features(part["features"], part["conditions"]) for part in (judged, real, held_out)]
    found = distances(*features, target, Names("FD", "KD"), settings.minimum_distance)
    return [*rates(judged["logits"], judged["conditions"], target, settings), *found]


def rates(
    logits: np.ndarray, conditions: np.ndarray, target: int, settings: MeasureSettings, suffix: str = ""
) -> Metrics:
    """UA and RA by the classes that a judge sees; ``suffix`` tells those of a second judge apart."""
    options = {"minimum": settings.minimum_rate, "confidence": settings.confidence}
    unlearned = unlearning_accuracy(logits, conditions, target, **options)
    remaining = remaining_accuracy(logits, conditions, target, **options)
    return [
        {"metric": f"{name}{suffix}"} | rate_columns(rate, settings.confidence)
        for name, rate in (("UA", unlearned), ("RA", remaining))
    ]


def measure_all(
    judged: Seen,
    real: Seen,
    held_out: Seen,
    target: int,
    settings: MeasureSettings,
    kernel_images: int,
    reference: Reference | None,
) -> Metrics:
    """All metrics, with who judged them. The given judges go before the trained classifier: zero-shot CLIP has UA and
    RA to itself where it is there, and Inception the distances."""
    made, arrays = judged.made, judged.arrays
    trained = {"judge": made["judge"], "judge_sha256": made["judge_sha256"]}
    own = measure(arrays, real.arrays, held_out.arrays, target, settings) if "inception" not in made else []
    own_rates = own[:2] or rates(arrays["logits"], arrays["conditions"], target, settings)
    metrics: Metrics = []
    if "zero_shot" in made:
        metrics += _judged_by(
            rates(arrays["zero_shot_logits"], arrays["conditions"], target, settings), _zero_shot(made["zero_shot"])
        )
        own_rates = [rate | {"metric": f"{rate['metric']}_classifier"} for rate in own_rates]
    metrics += _judged_by(own_rates, trained | {"features": ""})
    metrics += _judged_by(own[2:], trained | {"features": made["features"]})
    for place, front_end in enumerate(made["inception"]["front_ends"] if "inception" in made else ()):
        suffix = f"_{front_end}" if place else ""
        features = [seen.features(front_end) for seen in (judged, real, held_out)]
        names = Names(f"FID{suffix}", f"KID{suffix}")
        known = reference if reference is not None and reference.front_end == front_end else None
        found = distances(*features, target, names, settings.minimum_distance, kernel_images, known)
        metrics += _judged_by(found, _inception(made["inception"]["sha256"], front_end))
    return metrics


def _judged_by(metrics: Metrics, judge: Mapping[str, str]) -> Metrics:
    return [metric | judge for metric in metrics]


def _zero_shot(said: Mapping[str, Any]) -> dict[str, str]:
    first, *_, last = said["sentences"]
    words = f"zero-shot CLIP, {len(said['sentences'])} sentences from '{first}' to '{last}'"
    return {"judge": words, "judge_sha256": said["sha256"], "features": ""}


def _inception(sha256: str, front_end: str) -> dict[str, str]:
    features = f"2048 features of Inception, front end {front_end}"
    return {"judge": "Inception with pytorch-fid's weights", "judge_sha256": sha256, "features": features}


def of_plan(judged: Seen, plan: ImagePlan, target: int, unseeded: bool = False) -> Seen:
    """The images of a plan alone, which may be part of a set that serves every target."""
    arrays = judged.arrays
    rows = rows_of(plan, arrays["seeds"], arrays["conditions"], unseeded)
    chosen = {name: array[rows] for name, array in arrays.items() if not name.startswith("inception_")}
    if "inception_rows" in arrays:
        place = np.full(len(arrays["seeds"]), -1)
        place[arrays["inception_rows"]] = np.arange(len(arrays["inception_rows"]))
        staying = np.flatnonzero(plan.conditions != target)
        places = place[rows[staying]]
        if (places < 0).any():
            without = np.count_nonzero(places < 0)
            raise LetheError(
                f"Inception has not looked at {without} of the {len(places)} images that distances need",
                "judge the images again with --distance-images as large as the sampling setting retain_images",
            )
        seen = {name: array[places] for name, array in arrays.items() if name.startswith("inception_")}
        chosen |= seen | {"inception_rows": staying}
    return Seen(chosen, judged.made)


def _check_judges(parts: Mapping[Path, Seen]) -> None:
    """One judge of each kind has seen all; a distance across two front ends means nothing."""
    (first, one), *others = parts.items()
    for path, other in others:
        for key in ("judge_sha256", "zero_shot", "inception"):
            if one.made.get(key) != other.made.get(key):
                raise LetheError(f"{first} and {path} were judged by different judges ({key})", "judge both alike")


def main(arguments: argparse.Namespace) -> None:
    settings, options = from_options(MeasureSettings, arguments), from_options(_Options, arguments)
    sets = (arguments.judged, [arguments.real], [arguments.held_out])
    judged, real, held_out = (Seen(*read_shards(paths)) for paths in sets)
    made = judged.made
    _check_judges({paths[0]: seen for paths, seen in zip(sets, (judged, real, held_out), strict=True)})
    reference = _reference_of(arguments.reference, made.get("inception"))
    plan = one_target(arguments.target, len(made["classes"]), options.sampling)
    measured = of_plan(judged, plan, arguments.target, options.sampling.unseeded)
    seeds = measured.arrays["seeds"]
    metrics = measure_all(
        measured,
        real,
        held_out,
        arguments.target,
        settings,
        options.inception.kernel_images,
        reference,
    )
    common = cell_of(arguments) | {
        "prompts": "",
        "sampler": made["images"]["sampler"],
        "image_seeds": f"{seeds.min()}-{seeds.max()}",
    }
    write_records(arguments.output, (Record(**common, **metric) for metric in metrics))


def _reference_of(path: Path | None, inception: Mapping[str, Any] | None) -> Reference | None:
    if path is None:
        return None
    if inception is None:
        raise LetheError(f"{path}: moments of Inception, which has not seen the images", "judge them with --inception")
    reference = read_reference(path, inception["sha256"])
    if reference.front_end not in inception["front_ends"]:
        raise LetheError(
            f"{path}: its moments are of the front end {reference.front_end}, the images were seen through "
            f"{', '.join(inception['front_ends'])}",
            f"add {reference.front_end} to inception.front_ends: distances across front ends mean nothing",
        )
    return reference


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.measure class", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--judged",
        type=Path,
        nargs="+",
        required=True,
        help="the judges' outputs on the model's images, shard by shard",
    )
    parser.add_argument("--real", type=Path, required=True, help="the judges' outputs on the training images")
    parser.add_argument("--held-out", type=Path, required=True, help="the judges' outputs on the held-out images")
    parser.add_argument(
        "--reference", type=Path, help="npz with moments of Inception's features, for FID_reference [none]"
    )
    parser.add_argument("--target", type=int, required=True, help="the class to forget")
    parser.add_argument("--output", type=Path, required=True, help="csv file of records to write")
    add_options(parser, MeasureSettings)
    add_options(parser, _Options)
    add_cell(parser)
    return parser
