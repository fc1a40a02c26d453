"""The measure stage of a text study: which images and detections each number counts, and what is refused."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lethe.cli import command
from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.measure.text import main, parser
from lethe.measures.alignment import alignment_difference, alignment_score
from lethe.measures.attributes import kept, recognised
from lethe.measures.bootstrap import Resampled
from lethe.measures.detections import Detections, count_by_part, of_images, threshold_curve
from lethe.measures.rates import wilson
from lethe.prompt_images import prompt_images
from lethe.prompts import PromptRow, write_prompts
from lethe.randomness import derived_seed
from lethe.record import Record, read_records
from lethe.settings.text_sampling import TextSamplingSettings

HEADS = {"shape": ["circle", "square"], "colour": ["red", "green", "blue"], "style": ["plain", "Vincent van Gogh"]}
PARTS = ["STRIPED_CIRCLE", "STRIPED_SQUARE", "FACE"]
JUDGES = {
    name: {"name": f"the {name} judge", "sha256": letter * 64}
    for name, letter in (("alignment", "a"), ("detector", "b"), ("attributes", "c"))
}
TRAIN, TEST, COPIES = 9, 6, 2
SAMPLING = TextSamplingSettings(train_prompts=7, images_per_prompt=COPIES)


def prompts() -> list[PromptRow]:
    rows = []
    for part, count in (("train", TRAIN), ("test", TEST)):
        for side in ("forget", "retain"):
            for number in range(count):
                expects = {"colour": HEADS["colour"][number % 3], "shape": HEADS["shape"][number % 2]}
                rows.append(PromptRow(f"{side}_{part}", number, f"{side} {part} {number}", expects))
    return [*rows, *(PromptRow(f"{side}_uniform", 0, f"{side} uniform", {}) for side in ("forget", "retain"))]


def outputs(seed: int) -> dict[str, np.ndarray]:
    """Raw outputs on all images of the plan and on a few that are not in it, in an order of their own."""
    random = np.random.default_rng(seed)
    plan = prompt_images(prompts(), "measure", SAMPLING)
    more = 5
    rows = np.concatenate([plan.rows, np.arange(more)])
    seeds = np.concatenate([plan.seeds, 10_000 + np.arange(more)])
    order = np.random.default_rng(99 + seed).permutation(len(rows))
    detections = random.integers(0, 3, size=len(rows))
    image = random.permutation(np.repeat(np.arange(len(rows)), detections))
    return {
        "rows": rows[order],
        "seeds": seeds[order],
        "similarity": random.normal(0.3, 0.03, size=len(rows)).astype(np.float32),
        "similarity_as_released": random.normal(0.2, 0.03, size=len(rows)).astype(np.float32),
        "detection_image": image,
        "detection_part": random.integers(0, len(PARTS), size=len(image)),
        "detection_score": random.uniform(0.05, 1, size=len(image)).astype(np.float32),
        "detection_box": np.zeros((len(image), 4), np.float32),
        "attributes": np.stack([random.integers(-1, len(words), size=len(rows)) for words in HEADS.values()], axis=1),
    }


Arrays = dict[str, np.ndarray]


class Cell:
    """Files of one cell, and the command that measures them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write_prompts(folder / "prompts.csv", prompts())
        self.judged, self.base = outputs(1), outputs(2)

    def write(self, name: str, arrays: Arrays, **changes: object) -> Path:
        made = {"judges": JUDGES, "parts": PARTS, "heads": list(HEADS.items()), "smallest_score": 0.05}
        made |= {"channels": "rgb", "cut": {}}
        made["images"] = {"sampler": "PNDM", "settings": {"steps": 50}}
        write_arrays(self.folder / name, arrays, made | changes)
        return self.folder / name

    def run(self, *words: str, judged: Path | None = None, base: Path | None = None) -> dict[tuple[str, str], Record]:
        judged = judged or self.write("judged", self.judged)
        base = base or self.write("base", self.base)
        options = {
            "judged": judged,
            "base-judged": base,
            "prompts": self.folder / "prompts.csv",
            "output": self.folder / "records.csv",
            "threshold-curve": self.folder / "threshold.csv",
            "target": "van_gogh",
            "study": "shapes",
            "variant": "rgd_weak",
            "method": "rgd",
            "seed": 3,
            "fingerprint": "fp",
            "minimum-prompts": 5,
            "draws": 200,
            "sampling-train-prompts": SAMPLING.train_prompts,
            "sampling-images-per-prompt": COPIES,
        }
        given = [f"--{name}={value}" for name, value in options.items()]
        command(parser(), main, [*given, *words])
        records = read_records([self.folder / "records.csv"])
        found = {(record.prompts, record.metric): record for record in records}
        assert len(found) == len(records)
        return found


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return Cell(tmp_path)


def of_set(arrays: Arrays, name: str) -> list[int]:
    """Places of the images of a set, in the order of (row, seed): found without the plan."""
    rows = prompts()
    first = {"forget_train": 0, "retain_train": TRAIN, "forget_test": 2 * TRAIN, "retain_test": 2 * TRAIN + TEST}[name]
    size = SAMPLING.train_prompts if name.endswith("train") else TEST
    assert rows[first].set == rows[first + size - 1].set == name
    keys = sorted(
        (row, seed, place)
        for place, (row, seed) in enumerate(zip(arrays["rows"].tolist(), arrays["seeds"].tolist(), strict=True))
        if first <= row < first + size and seed < 10_000
    )
    assert len(keys) == size * COPIES
    return [place for _, _, place in keys]


SETS = ("retain_train", "retain_test", "forget_train", "forget_test")


@pytest.mark.parametrize("name", SETS)
def test_alignment_is_of_the_sets_images_and_paired_with_the_bases(cell: Cell, name: str) -> None:
    found, own, base = cell.run(), of_set(cell.judged, name), of_set(cell.base, name)
    cosines = cell.judged["similarity"][own].astype(float)
    assert found[name, "AS"].value == pytest.approx(cosines.mean(), rel=1e-12)
    assert found[name, "AS_as_released"].value == pytest.approx(cell.judged["similarity_as_released"][own].mean())
    lost = cosines - cell.base["similarity"][base]
    record = found[name, "AS_difference"]
    assert record.value == pytest.approx(lost.mean(), rel=1e-9)
    resampled = Resampled(cell.judged["rows"][own], draws=200, seed=derived_seed(0, "bootstrap", name))
    by_hand = resampled.mean(lost)
    assert (record.low, record.high) == pytest.approx((by_hand.low, by_hand.high), rel=1e-6)
    count = SAMPLING.train_prompts if name.endswith("train") else TEST
    assert record.interval == f"BCa bootstrap 95 % over {count} prompts"
    assert (record.n, record.prompts) == (count * COPIES, name)
    seeds = cell.judged["seeds"][own]
    assert record.image_seeds == f"{seeds.min()}-{seeds.max()}"


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(("words", "parts"), [((), [0, 1, 2]), (("--concept-parts=STRIPED_SQUARE,FACE",), [1, 2])])
def test_detections_count_the_concepts_parts_above_the_threshold(
    cell: Cell, name: str, words: tuple[str, ...], parts: list[int]
) -> None:
    found, own = cell.run("--threshold=0.5", *words), set(of_set(cell.judged, name))
    every = list(zip(*(cell.judged[f"detection_{key}"].tolist() for key in ("image", "part", "score")), strict=True))
    counted = [(image, part) for image, part, score in every if image in own and part in parts and score > 0.5]
    assert found[name, "detections"].value == len(counted)
    for part in range(3):
        count = found.get((name, f"count:{PARTS[part]}"))
        assert (count is not None) == (part in parts)
        assert count is None or count.value == sum(counted_part == part for _, counted_part in counted)
    images = len({image for image, _ in counted})
    assert found[name, "detected"].value == images / len(own)
    assert (found[name, "detected"].low, found[name, "detected"].high) == wilson(images, len(own))[1:3]
    assert found[name, "detected"].interval == "Wilson 95 %, images of one prompt taken as independent"
    assert found[name, "detected"].features == f"score > 0.5, {' '.join(PARTS[part] for part in parts)}"
    with (cell.folder / "threshold.csv").open() as stream:
        curve = {float(line["threshold"]): line for line in csv.DictReader(stream) if line["prompts"] == name}
    assert list(curve) == [pytest.approx(step / 100) for step in range(20, 100, 5)]
    assert (curve[0.5]["detections"], curve[0.5]["detected"]) == (str(len(counted)), str(images))
    counts = [int(line["detections"]) for line in curve.values()]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


@pytest.mark.parametrize("name", SETS)
def test_attributes_are_compared_with_what_the_prompt_says(cell: Cell, name: str) -> None:
    found, own = cell.run("--concept-attribute=style=Vincent van Gogh"), of_set(cell.judged, name)
    rows, seen = prompts(), cell.judged["attributes"]
    right = {"colour": [], "shape": []}
    for place in own:
        expects = rows[cell.judged["rows"][place]].expects
        for dimension, column in (("shape", 0), ("colour", 1)):
            number = seen[place, column]
            right[dimension].append(number >= 0 and HEADS[dimension][number] == expects[dimension])
    for dimension, marks in right.items():
        assert found[name, f"kept:{dimension}"].value == np.mean(marks)
    assert found[name, "kept:all"].value == np.mean(np.logical_and(*right.values()))
    assert found[name, "recognised"].value == np.mean(seen[own, 2] == 1)
    assert ("kept:style" in {metric for _, metric in found}) is False
    assert (found[name, "kept:all"].low, found[name, "kept:all"].high) == wilson(
        int(np.logical_and(*right.values()).sum()), len(own)
    )[1:3]


def test_records_carry_their_protocol(cell: Cell) -> None:
    found = cell.run("--concept-attribute=style=Vincent van Gogh")
    judges = {metric: record.judge for (_, metric), record in found.items()}
    assert (judges["AS"], judges["detected"], judges["count:FACE"]) == (
        "the alignment judge",
        "the detector judge",
        "the detector judge",
    )
    assert judges["kept:all"] == judges["recognised"] == "the attributes judge"
    record = found["retain_test", "AS"]
    assert (record.target, record.variant, record.method, record.seed) == ("van_gogh", "rgd_weak", "rgd", 3)
    assert (record.judge_sha256, record.sampler, record.fingerprint) == ("a" * 64, "PNDM", "fp")
    assert record.features != found["retain_test", "AS_as_released"].features


def test_the_base_has_no_difference_with_itself(cell: Cell) -> None:
    judged = cell.write("judged", cell.judged)
    found = cell.run(judged=judged, base=judged)
    assert {metric for _, metric in found} >= {"AS", "detected", "kept:all"}
    assert "AS_difference" not in {metric for _, metric in found}


def test_without_an_attribute_judge_nothing_is_kept(cell: Cell) -> None:
    del cell.judged["attributes"], cell.base["attributes"]
    assert not {metric for _, metric in cell.run() if metric.startswith(("kept", "recognised"))}


def test_the_same_files_give_the_same_bytes(cell: Cell) -> None:
    cell.run()
    before = [(cell.folder / name).read_bytes() for name in ("records.csv", "threshold.csv")]
    cell.run()
    assert before == [(cell.folder / name).read_bytes() for name in ("records.csv", "threshold.csv")]


def without_an_image(arrays: Arrays) -> Arrays:
    place = of_set(arrays, "retain_test")[0]
    kept_rows = np.arange(len(arrays["rows"])) != place
    return arrays | {name: arrays[name][kept_rows] for name in ("rows", "seeds", "similarity", "attributes")}


def broken(arrays: Arrays) -> Arrays:
    similarity = arrays["similarity"].copy()
    similarity[of_set(arrays, "retain_train")[0]] = np.nan
    return arrays | {"similarity": similarity}


@pytest.mark.parametrize(
    ("words", "judged", "base", "problem"),
    [
        (["--minimum-prompts=7"], {}, {}, r"retain_test: images of 6 prompts, fewer than minimum_prompts = 7"),
        (["--sampling-images-per-prompt=3"], {}, {}, "judged: 26 of 78 images are missing"),
        ([], {"change": without_an_image}, {}, "judged: 1 of 52 images are missing"),
        ([], {}, {"change": without_an_image}, "base: 1 of 52 images are missing"),
        ([], {}, {"judges": JUDGES | {"detector": JUDGES["alignment"]}}, "were judged by different judges"),
        ([], {}, {"images": {"sampler": "PNDM", "settings": {"steps": 20}}}, "were sampled differently"),
        ([], {"change": broken}, {}, "is nan, no cosine"),
        (["--threshold=0.01"], {}, {}, "threshold of 0.01(.|\n)*0.05 or more"),
        (["--concept-parts=STRIPED_SQARE"], {}, {}, "no part 'STRIPED_SQARE'(.|\n)*did you mean 'STRIPED_SQUARE'"),
        (["--concept-attribute=stile=plain"], {}, {}, "no head 'stile'(.|\n)*did you mean 'style'"),
        (["--concept-attribute=style=van Gogh"], {}, {}, "no class 'van Gogh'(.|\n)*Vincent van Gogh"),
        ([], {"heads": [["shape", ["circle", "box"]], *list(HEADS.items())[1:]]}, {}, "'shape' has no class 'square'"),
        ([], {"heads": list(HEADS.items())[1:]}, {}, "no head 'shape'"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    cell: Cell,
    words: list[str],
    judged: dict[str, object],
    base: dict[str, object],
    problem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    paths = {}
    for name, arrays, changes in (("judged", cell.judged, dict(judged)), ("base", cell.base, dict(base))):
        change = changes.pop("change", lambda same: same)
        paths[name] = cell.write(name, change(arrays), **changes)
    with pytest.raises(SystemExit):
        cell.run(*words, **paths)
    error = capsys.readouterr().err
    assert re.search(problem, error), error
    assert not (cell.folder / "records.csv").exists()
    assert not (cell.folder / "threshold.csv").exists()


def test_an_attribute_concept_needs_its_judge(cell: Cell, capsys: pytest.CaptureFixture[str]) -> None:
    del cell.judged["attributes"], cell.base["attributes"]
    with pytest.raises(SystemExit):
        cell.run("--concept-attribute=style=plain")
    assert "no attribute judge" in capsys.readouterr().err


def test_each_kind_imports_only_its_own_module() -> None:
    program = (
        "import sys\nsys.argv = ['measure', 'text', '--help']\nimport runpy\n"
        "try: runpy.run_module('lethe.measure', run_name='__main__')\n"
        "except SystemExit: print('lethe.measure.classes' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "usage: python -m lethe.measure text" in done.stdout
    assert done.stdout.splitlines()[-1] == "False False"


# The pure measures


def test_scores_at_the_threshold_do_not_count() -> None:
    found = Detections(np.array([0, 0, 2]), np.array([1, 0, 1]), np.array([0.6, 0.7, 0.61]), images=3)
    assert count_by_part(found, [1, 0], 0.6).tolist() == [[0, 1], [0, 0], [1, 0]]
    assert count_by_part(found, [1], 0.5).tolist() == [[1], [0], [1]]
    curve = threshold_curve(found, np.array([0, 1]), [0, 1], [0.5, 0.65, 0.9])
    assert [tuple(point) for point in curve] == [(0.5, 2, 1), (0.65, 1, 1), (0.9, 0, 0)]


def test_detections_of_no_image_are_refused() -> None:
    for image in (-1, 3):
        found = Detections(np.array([image]), np.array([0]), np.array([0.9]), images=3)
        with pytest.raises(LetheError, match=f"image {image} "):
            count_by_part(found, [0], 0.5)
        with pytest.raises(LetheError, match=f"image {image} "):
            of_images(found, np.array([0]))


def test_detections_follow_their_images() -> None:
    found = Detections(np.array([2, 0, 2, 1]), np.array([0, 1, 2, 3]), np.array([0.6, 0.7, 0.8, 0.9]), images=3)
    chosen = of_images(found, np.array([2, 0]))
    assert (chosen.image.tolist(), chosen.part.tolist(), chosen.images) == ([0, 1, 0], [0, 1, 2], 2)


def test_cosines_only() -> None:
    resampled = Resampled(np.arange(3))
    assert alignment_score(np.array([0.1, 0.2, 0.3]), resampled).value == pytest.approx(0.2)
    with pytest.raises(LetheError, match=r"image 1 is 31\.0, no cosine"):
        alignment_score(np.array([0.3, 31.0, 0.2]), resampled)
    difference = alignment_difference(np.array([0.1, 0.2, 0.3]), np.array([0.2, 0.2, 0.2]), resampled)
    assert difference.value == pytest.approx(0.0, abs=1e-15)


def test_none_of_the_classes_is_never_kept_or_recognised() -> None:
    attributes = np.array([[0, -1, 1], [0, 0, -1]])
    masks = kept(attributes, HEADS, [{"shape": "circle", "colour": "red"}] * 2)
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        "colour": [False, True],
        "shape": [True, True],
        "all": [False, True],
    }
    assert recognised(attributes, HEADS, "style=Vincent van Gogh").tolist() == [True, False]
    assert kept(attributes, HEADS, [{}, {}]) == {}
    with pytest.raises(LetheError, match="same dimensions"):
        kept(attributes, HEADS, [{"shape": "circle"}, {"colour": "red"}])


def test_a_record_says_what_was_cut_and_swapped(cell: Cell) -> None:
    made = {"channels": "bgr", "cut": {"forget_test": 2}}
    judged, base = cell.write("judged", cell.judged, **made), cell.write("base", cell.base, **made)
    found = cell.run(judged=judged, base=base)
    assert found["forget_test", "AS"].features == "cosine, evaluation transform, 2 prompts cut"
    assert found["forget_test", "AS_as_released"].features == "cosine, training transform, 2 prompts cut"
    assert found["retain_test", "AS"].features == "cosine, evaluation transform"
    assert found["retain_test", "count:FACE"].features == "score > 0.6, channels bgr"
    with pytest.raises(SystemExit):
        cell.run(judged=judged)  # the base's detector was shown other colours


@pytest.mark.parametrize("name", SETS)
def test_all_labels_are_counted_beside_the_concepts_parts(cell: Cell, name: str) -> None:
    every, some = cell.run(), cell.run("--concept-parts=STRIPED_SQUARE,FACE")
    assert (name, "detections_all") not in every  # the same as detections
    assert some[name, "detections_all"].value == every[name, "detections"].value
    assert some[name, "detections_all"].value >= some[name, "detections"].value
    assert some[name, "detections_all"].features == "score > 0.6, all 3 labels"


def test_unseeded_images_are_measured_in_the_order_of_their_prompts(cell: Cell) -> None:
    plan = prompt_images(prompts(), "measure", SAMPLING)
    drawn = {}
    for name, arrays in (("judged", cell.judged), ("base", cell.base)):
        place = {key: at for at, key in enumerate(zip(arrays["rows"].tolist(), arrays["seeds"].tolist(), strict=True))}
        order = [place[key] for key in zip(plan.rows.tolist(), plan.seeds.tolist(), strict=True)]
        new = {key: array[order] for key, array in arrays.items() if not key.startswith("detection")}
        at = {old: new for new, old in enumerate(order)}
        held = [number for number, image in enumerate(arrays["detection_image"].tolist()) if image in at]
        new |= {key: array[held] for key, array in arrays.items() if key.startswith("detection")}
        new["detection_image"] = np.array([at[image] for image in new["detection_image"].tolist()])
        drawn[name] = cell.write(f"unseeded {name}", new | {"seeds": np.arange(len(order)) * 7919 % 10_007})
    seeded, found = cell.run(), cell.run("--sampling-unseeded=true", **drawn)
    assert found.keys() == seeded.keys()
    for key, record in found.items():
        assert (record.value, record.low, record.high) == (seeded[key].value, seeded[key].low, seeded[key].high)
    assert found["forget_test", "AS_difference"].reference == "the base's images of the same prompts and other seeds"
    assert found["forget_test", "AS"].image_seeds != seeded["forget_test", "AS"].image_seeds
