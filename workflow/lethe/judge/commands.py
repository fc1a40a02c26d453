"""What the judge's commands of both kinds of study have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lethe.cli import add_device, add_provenance, provenance
from lethe.errors import LetheError
from lethe.files import read_arrays, read_provenance, sha256_of, write_json
from lethe.judges.classifier import Classifier, save_classifier
from lethe.judges.classifier_training import held_out_accuracy
from lethe.judges.pictures import Examples
from lethe.settings.judge import JudgeSettings


def read_image_set(paths: Sequence[Path]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The shards of one image set as one set of arrays, and the provenance of the first. Only one shard is in memory
    besides: a set of large images has gigabytes."""
    made_by = [read_provenance(path) for path in paths]
    if len({made.get("fingerprint") for made in made_by}) > 1 or len(set(paths)) < len(paths):
        raise LetheError(
            f"{paths[0]} and the {len(paths) - 1} files after it are not the shards of one set",
            "give each shard of one image set once",
        )
    ends = np.cumsum([_image_count(path) for path in paths])
    first = read_arrays(paths[0])[0]
    if len(paths) == 1:
        return first, made_by[0]
    whole = {name: np.empty((ends[-1], *array.shape[1:]), array.dtype) for name, array in first.items()}
    for path, end in zip(paths, ends, strict=True):
        for name, array in read_arrays(path)[0].items():
            whole[name][end - len(array) : end] = array
    return whole, made_by[0]


def _image_count(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as stream:
        if "images" not in stream.keys():  # noqa: SIM118 - not a mapping
            raise LetheError(f"{path}: holds no images", "give files of the sample stage or of the data stage")
        return stream.get_slice("images").get_shape()[0]


def keep_if_accurate(
    classifier: Classifier,
    held_out: Examples,
    settings: JudgeSettings,
    arguments: argparse.Namespace,
    device: torch.device,
    *,
    stage: str,
    group: str,
    **record: Any,
) -> None:
    """Measure a trained classifier, and write it with its report unless a head is below ``settings.accuracy``.

    ``group`` is what the configuration calls its settings, for the message.
    """
    accuracy = held_out_accuracy(classifier, held_out, settings.seed, device)
    for head, found in accuracy.items():
        if not min(found["real"], found["all"]) >= settings.accuracy:
            raise LetheError(
                f"the judge's held-out accuracy on {head} is {found['real']:.3f} on real images and {found['all']:.3f} "
                f"with noise-like ones, below {group}.accuracy = {settings.accuracy}",
                f"raise {group}.steps, or accept less by lowering {group}.accuracy",
            )
    made = provenance(stage, settings, arguments, held_out_accuracy=accuracy, **record)
    save_classifier(arguments.judge, classifier, made)
    write_report(arguments.report, arguments.judge, accuracy)


def write_report(path: Path, judge: Path, accuracy: dict[str, Any]) -> None:
    """The held-out accuracy of the judge whose weights are the file ``judge``."""
    write_json(path, {"held_out_accuracy": accuracy, "sha256": sha256_of(judge)})


def subcommand(
    commands: argparse._SubParsersAction, name: str, run: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    subparser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    subparser.set_defaults(run=run)
    add_device(subparser)
    add_provenance(subparser)
    return subparser


def add_training_files(training: argparse.ArgumentParser, judge: str) -> None:
    training.add_argument("--data", type=Path, required=True, help="training images, from the data stage")
    training.add_argument("--held-out", type=Path, required=True, help="held-out images, from the data stage")
    training.add_argument("--judge", type=Path, required=True, help=judge)
    training.add_argument("--report", type=Path, required=True, help="json file for its held-out accuracy")


def main(arguments: argparse.Namespace) -> None:
    arguments.run(arguments)
