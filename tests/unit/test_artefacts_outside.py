"""Table outside: its numbers against the measure stage's and against arithmetic by hand, and the verdicts."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path

import numpy as np
import pytest

from lethe.artefacts.__main__ import parser
from lethe.artefacts.outside_numbers import COMPARED, Column, Outside
from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.measures.bootstrap import Resampled
from lethe.prompt_images import prompt_images
from lethe.prompts import prompt_rows, write_prompts
from lethe.randomness import derived_seed
from lethe.settings.concept import Concept
from lethe.settings.measures import TextMeasureSettings
from lethe.settings.options import as_options
from lethe.settings.text_sampling import TextSamplingSettings
from lethe.shards import Shard

SAMPLING = TextSamplingSettings(train_prompts=3, images_per_prompt=2)
SETTINGS = TextMeasureSettings(draws=200, minimum_prompts=2)
CONCEPT = Concept(
    title="ring",
    words=("ring",),
    sentences=("A {colour} {concept} {place}",),
    train={"colour": ("red", "green"), "place": ("on sand", "in mud")},
    test={"colour": ("orange", "purple"), "place": ("on a road", "at sea", "in fog")},
    train_pairs=4,
    test_pairs=6,
    prompt="ring",
    uniform=("a ring", "a shape"),
    anchor="circle",
    outside=("here: {concept}, {colour}, {place}",),
)
ROWS = prompt_rows(CONCEPT)
PLAN = prompt_images(ROWS, "measure", SAMPLING)
SET_OF = np.array([ROWS[row].set for row in PLAN.rows])
JUDGES = {name: {"name": name, "sha256": name} for name in ("alignment", "detector", "attributes")}
CELLS = ("base/ring/0", "rgd/ring/0", "rgd/ring/1", "doco_release/ring/0")
TITLES = ("base=the base", "rgd=RGD", "doco_release=DoCo")


def outputs(seed: int, ring: float) -> dict[str, np.ndarray]:
    """``ring``: how often the attribute judge sees a ring."""
    random, count = np.random.default_rng(seed), len(PLAN.rows)
    order = random.permutation(count)
    found = random.random(count) < 0.5
    arrays = {
        "similarity": random.uniform(0, 0.5, size=count).astype(np.float32),
        "similarity_as_released": np.zeros(count, np.float32),
        "attributes": np.where(random.random((count, 1)) < ring, 1, 0),
        "named": random.uniform(-0.2, 0.6, size=(count, 2)).astype(np.float32),
    }
    places = np.flatnonzero(found)
    return {
        "rows": PLAN.rows[order],
        "seeds": PLAN.seeds[order],
        **{name: array[order] for name, array in arrays.items()},
        "detection_image": places,
        "detection_part": np.zeros(len(places), np.int64),
        "detection_score": random.uniform(0.1, 1, size=len(places)).astype(np.float32),
    }


ARRAYS = {"base/ring/0": outputs(0, 0.9), "rgd/ring/0": outputs(1, 0.1), "rgd/ring/1": outputs(2, 0.5)}
ARRAYS["doco_release/ring/0"] = outputs(3, 0.1)


def write(path: Path, arrays: dict[str, np.ndarray], **changes: object) -> Path:
    made = {
        "judges": JUDGES,
        "parts": ["RING"],
        "heads": [["shape", ["circle", "ring"]]],
        "smallest_score": 0.05,
        "channels": "rgb",
        "cut": {},
        "named": [["concept", "ring"], ["anchor", "circle"]],
        "images": {"sampler": "PNDM"},
    }
    write_arrays(path, arrays, made | changes)
    return path


def write_shards(path: Path, arrays: dict[str, np.ndarray], size: int) -> list[Path]:
    """The same in shards of so many images."""
    total, found, paths = len(arrays["rows"]), arrays["detection_image"], []
    for number, first in enumerate(range(0, total, size)):
        shard = Shard(number, first, min(size, total - first), total)
        own = (found >= first) & (found < shard.end)
        part = {
            name: array[own] if name.startswith("detection_") else array[first : shard.end]
            for name, array in arrays.items()
        }
        paths.append(write(path.with_name(f"{path.name}-{number}"), part, shard=shard._asdict()))
    return paths


def made(folder: Path, *words: str, shard_images: int = 1000) -> tuple[list[dict[str, str]], str]:
    write_prompts(folder / "prompts.csv", ROWS)
    files = {cell: write_shards(folder / f"{n}", ARRAYS[cell], shard_images) for n, cell in enumerate(CELLS)}
    cells, judged = zip(*((cell, path) for cell, paths in files.items() for path in paths), strict=True)
    options = {
        "cells": cells,
        "judged": judged,
        "study": ["shapes"],
        "variants": TITLES,
        "compared": ["doco_release"],
        "controls": ["base"],
        "targets": ["ring=a ring"],
        "prompts": [f"ring={folder}/prompts.csv"],
        "seen-by": ["ring=shape=ring"],
        **{name: [folder / f"outside.{name}"] for name in ("csv", "markdown", "tex")},
    }
    given = [str(word) for name, values in options.items() for word in (f"--{name}", *values)]
    given += shlex.split(f"{as_options(SETTINGS)} {as_options(SAMPLING, prefix='sampling.')}")
    arguments = parser().parse_args(["outside", *given, *words])
    arguments.run(arguments)
    with (folder / "outside.csv").open(newline="") as stream:
        return list(csv.DictReader(stream)), (folder / "outside.markdown").read_text()


def by_hand(cell: str, quantity: str, prompts: str) -> tuple[np.ndarray, np.ndarray]:
    """Values and prompts of the images of a set, in the order of (row, seed)."""
    arrays = ARRAYS[cell]
    shown = {
        "left": arrays["attributes"][:, 0] == 1,
        "CER": 1 - (arrays["named"][:, 1] < arrays["named"][:, 0]),
        "AS": arrays["similarity"],
    }[quantity].astype(float)
    wanted = {(row, seed) for row, seed, name in zip(PLAN.rows, PLAN.seeds, SET_OF, strict=True) if name == prompts}
    places = sorted(
        (row, seed, place)
        for place, (row, seed) in enumerate(zip(arrays["rows"].tolist(), arrays["seeds"].tolist(), strict=True))
        if (row, seed) in wanted
    )
    return shown[[place for *_, place in places]], np.array([row for row, *_ in places])


def test_a_cell_is_read_from_all_its_shards(tmp_path):
    assert made(tmp_path, shard_images=7) == made(tmp_path)


@pytest.mark.parametrize("prompts", ["forget_train", "forget_test", "forget_outside", "retain_test", "retain_outside"])
def test_numbers_are_means_over_images_and_training_seeds(tmp_path, prompts):
    rows, _ = made(tmp_path)
    found = {(row["variant"], row["quantity"], row["prompts"]): row for row in rows if not row["against"]}
    quantities = ("AS",) if prompts.startswith("retain") else ("left", "CER")
    for quantity in quantities:
        for variant, cells in {"base": CELLS[:1], "rgd": CELLS[1:3], "doco_release": CELLS[3:]}.items():
            values = np.mean([by_hand(cell, quantity, prompts)[0] for cell in cells], axis=0)
            row = found[variant, quantity, prompts]
            assert float(row["value"]) == pytest.approx(values.mean(), rel=1e-9)
            assert int(row["n_seeds"]) == len(cells)
            assert int(row["n_images"]) == len(values)


def test_differences_are_paired_by_image_and_resampled_by_prompt(tmp_path):
    rows, _ = made(tmp_path)
    for column in COMPARED:
        row = next(r for r in rows if r["against"] == "rgd" and r["quantity"] == column.quantity)
        first, prompts = by_hand(CELLS[3], column.quantity, column.prompts)
        second = np.mean([by_hand(cell, column.quantity, column.prompts)[0] for cell in CELLS[1:3]], axis=0)
        seed = derived_seed(SETTINGS.bootstrap_seed, "bootstrap", column.prompts)
        expected = Resampled(prompts, draws=200, seed=seed).mean(first - second)
        assert float(row["value"]) == pytest.approx((first - second).mean(), abs=1e-12)
        # Of values in another order of images within a prompt: the same but for rounding.
        assert float(row["low"]) == pytest.approx(expected.low, abs=1e-9)
        assert float(row["high"]) == pytest.approx(expected.high, abs=1e-9)


def outside(**differences: list[float]) -> Outside:
    """Two rows over five prompts with these differences of ``left``, ``CER`` and ``AS``."""
    values = {}
    for column in COMPARED:
        if column.quantity in differences:
            values["a", column] = np.array(differences[column.quantity]) + 0.5
            values["b", column] = np.full(5, 0.5)
    resampled = {column.prompts: Resampled(np.arange(5), draws=500) for column in COMPARED}
    return Outside("ring", values, resampled, {"a": 1, "b": 1}, {}, 0.95)


LESS, MORE, AROUND = [-0.3, -0.2, -0.25, -0.4, -0.3], [0.3, 0.2, 0.25, 0.4, 0.3], [-0.3, 0.3, 0.1, -0.2, 0.05]


@pytest.mark.parametrize(
    ("differences", "words"),
    [
        ({"left": LESS, "CER": AROUND, "AS": AROUND}, "better"),
        ({"left": LESS, "CER": MORE, "AS": MORE}, "better"),
        ({"left": MORE, "CER": AROUND, "AS": AROUND}, "worse"),
        ({"left": AROUND, "CER": LESS, "AS": AROUND}, "worse"),
        ({"left": LESS, "CER": AROUND, "AS": LESS}, "better in one, worse in another"),
        ({"left": AROUND, "CER": AROUND, "AS": AROUND}, "no difference"),
        ({"left": [-0.5] * 5, "AS": [0.0] * 5}, "better"),  # alike in all prompts: no interval, and no doubt
        ({"left": [0.0] * 5, "AS": AROUND}, "no difference"),
        ({"AS": MORE}, "better"),
    ],
)
def test_the_verdict_follows_from_the_intervals(differences, words):
    verdict = outside(**differences).verdict("a", "b")
    assert verdict.words == words
    assert {column.quantity for column, found in verdict.differences.items() if found is not None} == set(differences)


def test_the_other_way_round_the_verdict_turns(tmp_path):
    shown = outside(left=LESS, CER=MORE, AS=AROUND)
    assert (shown.verdict("a", "b").words, shown.verdict("b", "a").words) == ("better", "worse")


def test_the_page_says_the_verdicts_in_words(tmp_path):
    rows, page = made(tmp_path)
    words = {row["against"]: row["verdict"] for row in rows if row["against"]}
    assert words.keys() == {"base", "rgd"}
    assert "| DoCo vs the base |" in page
    # 0.9 of the base's images show a ring, 0.1 of DoCo's.
    assert words["base"].startswith("better")
    assert "Outside the unlearning set of a ring, DoCo is better" in page
    assert "*the base*" in page
    assert (tmp_path / "outside.tex").read_text().count(r"\begin{table*}") == 2


def test_without_rows_to_compare_there_is_one_table_and_without_an_attribute_the_detector_counts(tmp_path):
    rows, page = made(tmp_path, "--compared", "--seen-by", "ring=RING")
    assert not [row for row in rows if row["against"]]
    assert "vs" not in page
    arrays = ARRAYS["base/ring/0"]
    seen = np.zeros(len(arrays["rows"]), bool)
    seen[arrays["detection_image"][arrays["detection_score"] > SETTINGS.threshold]] = True
    own = np.isin(arrays["rows"], PLAN.rows[SET_OF == "forget_outside"])
    found = next(r for r in rows if (r["variant"], r["quantity"], r["prompts"]) == ("base", "left", "forget_outside"))
    assert float(found["value"]) == pytest.approx(seen[own].mean())


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--cells", *CELLS[:3]], "--cells has 3 entries, --judged has 4"),
        (["--compared", "doco"], "no title for the variant 'doco'"),
        (["--targets", "rings=r"], "--seen-by ring: not among the targets"),
        (["--prompts", "rings=p.csv"], "no title for the variant 'ring'"),
        (["--seen-by", "ring=RINGS"], "no part 'RINGS'"),
        (["--seen-by", "ring=shape=rings"], "no class 'rings'"),
    ],
)
def test_what_cannot_be_shown_is_refused(words, problem, tmp_path):
    with pytest.raises(LetheError, match=problem):
        made(tmp_path, *words)


def test_prompts_without_other_phrasings_are_refused(tmp_path):
    plain = CONCEPT.model_copy(update={"outside": ()})
    write_prompts(tmp_path / "plain.csv", prompt_rows(plain))
    with pytest.raises(LetheError, match="it has no forget_outside"):
        made(tmp_path, "--prompts", f"ring={tmp_path}/plain.csv")


def test_columns_know_which_way_is_better():
    assert [Column(quantity, "x").better for quantity in ("left", "CER", "AS")] == ["lower", "higher", "higher"]
