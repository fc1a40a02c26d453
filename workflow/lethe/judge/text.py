"""``python -m lethe.judge text``: the judges of a text study.

``train-alignment``, ``train-detector`` and ``train-attributes`` train one each; ``apply`` lets them look at images and
keeps their raw outputs, before any threshold.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lethe.cli import provenance
from lethe.data import CaptionedImages, read_captioned
from lethe.device import choose_device
from lethe.errors import LetheError
from lethe.files import sha256_of, write_arrays
from lethe.judge.commands import add_training_files, keep_if_accurate, main, subcommand, write_report
from lethe.judge.images import open_images
from lethe.judge.prompt_shards import shard_of_prompts
from lethe.judges.classifier import load_classifier, look, predicted
from lethe.judges.classifier_training import train_classifier
from lethe.judges.pictures import Examples
from lethe.prompts import cut_by_set, may_be_cut, read_prompts
from lethe.settings.given_text_judges import DetectorReading
from lethe.settings.judge import AlignmentSettings, AttributeSettings, DetectorSettings, NamedConcepts
from lethe.settings.options import add_options, from_options
from lethe.training import use_threads

__all__ = ["main", "parser"]


def examples(data: CaptionedImages) -> Examples:
    return Examples(data.images, data.labels, data.heads)


def train_attributes(arguments: argparse.Namespace) -> None:
    settings = from_options(AttributeSettings, arguments)
    use_threads()
    device = choose_device(arguments.device)
    data, held_out = read_captioned(arguments.data), read_captioned(arguments.held_out)
    keep_if_accurate(
        train_classifier(examples(data), settings, device, border="edge", soften=True),
        examples(held_out),
        settings,
        arguments,
        device,
        stage="judge train-attributes",
        group="judges.attributes",
        judge=f"{data.source} attributes",
        heads=_as_pairs(data.heads),
    )


def train_alignment(arguments: argparse.Namespace) -> None:
    from lethe.judges import alignment, alignment_training  # open_clip takes seconds to import

    settings = from_options(AlignmentSettings, arguments)
    use_threads()
    device = choose_device(arguments.device)
    data, held_out = read_captioned(arguments.data), read_captioned(arguments.held_out)
    trained = alignment_training.train_alignment(data, settings, device)
    accuracy = alignment_training.contrast_accuracy(trained, held_out, settings.seed, device)
    for head, found in accuracy.items():
        if not found["accuracy"] >= settings.accuracy:
            raise LetheError(
                f"only {found['accuracy']:.3f} of held-out pictures are nearer to their caption than to one with "
                f"another {head}, below judges.alignment.accuracy = {settings.accuracy}",
                "raise judges.alignment.steps, or accept less by lowering judges.alignment.accuracy",
            )
    name = f"{data.source} alignment (open_clip)"
    record = provenance("judge train-alignment", settings, arguments, held_out_accuracy=accuracy, judge=name)
    alignment.save_alignment(arguments.judge, trained, record)
    write_report(arguments.report, alignment.weights_file(arguments.judge), accuracy)


def train_detector(arguments: argparse.Namespace) -> None:
    from lethe.judges import detector_training

    settings = from_options(DetectorSettings, arguments)
    use_threads()
    device = choose_device(arguments.device)
    data, held_out = read_captioned(arguments.data), read_captioned(arguments.held_out)
    network, names = detector_training.train_detector(data, settings, device)
    rates = detector_training.held_out_rates(network, held_out, settings, device)
    if not (rates["recall"] >= settings.recall and rates["false_alarms"] <= settings.false_alarms):
        raise LetheError(
            f"the detector finds {settings.concept} in {rates['recall']:.3f} of the held-out images that show it and "
            f"in {rates['false_alarms']:.3f} of the others, where judges.detector.recall = {settings.recall} and "
            f"judges.detector.false_alarms = {settings.false_alarms}",
            "raise judges.detector.steps, or accept less by these two settings",
        )
    record = provenance(
        "judge train-detector", settings, arguments, held_out_accuracy=rates, judge=f"{data.source} detector"
    )
    detector_training.save_detector(arguments.judge, network, names, record)
    write_report(arguments.report, arguments.judge, rates)


def apply(arguments: argparse.Namespace) -> None:
    from lethe.judges import alignment
    from lethe.judges.detector import load_detector

    use_threads()
    device, reading = choose_device(arguments.device), from_options(DetectorReading, arguments)
    table = read_prompts(arguments.prompts)
    prompts, listed = [row.prompt for row in table], may_be_cut(table)
    images = open_images(arguments.images)
    pixels, seeds, rows = images.pixels, images.column("seeds"), images.column("rows")
    shard, rows_of_set = shard_of_prompts(images, table)
    aligned, name = alignment.load_alignment(arguments.alignment, arguments.architecture)
    detector = load_detector(arguments.detector)
    judges = {
        "alignment": _judge(name, alignment.weights_file(arguments.alignment)),
        "detector": _judge(detector.provenance.get("judge", f"detector {arguments.detector.stem}"), arguments.detector),
    }
    texts, among = ([prompts[row] for row in some] for some in (rows, rows_of_set))
    similarity, as_released = alignment.look(
        aligned, pixels, texts, seeds, device, may_be_cut=listed, shard=shard, among=among
    )
    cut = cut_by_set(table, {text for text in listed if aligned.is_too_long(text)})
    for name_of_set, count in cut.items():
        print(f"{name_of_set}: {count} of its prompts are too long for the alignment judge, and cut")
    found = detector.detect(pixels, reading, shard=shard)
    outputs = {
        "seeds": seeds,
        "rows": rows,
        "similarity": similarity,
        "similarity_as_released": as_released,
        **{f"detection_{name}": column for name, column in found._asdict().items()},
    }
    record: dict[str, Any] = {
        "parts": list(detector.parts),
        "smallest_score": reading.smallest_score,
        "channels": reading.channels,
        "cut": cut,
        "judges": judges,
    }
    if names := from_options(NamedConcepts, arguments).texts():
        outputs["named"] = alignment.compare_with_names(aligned, pixels, list(names.values()), device, shard=shard)
        record["named"] = [list(name) for name in names.items()]
    if arguments.attributes is not None:
        classifier, judged_by = load_classifier(arguments.attributes)
        features, logits = look(classifier, pixels, device, shard=shard)
        outputs |= {"attributes": predicted(classifier, logits), "features": features.numpy()}
        record["heads"] = judged_by["heads"]
        judges["attributes"] = _judge(judged_by["judge"], arguments.attributes)
    record |= {"stage": "judge apply", "fingerprint": arguments.fingerprint, "images": images.made}
    record["shard"] = shard._asdict()
    write_arrays(arguments.output, outputs, record)


def _judge(name: str, weights: Path) -> dict[str, str]:
    return {"name": name, "sha256": sha256_of(weights)}


def _as_pairs(heads: dict[str, tuple[str, ...]]) -> list[list[Any]]:
    """The order of the heads is that of the columns of ``attributes``; the keys of an object have none."""
    return [[head, list(classes)] for head, classes in heads.items()]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.judge text", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="train-alignment|train-detector|train-attributes|apply")
    training = {
        "alignment": (train_alignment, AlignmentSettings, "how well an image fits its prompt", "folder to write"),
        "detector": (train_detector, DetectorSettings, "where an image shows the concept", "ONNX file to write"),
        "attributes": (train_attributes, AttributeSettings, "what is in an image", "safetensors file to write"),
    }
    for name, (run, settings, what, output) in training.items():
        options = subcommand(commands, f"train-{name}", run, f"train the judge of {what}, and record how good it is")
        add_training_files(options, output)
        add_options(options, settings)
    applying = subcommand(commands, "apply", apply, "write the judges' outputs on images")
    applying.add_argument(
        "--alignment", type=Path, required=True, help="folder of an open_clip model, or its weights with --architecture"
    )
    applying.add_argument("--architecture", help="what open_clip calls the model whose weights are given [a folder]")
    applying.add_argument("--detector", type=Path, required=True, help="ONNX file of the detector")
    applying.add_argument("--attributes", type=Path, help="the judge of attributes [none]")
    applying.add_argument("--prompts", type=Path, required=True, help="prompts.csv of the target")
    applying.add_argument("--images", type=Path, required=True, help="image file: one shard of a set")
    applying.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    add_options(applying, DetectorReading)
    add_options(applying, NamedConcepts)
    return parser
