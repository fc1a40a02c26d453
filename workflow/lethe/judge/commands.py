"""What the judge's commands of both kinds of study have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from lethe.cli import add_device, add_provenance, provenance
from lethe.errors import LetheError
from lethe.files import sha256_of, write_json
from lethe.judges.classifier import Classifier, save_classifier
from lethe.judges.classifier_training import held_out_accuracy
from lethe.judges.pictures import Examples
from lethe.settings.judge import JudgeSettings


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
