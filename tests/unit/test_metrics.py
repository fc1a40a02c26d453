"""Image metrics: each looks at one image at a time; their records, their table, and what is refused."""

from __future__ import annotations

import argparse
import csv
import functools
import math
import statistics
from pathlib import Path

import numpy as np
import pytest
import yaml

import lethe.artefacts.metrics
import lethe.measure.metrics
import lethe.metrics.colourfulness
from lethe.artefacts.typeset import decimals_of, number
from lethe.config import load_config
from lethe.errors import LetheError
from lethe.files import sha256_of, write_arrays
from lethe.image_plan import all_classes
from lethe.metrics import metric_named, metric_names
from lethe.metrics.metric import ImageMetric
from lethe.plan import Cell, Plan
from lethe.prompt_images import prompt_images
from lethe.prompts import PromptRow, write_prompts
from lethe.record import Record, read_records
from lethe.settings.sampling import SamplingSettings
from lethe.settings.text_sampling import TextSamplingSettings

CLASSES = SamplingSettings(forget_images=30, retain_images=15)
PROMPTS = TextSamplingSettings(train_prompts=3, images_per_prompt=2)


def noise(count: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(count, channels, 6, 5), dtype=np.uint8)


@pytest.mark.parametrize("name", metric_names())
@pytest.mark.parametrize("channels", [1, 3])
def test_the_number_of_an_image_depends_on_that_image_alone(name, channels):
    metric, images = metric_named(name), noise(7, channels)
    every = metric.of(images)
    np.testing.assert_array_equal(metric.of(images[::-1]), every[::-1])
    np.testing.assert_array_equal([metric.of(image[None])[0] for image in images], every)
    assert metric.title
    assert metric.means.endswith(".")
    assert metric.source


def test_colourfulness_is_the_papers_formula():
    image = noise(1)[0]
    pixels = [tuple(map(int, image[:, y, x])) for y in range(6) for x in range(5)]
    opponents = [r - g for r, g, _ in pixels], [(r + g) / 2 - b for r, g, b in pixels]
    spread, centre = (math.hypot(*map(of, opponents)) for of in (statistics.pstdev, statistics.fmean))
    assert metric_named("colourfulness").of(image[None])[0] == pytest.approx(spread + 0.3 * centre, rel=1e-12)


@pytest.mark.parametrize("values", [[1.0, 2.0], [math.nan], [[1.0]]])
def test_a_metric_gives_one_finite_number_for_each_image(values):
    with pytest.raises(LetheError, match="one finite number for each image"):
        ImageMetric("wrong", "Wrong.", "nobody", "", lambda images: np.array(values)).of(noise(1))


def measured(folder: Path, words: str) -> dict[tuple[str, str], Record]:
    line = f"{words} --metrics colourfulness --output {folder}/metrics.csv --study s --variant rgd --method rgd"
    arguments = lethe.measure.metrics.parser().parse_args(line.split())
    lethe.measure.metrics.main(arguments)
    return {(record.metric, record.prompts): record for record in read_records([folder / "metrics.csv"])}


def shards(folder: Path, arrays: dict[str, np.ndarray], at: int) -> str:
    for shard, part in enumerate((slice(at), slice(at, None))):
        made = {"sampler": "a sampler", "fingerprint": "x"}
        write_arrays(folder / f"shard{shard}", {name: array[part] for name, array in arrays.items()}, made)
    return f"{folder}/shard0 {folder}/shard1"


def classes_of(folder: Path, held_out: np.ndarray) -> tuple[str, np.ndarray, np.ndarray]:
    plan = all_classes(3, CLASSES)
    images = noise(len(plan.seeds))
    conditions = np.arange(len(held_out)) % 3
    said = {"classes": ["a", "b", "c"], "source": "noise"}
    write_arrays(folder / "test", {"images": held_out, "conditions": conditions}, said)
    arrays = {"images": images, "seeds": plan.seeds, "conditions": plan.conditions}
    words = f"class --images {shards(folder, arrays, 40)} --held-out {folder}/test --target 1"
    words += " --sampling-forget-images 30 --sampling-retain-images 15"
    return words, images, plan.conditions


def test_records_of_classes_are_of_the_images_that_are_measured(tmp_path):
    held_out = noise(9, seed=1)
    words, images, conditions = classes_of(tmp_path, held_out)
    found = measured(tmp_path, words)
    every, real = (metric_named("colourfulness").of(some) for some in (images, held_out))
    of_others = [every[conditions == label][:15] for label in (0, 2)]
    for prompts, values, control in (
        ("forget_class", every[conditions == 1], real[1::3]),
        ("retain_class", np.concatenate(of_others), np.delete(real, slice(1, None, 3))),
    ):
        record = found["colourfulness", prompts]
        assert record.value == pytest.approx(values.mean())
        assert record.high - record.value == pytest.approx(2.0452296 * values.std(ddof=1) / math.sqrt(30), rel=1e-6), (
            "Student's t with 29 degrees of freedom"
        )
        assert (record.n, record.control_n) == (30, len(control))
        assert record.control == pytest.approx(control.mean())
    assert record.judge == "lethe.metrics.colourfulness"
    assert record.judge_sha256 == sha256_of(Path("workflow/lethe/metrics/colourfulness.py"))


def test_a_formula_may_be_anything_that_can_be_called(tmp_path, monkeypatch):
    """The judge's sha256 is that of the metric's file, wherever the formula stands."""
    words, *_ = classes_of(tmp_path, noise(9))
    mean = ImageMetric("mean", "Mean.", "nobody", "", functools.partial(np.mean, axis=(1, 2, 3)))
    monkeypatch.setattr(lethe.metrics.colourfulness, "METRIC", mean)
    metric_named.cache_clear()
    try:
        found = measured(tmp_path, words)
    finally:
        metric_named.cache_clear()
    record = found["colourfulness", "forget_class"]
    assert record.value == pytest.approx(127.5, abs=10)
    assert record.judge_sha256 == sha256_of(Path("workflow/lethe/metrics/colourfulness.py"))


def test_too_few_images_are_refused(tmp_path):
    words, *_ = classes_of(tmp_path, noise(9))
    with pytest.raises(LetheError, match="colourfulness: 30 images of the set forget_class"):
        measured(tmp_path, f"{words} --minimum-rate 31")


def prompts_of(folder: Path) -> tuple[str, np.ndarray, list[str]]:
    sets = {"forget_train": 4, "retain_train": 4, "forget_test": 4, "retain_test": 4}
    sets |= {"forget_uniform": 1, "retain_uniform": 1}
    rows = [PromptRow(name, place, f"{name} {place}", {}) for name, count in sets.items() for place in range(count)]
    write_prompts(folder / "prompts.csv", rows)
    plan = prompt_images(rows, "measure", PROMPTS)
    images = noise(len(plan.rows))
    words = f"text --images {shards(folder, {'images': images, 'rows': plan.rows, 'seeds': plan.seeds}, 9)}"
    words += f" --prompts {folder}/prompts.csv --target t --minimum-prompts 3 --draws 200"
    words += " --sampling-train-prompts 3 --sampling-images-per-prompt 2"
    return words, images, [rows[row].set for row in plan.rows]


def test_records_of_prompts_are_of_each_prompt_set(tmp_path):
    words, images, sets = prompts_of(tmp_path)
    found = measured(tmp_path, words)
    every = metric_named("colourfulness").of(images)
    assert {prompts for _, prompts in found} == set(sets)
    for (_, prompts), record in found.items():
        assert record.value == pytest.approx(every[np.array(sets) == prompts].mean())
        assert record.low < record.value < record.high
        assert "over" in record.interval


def test_images_of_other_prompts_are_refused(tmp_path):
    words, *_ = prompts_of(tmp_path)
    with pytest.raises(LetheError, match="not those of"):
        measured(tmp_path, words.replace("shard0 ", "shard1 ").replace("shard1 --", "shard0 --"))
    with pytest.raises(LetheError, match="each shard of one image set once"):
        measured(tmp_path, words.replace("shard0 ", "shard1 "))


def table(folder: Path, records: list[Path], *rows: str) -> tuple[str, list[dict[str, str]]]:
    parser = argparse.ArgumentParser()
    lethe.artefacts.metrics.add_arguments(parser)
    outputs = [word for kind in ("csv", "markdown", "tex") for word in (f"--{kind}", str(folder / f"table.{kind}"))]
    words = ["--records", *map(str, records), "--rows", *rows, *outputs]
    lethe.artefacts.metrics.main(parser.parse_args(words))
    with (folder / "table.csv").open(newline="") as stream:
        return (folder / "table.markdown").read_text(), list(csv.DictReader(stream))


def test_the_table_has_a_line_for_each_row(tmp_path):
    words, *_ = prompts_of(tmp_path)
    (record, *_) = [r for (_, prompts), r in measured(tmp_path, words).items() if prompts == "forget_test"]
    shown, lines = table(tmp_path, [tmp_path / "metrics.csv"], "s/rgd=RGD")
    assert f"| RGD | 1 | {number(record.value, decimals_of(record.value))} |" in shown
    assert "Hasler" in shown
    line = next(line for line in lines if line["prompts"] == "forget_test")
    assert (float(line["mean"]), line["interval"], line["judge"]) == (record.value, record.interval, record.judge)
    with pytest.raises(LetheError, match="no record of an image metric of other"):
        table(tmp_path, [tmp_path / "metrics.csv"], "other/rgd=RGD")


def test_targets_of_classes_are_averaged(tmp_path):
    paths = []
    for target in (0, 1):
        words, *_ = classes_of(tmp_path, noise(9, seed=1))
        measured(tmp_path, words.replace("--target 1", f"--target {target}"))
        text = (tmp_path / "metrics.csv").read_text().replace("a sampler", f"a sampler; imported model {target}")
        paths.append(tmp_path / f"{target}.csv")
        paths[-1].write_text(text)
    values = [next(r.value for r in read_records([path]) if r.prompts == "forget_class") for path in paths]
    shown, lines = table(tmp_path, paths, "s/rgd=RGD")
    assert float(lines[0]["mean"]) == pytest.approx(statistics.fmean(values))
    assert float(lines[0]["std"]) == pytest.approx(statistics.stdev(values))
    assert (lines[0]["target"], lines[0]["targets"]) == ("", "0 1")
    assert lines[0]["sampler"] == "a sampler; imported model 0; imported model 1"
    assert "held-out real images: colourfulness, forgotten class" in shown


def preset(**studies: list[str]) -> Plan:
    values = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    for study, names in studies.items():
        values["studies"][study]["metrics"] = names
    return Plan(load_config(values))


def test_a_study_with_metrics_has_a_job_for_each_cell_and_the_table():
    without, plan = preset(), preset(shapes=["colourfulness"])
    assert set(plan.tables()) - set(without.tables()) == {
        f"results/miniature/tables/metrics.{kind}" for kind in ("csv", "md", "tex")
    }
    assert plan.metrics.cells == list(plan.studies["shapes"].cells(plan.studies["shapes"].study.shown_rows))
    cell = Cell("shapes", "stripes", "rgd", "0")
    assert plan.expected().items() - without.expected().items() == {
        (plan.metrics.file(each), plan.metrics.job(each).fingerprint) for each in plan.metrics.cells
    }, "no other result is made anew"
    assert "workflow/lethe/metrics/colourfulness.py" in {str(path) for path in plan.metrics.job(cell).code}


def test_an_unknown_metric_is_refused_with_the_nearest():
    with pytest.raises(LetheError, match=r"there is no image metric 'colorfulness'.*colourfulness"):
        preset(digits=["colorfulness"])
    with pytest.raises(LetheError, match="one is there twice"):
        preset(digits=["colourfulness", "colourfulness"])
