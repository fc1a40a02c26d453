"""``python -m lethe.measure class``: the judge's raw outputs of one cell of a class study, as records."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from lethe.errors import LetheError
from lethe.files import read_arrays
from lethe.image_plan import one_target, rows_of
from lethe.measure import add_cell, cell_of, rate_columns
from lethe.measures.frechet import frechet_distance
from lethe.measures.kernel import kernel_distance
from lethe.measures.rates import remaining_accuracy, unlearning_accuracy
from lethe.record import Record, write_records
from lethe.settings.common import Settings
from lethe.settings.measures import MeasureSettings
from lethe.settings.options import add_options, from_options
from lethe.settings.sampling import SamplingSettings


class _Options(Settings):
    """The sampling settings say which images of a shared set belong to the target."""

    sampling: SamplingSettings = SamplingSettings()


def measure(
    judged: dict[str, np.ndarray],
    real: dict[str, np.ndarray],
    held_out: dict[str, np.ndarray],
    target: int,
    settings: MeasureSettings,
) -> list[dict[str, Any]]:
    """The metrics of one model and target, each a dictionary of a record's own columns.

    ``judged`` has features (N, d), logits (N, K + 1) and conditions (N,) of generated images; ``real`` and ``held_out``
    the same of training and of held-out images. Distances compare the images of the remaining classes with the real
    training images of these classes; ``as_released`` compares with those of all classes, as RGD's code does. The
    control is the distance between the held-out and the training images of the same classes.
    """
    confidence = settings.confidence
    rate_options = {"minimum": settings.minimum_rate, "confidence": confidence}
    logits, conditions = judged["logits"], judged["conditions"]
    metrics = [
        {"metric": "UA"} | rate_columns(unlearning_accuracy(logits, conditions, target, **rate_options), confidence),
        {"metric": "RA"} | rate_columns(remaining_accuracy(logits, conditions, target, **rate_options), confidence),
    ]
    images = judged["features"][conditions != target]
    for suffix, reference, classes in (
        ("", "training images of the remaining classes", lambda part: part["conditions"] != target),
        ("_as_released", "training images of all classes", lambda part: np.ones(len(part["conditions"]), bool)),
    ):
        training, unseen = real["features"][classes(real)], held_out["features"][classes(held_out)]
        common = {"reference": f"{len(training)} {reference}", "n": len(images), "control_n": len(unseen)}
        smallest = settings.minimum_distance
        metrics.append(
            common
            | {
                "metric": f"FD{suffix}",
                "value": frechet_distance(images, training, minimum=smallest),
                "low": None,
                "high": None,
                "interval": "",
                "control": frechet_distance(unseen, training, minimum=smallest),
            }
        )
        distance = kernel_distance(images, training, minimum=smallest)
        metrics.append(
            common
            | {
                "metric": f"KD{suffix}",
                "value": distance.value,
                "low": distance.value - 1.96 * distance.standard_error,
                "high": distance.value + 1.96 * distance.standard_error,
                "interval": "1.96 standard errors",
                "control": kernel_distance(unseen, training, minimum=smallest).value,
            }
        )
    return metrics


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(MeasureSettings, arguments)
    sampling = from_options(_Options, arguments).sampling
    judged, made = read_arrays(arguments.judged)
    real, real_made = read_arrays(arguments.real)
    held_out, _ = read_arrays(arguments.held_out)
    if made["judge_sha256"] != real_made["judge_sha256"]:
        raise LetheError(
            f"{arguments.judged} and {arguments.real} were judged by different judges", "judge both with the same one"
        )
    plan = one_target(arguments.target, len(made["classes"]), sampling)
    rows = rows_of(plan, judged["seeds"], judged["conditions"], sampling.unseeded)
    judged = {name: array[rows] for name, array in judged.items()}
    metrics = measure(judged, real, held_out, arguments.target, settings)
    common = cell_of(arguments) | {
        "prompts": "",
        "judge": made["judge"],
        "judge_sha256": made["judge_sha256"],
        "sampler": made["images"]["sampler"],
        "image_seeds": f"{judged['seeds'].min()}-{judged['seeds'].max()}",
    }
    write_records(
        arguments.output,
        (
            Record(**common, **metric, features=made["features"] if metric["control"] is not None else "")
            for metric in metrics
        ),
    )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.measure class", description=__doc__, allow_abbrev=False)
    parser.add_argument("--judged", type=Path, required=True, help="the judge's outputs on the model's images")
    parser.add_argument("--real", type=Path, required=True, help="the judge's outputs on the training images")
    parser.add_argument("--held-out", type=Path, required=True, help="the judge's outputs on the held-out images")
    parser.add_argument("--target", type=int, required=True, help="the class to forget")
    parser.add_argument("--output", type=Path, required=True, help="csv file of records to write")
    add_options(parser, MeasureSettings)
    add_options(parser, _Options)
    add_cell(parser)
    return parser
