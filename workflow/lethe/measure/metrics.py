"""``python -m lethe.measure metrics``: a study's image metrics on the images of one cell, as records.

``class`` and ``text`` are for the two kinds of study: of classes the means over the images of the forgotten class and
of the other classes are recorded, of prompts those over each prompt set.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lethe.data import read_images
from lethe.errors import LetheError
from lethe.files import read_arrays, sha256_of
from lethe.image_plan import one_target, rows_of
from lethe.measure import add_cell, cell_of
from lethe.measure.prompt_sets import estimate_columns, prompt_sets
from lethe.measures.rates import require_enough
from lethe.measures.summary import student_interval
from lethe.metrics import file_of, metric_named
from lethe.prompt_images import prompt_images
from lethe.prompts import read_prompts
from lethe.record import Record, write_records
from lethe.settings.common import Settings
from lethe.settings.measures import MeasureSettings, TextMeasureSettings
from lethe.settings.options import add_options, from_options
from lethe.settings.sampling import SamplingSettings
from lethe.settings.text_sampling import TextSamplingSettings

FORGOTTEN, OTHERS = "forget_class", "retain_class"
"""The prompt sets of a class study: images of the forgotten class, and of the others."""
Columns = dict[str, Any]


class _Classes(Settings):
    sampling: SamplingSettings = SamplingSettings()


class _Prompts(Settings):
    sampling: TextSamplingSettings = TextSamplingSettings()


def look(paths: Sequence[Path], names: Iterable[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], Columns]:
    """By metric the numbers (N,) of the images of all shards, the other arrays of the shards, and the provenance of the
    first. One shard is in memory at a time."""
    values: dict[str, list[np.ndarray]] = {name: [] for name in names}
    others: dict[str, list[np.ndarray]] = {}
    made = []
    for path in paths:
        arrays, provenance = read_arrays(path)
        images = arrays.pop("images")
        made.append(provenance)
        for name, found in values.items():
            found.append(metric_named(name).of(images))
        for name, array in arrays.items():
            others.setdefault(name, []).append(array)
    if len({one.get("fingerprint") for one in made}) > 1 or len(set(paths)) < len(paths):
        raise LetheError(
            f"{paths[0]} and the {len(paths) - 1} files after it are not the shards of one set",
            "give each shard of one image set once",
        )
    return _joined(values), _joined(others), made[0]


def _joined(parts: Mapping[str, Sequence[np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def of_classes(arguments: argparse.Namespace) -> None:
    settings, sampling = from_options(MeasureSettings, arguments), from_options(_Classes, arguments).sampling
    held_out = read_images(arguments.held_out)
    values, arrays, made = look(arguments.images, arguments.metrics)
    plan = one_target(arguments.target, len(held_out.classes), sampling)
    rows = rows_of(plan, arrays["seeds"], arrays["conditions"], sampling.unseeded)
    seeds, forgotten = arrays["seeds"][rows], plan.conditions == arguments.target
    is_target = held_out.conditions == arguments.target
    records = []
    for name, every in values.items():
        real = metric_named(name).of(held_out.images)
        for prompts, chosen, of_real in ((FORGOTTEN, forgotten, is_target), (OTHERS, ~forgotten, ~is_target)):
            require_enough(name, int(chosen.sum()), settings.minimum_rate, f"images of the set {prompts}")
            low, high = student_interval(every[rows][chosen], settings.confidence)
            columns = {
                "value": float(every[rows][chosen].mean()),
                "low": low,
                "high": high,
                "interval": f"Student's t {100 * settings.confidence:g} % over images",
                "n": int(chosen.sum()),
                "control": float(real[of_real].mean()),
                "control_n": int(of_real.sum()),
                "reference": "control: held-out real images of the same classes",
            }
            records.append(_record(arguments, name, prompts, seeds[chosen], made, columns))
    write_records(arguments.output, records)


def of_prompts(arguments: argparse.Namespace) -> None:
    settings, sampling = from_options(TextMeasureSettings, arguments), from_options(_Prompts, arguments).sampling
    prompts = read_prompts(arguments.prompts)
    plan = prompt_images(prompts, "measure", sampling)
    values, arrays, made = look(arguments.images, arguments.metrics)
    same_seeds = sampling.unseeded or np.array_equal(arrays["seeds"], plan.seeds)
    if not np.array_equal(arrays["rows"], plan.rows) or not same_seeds:
        raise LetheError(
            f"{arguments.images[0]}: its images are not those of {arguments.prompts}, in their order",
            "give every shard in order, of images drawn from these prompts with these sampling settings",
        )
    plan = plan._replace(seeds=arrays["seeds"])
    records = []
    for chosen in prompt_sets(plan, prompts, settings):
        for name, every in values.items():
            columns = estimate_columns(
                chosen.resampled.mean(every[chosen.images], settings.confidence), settings.confidence
            )
            records.append(_record(arguments, name, chosen.name, chosen.seeds, made, columns))
    write_records(arguments.output, records)


def _record(
    arguments: argparse.Namespace, name: str, prompts: str, seeds: np.ndarray, made: Columns, columns: Columns
) -> Record:
    """The judge of an image metric is its own file."""
    metric = metric_named(name)
    return Record(
        **cell_of(arguments),
        metric=name,
        prompts=prompts,
        judge=f"lethe.metrics.{name}",
        judge_sha256=sha256_of(file_of(name)),
        features=f"pixels; {metric.source}",
        sampler=made["sampler"],
        image_seeds=f"{seeds.min()}-{seeds.max()}",
        **columns,
    )


def main(arguments: argparse.Namespace) -> None:
    arguments.run(arguments)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.measure metrics", description=__doc__, allow_abbrev=False)
    kinds = parser.add_subparsers(required=True, metavar="class|text")
    classes = _kind(kinds, "class", of_classes, (MeasureSettings, _Classes))
    classes.add_argument("--target", type=int, required=True, help="the forgotten class")
    classes.add_argument("--held-out", type=Path, required=True, help="held-out real images, for the control")
    text = _kind(kinds, "text", of_prompts, (TextMeasureSettings, _Prompts))
    text.add_argument("--target", required=True, help="the target, for the record")
    text.add_argument("--prompts", type=Path, required=True, help="prompts.csv of the target")
    return parser


def _kind(
    kinds: argparse._SubParsersAction,
    name: str,
    run: Callable[[argparse.Namespace], None],
    settings: Iterable[type[Settings]],
) -> argparse.ArgumentParser:
    text = f"of a study of kind {name}"
    options = kinds.add_parser(name, help=text, description=text, allow_abbrev=False)
    options.set_defaults(run=run)
    options.add_argument("--images", type=Path, nargs="+", required=True, help="image files: the shards of one set")
    options.add_argument(
        "--metrics", nargs="+", required=True, metavar="NAME", help="names of files in workflow/lethe/metrics"
    )
    options.add_argument("--output", type=Path, required=True, help="csv file of records to write")
    for group in settings:
        add_options(options, group)
    add_cell(options)
    return options
