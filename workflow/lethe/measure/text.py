"""``python -m lethe.measure text``: the judges' raw outputs of one cell of a text study, as records."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lethe.errors import LetheError
from lethe.files import write_rows
from lethe.measure import add_cell, cell_of
from lethe.measure.judged import Judged, read_judged
from lethe.measure.named import named_metrics
from lethe.measure.prompt_sets import PromptSet, estimate_columns, prompt_sets, share_columns
from lethe.measures.alignment import alignment_difference, alignment_score
from lethe.measures.attributes import kept, recognised
from lethe.measures.detections import count_by_part, threshold_curve
from lethe.prompt_images import prompt_images
from lethe.prompts import read_prompts
from lethe.record import Record, write_records
from lethe.settings.common import Settings
from lethe.settings.measures import ConceptSeen, TextMeasureSettings
from lethe.settings.options import add_options, from_options
from lethe.settings.text_sampling import TextSamplingSettings

CURVE = ("prompts", "threshold", "detections", "detected")


class _Options(Settings):
    """What other stages' settings say of the images and of the target."""

    sampling: TextSamplingSettings = TextSamplingSettings()
    concept: ConceptSeen = ConceptSeen()


def measure(
    judged: Judged,
    base: Judged | None,
    sets: Iterable[PromptSet],
    settings: TextMeasureSettings,
    concept: ConceptSeen,
) -> list[dict[str, Any]]:
    """The metrics of one cell, each a dictionary of a record's own columns, and under ``judged by`` the judge's name.

    ``judged`` and ``base`` are of the same images, into which the ``sets`` point; ``base`` is None for the base itself.
    """
    return [
        {"prompts": chosen.name, "image_seeds": f"{chosen.seeds.min()}-{chosen.seeds.max()}"} | metric
        for chosen in sets
        for metric in (
            *_alignment(judged, base, chosen, settings),
            *_detections(judged, chosen, settings, concept),
            *_attributes(judged, chosen, settings, concept),
            *named_metrics(judged, judged if base is None else base, chosen, settings, concept),
        )
    ]


def _alignment(
    judged: Judged, base: Judged | None, chosen: PromptSet, settings: TextMeasureSettings
) -> Iterator[dict[str, Any]]:
    images, prompts, confidence = chosen.images, chosen.resampled, settings.confidence
    cut = f", {count} prompts cut" if (count := judged.cut.get(chosen.name)) else ""
    shared = {"judged by": "alignment", "features": f"cosine, evaluation transform{cut}"}
    score = alignment_score(judged.similarity[images], prompts, confidence)
    yield {"metric": "AS"} | shared | estimate_columns(score, confidence)
    if base is not None:
        difference = alignment_difference(judged.similarity[images], base.similarity[images], prompts, confidence)
        columns = estimate_columns(difference, confidence) | {
            "reference": f"the base's images of the same prompts and {judged.which_seeds}"
        }
        yield {"metric": "AS_difference"} | shared | columns
    released = alignment_score(judged.similarity_as_released[images], prompts, confidence)
    columns = {"features": f"cosine, training transform{cut}"} | estimate_columns(released, confidence)
    yield {"metric": "AS_as_released"} | shared | columns


def _detections(
    judged: Judged, chosen: PromptSet, settings: TextMeasureSettings, concept: ConceptSeen
) -> Iterator[dict[str, Any]]:
    parts, confidence = judged.parts_of(concept.parts), settings.confidence
    names = [judged.parts[part] for part in parts]
    counts = count_by_part(judged.found, parts, settings.threshold)[chosen.images]
    above = f"score > {settings.threshold:g}" + ("" if judged.channels == "rgb" else f", channels {judged.channels}")
    together = {"judged by": "detector", "features": f"{above}, {' '.join(names)}"}
    total = chosen.resampled.total(counts.sum(axis=1), confidence)
    yield {"metric": "detections"} | together | estimate_columns(total, confidence)
    for name, count in zip(names, counts.T, strict=True):
        columns = {"judged by": "detector", "features": above}
        yield (
            {"metric": f"count:{name}"}
            | columns
            | estimate_columns(chosen.resampled.total(count, confidence), confidence)
        )
    if len(names) < len(judged.parts):
        every = count_by_part(judged.found, range(len(judged.parts)), settings.threshold)[chosen.images].sum(axis=1)
        columns = {"metric": "detections_all", "features": f"{above}, all {len(judged.parts)} labels"}
        estimate = chosen.resampled.total(every, confidence)
        yield {"judged by": "detector"} | columns | estimate_columns(estimate, confidence)
    yield {"metric": "detected"} | together | share_columns(counts.any(axis=1), chosen, confidence)


def _attributes(
    judged: Judged, chosen: PromptSet, settings: TextMeasureSettings, concept: ConceptSeen
) -> Iterator[dict[str, Any]]:
    if judged.attributes is None:
        if concept.attribute:
            raise LetheError(
                f"the concept is the attribute '{concept.attribute}', but no attribute judge has seen the images",
                "judge them with one, or leave the concept's attribute empty",
            )
        return
    attributes = judged.attributes[chosen.images]
    shared = {"judged by": "attributes"}
    for dimension, right in kept(attributes, judged.heads, chosen.expects).items():
        columns = {"metric": f"kept:{dimension}", "features": "as the prompt says"}
        yield shared | columns | share_columns(right, chosen, settings.confidence)
    if concept.attribute:
        seen = recognised(attributes, judged.heads, concept.attribute)
        columns = {"metric": "recognised", "features": concept.attribute}
        yield shared | columns | share_columns(seen, chosen, settings.confidence)


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(TextMeasureSettings, arguments)
    options = from_options(_Options, arguments)
    prompts = read_prompts(arguments.prompts)
    plan = prompt_images(prompts, "measure", options.sampling)
    unseeded = options.sampling.unseeded
    judged, made = read_judged(arguments.judged, plan, unseeded)
    base, base_made = read_judged(arguments.base_judged, plan, unseeded)
    plan = plan._replace(seeds=judged.seeds)
    _check_same_protocol(arguments, made, base_made)
    is_base = arguments.judged == arguments.base_judged
    sets = list(prompt_sets(plan, prompts, settings))
    metrics = measure(judged, None if is_base else base, sets, settings, options.concept)
    parts = judged.parts_of(options.concept.parts)
    curve = [
        {"prompts": chosen.name} | point._asdict()
        for chosen in sets
        for point in threshold_curve(judged.found, chosen.images, parts, settings.curve)
    ]
    common = cell_of(arguments) | {"sampler": made["images"]["sampler"]}
    records = []
    for metric in metrics:
        judge = made["judges"][metric.pop("judged by")]
        records.append(Record(**common, **metric, judge=judge["name"], judge_sha256=judge["sha256"]))
    write_rows(arguments.threshold_curve, CURVE, curve)
    write_records(arguments.output, records)


def _check_same_protocol(arguments: argparse.Namespace, made: dict[str, Any], base_made: dict[str, Any]) -> None:
    files = f"{arguments.judged[0]} and {arguments.base_judged[0]}"
    if any(made[name] != base_made[name] for name in ("judges", "channels")):
        raise LetheError(f"{files} were judged by different judges", "judge both with the same ones")
    if made.get("named") != base_made.get("named"):
        raise LetheError(f"{files} were compared with different names", "judge both with the same names")
    if made["images"]["settings"] != base_made["images"]["settings"]:
        raise LetheError(f"the images of {files} were sampled differently", "sample both with the same settings")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.measure text", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--judged",
        type=Path,
        nargs="+",
        required=True,
        help="the judges' outputs on the model's images, shard by shard",
    )
    parser.add_argument(
        "--base-judged",
        type=Path,
        nargs="+",
        required=True,
        help="those on the base's images; the same files for the base itself",
    )
    parser.add_argument("--prompts", type=Path, required=True, help="prompts.csv of the target")
    parser.add_argument("--target", required=True, help="the target, for the record")
    parser.add_argument("--output", type=Path, required=True, help="csv file of records to write")
    parser.add_argument("--threshold-curve", type=Path, required=True, help="csv file of counts by threshold to write")
    add_options(parser, TextMeasureSettings)
    add_options(parser, _Options)
    add_cell(parser)
    return parser
