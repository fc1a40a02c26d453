"""The judge stage: ``python -m lethe.judge train`` trains the judge, ``python -m lethe.judge apply`` lets it look at
images and keeps its raw outputs (features and logits), before any threshold."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lethe.cli import add_device, add_provenance, command, provenance
from lethe.data import LabelledImages, read_images
from lethe.device import choose_device
from lethe.errors import LetheError
from lethe.files import read_arrays, sha256_of, write_arrays, write_json
from lethe.judges.classifier import Classifier, load_classifier, noise_like, save_classifier
from lethe.randomness import BatchStream, derived_seed, step_generator
from lethe.settings.judge import JudgeSettings
from lethe.settings.options import add_options, from_options
from lethe.training import (
    ResumableState,
    one_cycle,
    restore_training_state,
    run_steps,
    training_state,
    use_threads,
)

FEATURES = "penultimate layer of the study's own classifier (not Inception: this distance is no FID)"


def _pixels(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).float() / 127.5 - 1


def train_judge(data: LabelledImages, settings: JudgeSettings, device: torch.device) -> Classifier:
    """Train on the classes of ``data`` and on noise-like images, with shifts of up to one pixel as augmentation."""
    torch.manual_seed(derived_seed(settings.seed, "initialisation"))
    classes = len(data.classes)
    classifier = Classifier(data.images.shape[1], settings.width, settings.features, classes).to(device).train()
    optimiser = torch.optim.AdamW(classifier.parameters(), lr=settings.learning_rate, weight_decay=0.02, fused=True)
    images, labels = _pixels(data.images), torch.from_numpy(data.conditions)
    noise_count = min(max(1, round(settings.noise_share * settings.batch)), settings.batch - 1)
    batches = BatchStream(len(images), settings.batch - noise_count, settings.seed, "judge")
    models_for_noise = BatchStream(len(images), noise_count, settings.seed, "noise-like")

    def step(number: int) -> Tensor:
        generator = step_generator(settings.seed, number)
        rows = torch.from_numpy(batches(number))
        noise = noise_like(images[torch.from_numpy(models_for_noise(number))], generator)
        batch = torch.cat([_shifted(images[rows], generator), noise]).to(device)
        wanted = torch.cat([labels[rows], torch.full((len(noise),), classes)]).to(device)
        loss = nn.functional.cross_entropy(classifier(batch)[1], wanted, label_smoothing=0.02)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimiser.param_groups:
            group["lr"] = one_cycle(number, settings.steps, settings.learning_rate)
        optimiser.step()
        return loss

    run_steps(
        settings.steps,
        step,
        collect=lambda: training_state(classifier, optimiser),
        restore=lambda tensors: restore_training_state(tensors, classifier, optimiser),
        state=ResumableState(None, ""),
        title="judge",
        remedy="lower judge.learning_rate",
    )
    return classifier.eval()


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Each image moved by -1, 0 or 1 pixel along each axis, black (-1) coming in."""
    height, width = images.shape[-2:]
    padded = nn.functional.pad(images, (1, 1, 1, 1), value=-1.0)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    place = torch.randint(3, (len(images), 2), generator=generator)
    return windows[torch.arange(len(images)), :, place[:, 0], place[:, 1]]


@torch.inference_mode()
def look(classifier: Classifier, images: np.ndarray, device: torch.device, batch: int = 512) -> tuple[Tensor, Tensor]:
    """Features (N, d) and logits (N, classes + 1), float32, of uint8 images (N, C, H, W)."""
    classifier = classifier.to(device)
    outputs = [classifier(_pixels(images[start : start + batch]).to(device)) for start in range(0, len(images), batch)]
    features, logits = (torch.cat(parts).cpu() for parts in zip(*outputs, strict=True))
    return features, logits


def held_out_accuracy(
    classifier: Classifier, data: LabelledImages, seed: int, device: torch.device
) -> dict[str, float]:
    """Accuracy on held-out images, on as many noise-like images made from them, and on both together."""
    noise = noise_like(_pixels(data.images), torch.Generator().manual_seed(derived_seed(seed, "held-out noise")))
    as_bytes = ((noise + 1) * 127.5).round().to(torch.uint8).numpy()
    right_real = look(classifier, data.images, device)[1].argmax(1).numpy() == data.conditions
    right_noise = look(classifier, as_bytes, device)[1].argmax(1).numpy() == len(data.classes)
    both = np.concatenate([right_real, right_noise])
    return {
        "real": float(right_real.mean()),
        "noise_like": float(right_noise.mean()),
        "all": float(both.mean()),
        "n": len(both),
    }


def train(arguments: argparse.Namespace) -> None:
    settings = from_options(JudgeSettings, arguments)
    use_threads()
    device = choose_device(arguments.device)
    data, held_out = read_images(arguments.data), read_images(arguments.held_out)
    classifier = train_judge(data, settings, device)
    accuracy = held_out_accuracy(classifier, held_out, settings.seed, device)
    if min(accuracy["real"], accuracy["all"]) < settings.accuracy:
        raise LetheError(
            f"the judge's held-out accuracy is {accuracy['real']:.3f} on real images and {accuracy['all']:.3f} with "
            f"noise-like ones, below judge.accuracy = {settings.accuracy}",
            "raise judge.steps, or accept less by lowering judge.accuracy",
        )
    record = provenance(
        "judge train",
        settings,
        arguments,
        judge=f"{data.source} classifier",
        classes=list(data.classes),
        held_out_accuracy=accuracy,
    )
    save_classifier(arguments.judge, classifier, record)
    write_json(arguments.report, {"held_out_accuracy": accuracy, "sha256": sha256_of(arguments.judge)})


def apply(arguments: argparse.Namespace) -> None:
    use_threads()
    device = choose_device(arguments.device)
    classifier, judged_by = load_classifier(arguments.judge)
    parts, made_by = zip(*(read_arrays(path) for path in arguments.images), strict=True)
    for path, part in zip(arguments.images, parts, strict=True):
        if "images" not in part:
            raise LetheError(f"{path}: holds no images", "give files of the sample stage or of the data stage")
    if len({made.get("fingerprint") for made in made_by}) > 1 or len(set(arguments.images)) < len(arguments.images):
        raise LetheError(
            f"{arguments.images[0]} and the {len(arguments.images) - 1} files after it are not the shards of one set",
            "give each shard of one image set once",
        )
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "images"}
    features, logits = look(classifier, np.concatenate([part["images"] for part in parts]), device)
    record = {
        "stage": "judge apply",
        "fingerprint": arguments.fingerprint,
        "judge": judged_by["judge"],
        "judge_sha256": sha256_of(arguments.judge),
        "classes": judged_by["classes"],
        "features": FEATURES,
        "images": made_by[0],
    }
    write_arrays(arguments.output, {"features": features.numpy(), "logits": logits.numpy(), **arrays}, record)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.judge", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="train|apply")
    training = _subcommand(commands, "train", train, "train the judge and record its held-out accuracy")
    training.add_argument("--data", type=Path, required=True, help="training images, from the data stage")
    training.add_argument("--held-out", type=Path, required=True, help="held-out images, from the data stage")
    training.add_argument("--judge", type=Path, required=True, help="safetensors file to write")
    training.add_argument("--report", type=Path, required=True, help="json file for its held-out accuracy")
    add_options(training, JudgeSettings)
    applying = _subcommand(commands, "apply", apply, "write the judge's features and logits of images")
    applying.add_argument("--judge", type=Path, required=True, help="the trained judge")
    applying.add_argument("--images", type=Path, nargs="+", required=True, help="image files: shards of one set")
    applying.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    return parser


def _subcommand(
    commands: argparse._SubParsersAction, name: str, run: Callable[[argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    subparser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    subparser.set_defaults(run=run)
    add_device(subparser)
    add_provenance(subparser)
    return subparser


if __name__ == "__main__":
    command(parser(), lambda arguments: arguments.run(arguments))
