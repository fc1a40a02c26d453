"""``python -m lethe.judge class``: ``train`` trains the judge of a class study, ``apply`` lets it and the judges
that are given (zero-shot CLIP, Inception) look at images and keeps their raw outputs, before any threshold."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from lethe.data import LabelledImages, read_images
from lethe.device import choose_device
from lethe.files import sha256_of, write_arrays
from lethe.image_plan import class_images
from lethe.judge.commands import add_training_files, keep_if_accurate, main, subcommand
from lethe.judge.given import add_given, look_given
from lethe.judge.images import Images, open_images, settings_of, shard_of_set
from lethe.judges.classifier import Classifier, load_classifier, look
from lethe.judges.classifier_training import train_classifier
from lethe.judges.pictures import Examples
from lethe.settings.judge import JudgeSettings
from lethe.settings.options import add_options, from_options
from lethe.settings.sampling import SamplingSettings
from lethe.shards import Shard, whole
from lethe.training import use_threads

__all__ = ["main", "parser"]

FEATURES = "penultimate layer of the study's own classifier (not Inception: this distance is no FID)"


def examples(data: LabelledImages) -> Examples:
    """A class study's images as a judge sees them: with one head."""
    return Examples(data.images, data.conditions[:, None], {"class": data.classes})


def train_judge(data: LabelledImages, settings: JudgeSettings, device: torch.device) -> Classifier:
    return train_classifier(examples(data), settings, device)


def train(arguments: argparse.Namespace) -> None:
    settings = from_options(JudgeSettings, arguments)
    use_threads()
    device = choose_device(arguments.device)
    data, held_out = read_images(arguments.data), read_images(arguments.held_out)
    keep_if_accurate(
        train_judge(data, settings, device),
        examples(held_out),
        settings,
        arguments,
        device,
        stage="judge train",
        group="judge",
        judge=f"{data.source} classifier",
        classes=list(data.classes),
    )


def shard_of_classes(images: Images, classes: int) -> tuple[Shard, np.ndarray]:
    """Where the images lie in their set, and the conditions (N,) of the whole set. Real images are a whole set."""
    if "shard" not in images.made:
        return whole(len(images.pixels)), images.column("conditions")
    settings = settings_of(images, SamplingSettings)
    plan = class_images(images.made["target"], classes, settings)
    return shard_of_set(images, "conditions", plan.conditions, plan.seeds, settings), plan.conditions


def apply(arguments: argparse.Namespace) -> None:
    use_threads()
    device = choose_device(arguments.device)
    classifier, judged_by = load_classifier(arguments.judge)
    classes = judged_by["classes"]
    images = open_images(arguments.images)
    shard, conditions = shard_of_classes(images, len(classes))
    features, logits = look(classifier, images.pixels, device, shard=shard)
    given, said = look_given(arguments, images.pixels, shard, conditions, classes, device)
    record = {
        "stage": "judge apply",
        "fingerprint": arguments.fingerprint,
        "judge": judged_by["judge"],
        "judge_sha256": sha256_of(arguments.judge),
        "classes": classes,
        "features": FEATURES,
        "images": images.made,
        "shard": shard._asdict(),
        **said,
    }
    seen = {"features": features.numpy(), "logits": logits.numpy(), **given}
    write_arrays(arguments.output, {**seen, **images.columns}, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.judge class", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="train|apply")
    training = subcommand(commands, "train", train, "train the judge and record its held-out accuracy")
    add_training_files(training, "safetensors file to write")
    add_options(training, JudgeSettings)
    applying = subcommand(commands, "apply", apply, "write what the judges see in images")
    applying.add_argument("--judge", type=Path, required=True, help="the trained judge")
    applying.add_argument("--images", type=Path, required=True, help="image file: real images, or one shard of a set")
    applying.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    add_given(applying)
    return parser
