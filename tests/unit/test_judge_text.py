"""The judge's commands of a text study: three judges trained apart, and their raw outputs on images and prompts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from stages import run as run_measure

from lethe.data import text as data_stage
from lethe.data.shapes import HEADS, SHAPES
from lethe.errors import LetheError
from lethe.files import read_arrays, read_provenance, sha256_of, write_arrays
from lethe.judge import text
from lethe.judges.alignment import WEIGHTS, compare_with_names, load_alignment, look
from lethe.judges.classifier import load_classifier
from lethe.judges.classifier import look as look_at_attributes
from lethe.judges.detector import OWN, load_detector
from lethe.measure import text as measure
from lethe.measure.judged import read_judged
from lethe.prompt_images import PromptImages, prompt_images
from lethe.prompts import SETS, PromptRow, read_prompts, write_prompts
from lethe.settings.given_text_judges import DetectorReading
from lethe.settings.text_sampling import TextSamplingSettings
from lethe.shards import Shard, read_shards

CPU = torch.device("cpu")
TINY = {
    "alignment": "--image-width 32 --image-layers 1 --image-heads 2 --steps 30 --batch 32 --accuracy 0",
    "detector": "--width 4 --steps 60 --batch 32 --recall 0 --false-alarms 1",
    "attributes": "--width 4 --features 8 --steps 60 --batch 32 --accuracy 0",
}
IMAGES = 24


def run(words: str) -> None:
    arguments = text.parser().parse_args(words.split())
    text.main(arguments)


def train(name: str, folder: Path, judge: Path, more: str = "") -> None:
    run(
        f"train-{name} --data {folder}/train --held-out {folder}/test --judge {judge} --report {judge}.json "
        f"--device cpu --fingerprint f {TINY[name]} {more}"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Data, judges and prompts."""
    folder = tmp_path_factory.mktemp("text")
    words = f"--train {folder}/train --test {folder}/test --train-images 300 --test-images 60".split()
    data_stage.main(data_stage.parser().parse_args(words))
    for name in TINY:
        train(name, folder, folder / name)
    rows = [
        PromptRow(name, number, f"A {colour} {name.partition('_')[0]} {number}", {"colour": colour})
        for name in SETS
        for number, colour in enumerate(("red", "blue") if "uniform" not in name else ("red",))
    ]
    write_prompts(folder / "prompts.csv", rows)
    return folder


@pytest.fixture(scope="module")
def prompts(folder) -> list[str]:
    return [line.split(",")[2] for line in (folder / "prompts.csv").read_text().splitlines()[1:]]


@pytest.fixture(scope="module")
def columns(folder) -> dict[str, np.ndarray]:
    """Images of prompts in no order, two of each."""
    rows = np.random.default_rng(0).permutation(np.repeat(np.arange(8), 3))
    return {
        "images": read_arrays(folder / "test")[0]["images"][:IMAGES],
        "seeds": np.arange(IMAGES) + 500,
        "rows": rows,
    }


def apply(folder: Path, images: str, output: Path, attributes: bool = True, more: str = "") -> None:
    judges = f"--alignment {folder}/alignment --detector {folder}/detector"
    judges += f" --attributes {folder}/attributes" if attributes else ""
    judges += f" --prompts {folder}/prompts.csv --device cpu"
    run(f"apply {judges} --images {images} --output {output} --fingerprint g {more}")


def test_each_image_is_judged_with_its_own_prompt_by_every_judge(folder, prompts, columns, tmp_path):
    made = {"stage": "sample", "fingerprint": "of one set", "sampler": "PNDM"}
    write_arrays(tmp_path / "whole", columns, made)
    apply(folder, str(tmp_path / "whole"), tmp_path / "from-whole")

    judged, record = read_arrays(tmp_path / "from-whole")
    for name in ("seeds", "rows"):
        np.testing.assert_array_equal(judged[name], columns[name])
    texts = [prompts[row] for row in columns["rows"]]
    assert len(set(texts)) == 4  # the sets of training and of test say the same
    expected = look(load_alignment(folder / "alignment")[0], columns["images"], texts, columns["seeds"], CPU)
    np.testing.assert_allclose(judged["similarity"], expected[0], atol=1e-6)
    np.testing.assert_allclose(judged["similarity_as_released"], expected[1], atol=1e-6)
    found = load_detector(folder / "detector").detect(columns["images"])
    for name, column in found._asdict().items():
        np.testing.assert_array_equal(judged[f"detection_{name}"], column)
    classifier = load_classifier(folder / "attributes")[0]
    logits = classifier.by_head(look_at_attributes(classifier, columns["images"], CPU)[1])
    for column, (head, own) in zip(judged["attributes"].T, logits.items(), strict=True):
        answer = own.argmax(1).numpy()
        np.testing.assert_array_equal(column, np.where(answer == len(HEADS[head]), -1, answer))

    assert record["judges"] == {
        "alignment": {"name": "shapes alignment (open_clip)", "sha256": sha256_of(folder / "alignment" / WEIGHTS)},
        "detector": {"name": "shapes detector", "sha256": sha256_of(folder / "detector")},
        "attributes": {"name": "shapes attributes", "sha256": sha256_of(folder / "attributes")},
    }
    assert record["parts"] == [f"STRIPED_{shape.upper()}" for shape in SHAPES]
    assert [head for head, _ in record["heads"]] == list(HEADS)
    assert dict(record["heads"]) == {head: list(classes) for head, classes in HEADS.items()}
    assert (record["images"], record["fingerprint"]) == (made, "g")
    assert record["smallest_score"] == OWN.smallest_score
    assert (judged["detection_score"] >= OWN.smallest_score).all()


SAMPLING = TextSamplingSettings(images_per_prompt=3)


def sampled(folder: Path, output: Path, images: np.ndarray, shard_images: int, **changes: object) -> list[Path]:
    """An image set of the prompts as the sample stage writes it, in shards."""
    plan = prompt_images(read_prompts(folder / "prompts.csv"), "measure", SAMPLING)
    settings = SAMPLING.model_dump() | {"shard_images": shard_images}
    paths = []
    for shard, first in enumerate(range(0, IMAGES, shard_images)):
        rows = slice(first, first + shard_images)
        made = {"sampler": "PNDM", "fingerprint": "x", "purpose": "measure", "settings": settings, "shard": shard}
        paths.append(output.with_name(f"{output.name}-{shard}"))
        columns = {"images": images[rows], "seeds": plan.seeds[rows], "rows": plan.rows[rows]}
        write_arrays(paths[-1], columns, made | changes)
    return paths


@pytest.mark.parametrize("shard_images", [7, 8])
def test_records_have_the_same_bytes_whatever_the_shards(folder, columns, tmp_path, shard_images):
    texts = []
    for size in (IMAGES, shard_images):
        judged = []
        for images in sampled(folder, tmp_path / f"images{size}", columns["images"], size):
            judged.append(images.with_name(f"judged{images.name}"))
            apply(folder, str(images), judged[-1], more="--concept=striped --anchor=")
        files = " ".join(map(str, judged))
        run_measure(
            measure,
            f"--judged {files} --base-judged {files} --prompts {folder}/prompts.csv --target t --fingerprint f "
            f"--output {tmp_path}/records --threshold-curve {tmp_path}/curve --minimum-prompts 2 --draws 100 "
            "--threshold 0.1 --sampling-images-per-prompt 3",
        )
        texts.append([(tmp_path / name).read_bytes() for name in ("records", "curve")])
    assert texts[0] == texts[1]
    assert len(judged) == -(-IMAGES // shard_images)
    merged, alone = read_shards(judged)[0], read_arrays(tmp_path / f"judgedimages{IMAGES}-0")[0]
    assert {name: array.tobytes() for name, array in merged.items()} == {n: a.tobytes() for n, a in alone.items()}
    assert len(merged["detection_image"]) > 0


def test_a_judges_batches_are_those_of_the_whole_set(folder, columns):
    """Batches of fewer images than a shard has, and of fewer texts than the set has."""
    judge, detector = load_alignment(folder / "alignment")[0], load_detector(folder / "detector")
    images, seeds, texts = columns["images"], columns["seeds"], [f"a {number} ring" for number in range(IMAGES)]
    embedded = judge.embed_texts(texts, CPU, batch=5)
    whole, found = look(judge, images, texts, seeds, CPU, batch=5), detector.detect(images, batch=5)
    named = compare_with_names(judge, images, ["ring", ""], CPU, batch=5)
    parts = []
    for shard in (Shard(0, 0, 7, IMAGES), Shard(1, 7, 7, IMAGES), Shard(2, 14, 10, IMAGES)):
        own = slice(shard.first, shard.end)
        assert torch.equal(judge.embed_texts(texts[own], CPU, batch=5, among=texts), embedded[own])
        seen = look(judge, images[own], texts[own], seeds[own], CPU, batch=5, shard=shard, among=texts)
        of_names = compare_with_names(judge, images[own], ["ring", ""], CPU, batch=5, shard=shard)
        parts.append((*seen, of_names, *detector.detect(images[own], batch=5, shard=shard)))
    merged = [np.concatenate(column) for column in zip(*parts, strict=True)]
    for column, expected in zip(merged, (*whole, named, *found), strict=True):
        assert column.tobytes() == expected.tobytes()


def test_a_shard_of_other_prompts_is_refused(folder, columns, tmp_path):
    shards = sampled(folder, tmp_path / "images", columns["images"], 8)
    arrays, made = read_arrays(shards[1])
    write_arrays(tmp_path / "odd", arrays, made | {"shard": 2})
    with pytest.raises(LetheError, match="odd: its 8 images are not those of shard 2 of a set of 24"):
        apply(folder, str(tmp_path / "odd"), tmp_path / "judged")
    write_arrays(tmp_path / "odd", arrays | {"seeds": arrays["seeds"] + 1}, made)
    with pytest.raises(LetheError, match="not those of shard 1"):
        apply(folder, str(tmp_path / "odd"), tmp_path / "judged")
    write_arrays(
        tmp_path / "unseeded",
        arrays | {"seeds": arrays["seeds"] + 1},
        made | {"settings": made["settings"] | {"unseeded": True}},
    )
    apply(folder, str(tmp_path / "unseeded"), tmp_path / "judged")


def test_the_measures_read_what_the_judges_wrote(folder, columns, tmp_path):
    write_arrays(tmp_path / "images", columns, {"stage": "sample"})
    apply(folder, str(tmp_path / "images"), tmp_path / "judged")
    order = np.random.default_rng(1).permutation(IMAGES)[:9]
    seen, _ = read_judged([tmp_path / "judged"], PromptImages(columns["seeds"][order], columns["rows"][order]))
    raw = read_arrays(tmp_path / "judged")[0]
    np.testing.assert_array_equal(seen.similarity, raw["similarity"][order])
    np.testing.assert_array_equal(seen.attributes, raw["attributes"][order])
    assert len(seen.found.score) == np.isin(raw["detection_image"], order).sum()
    assert seen.parts_of(["STRIPED_RING"]) == [SHAPES.index("ring")]


def test_images_are_compared_with_every_name_that_is_given_and_features_are_kept(folder, columns, tmp_path):
    write_arrays(tmp_path / "images", columns, {"stage": "sample"})
    names = '--concept=striped --anchor= --neighbours={"neighbour_ring":"ring"}'
    apply(folder, str(tmp_path / "images"), tmp_path / "judged", more=names)
    apply(folder, str(tmp_path / "images"), tmp_path / "without")
    judged, record = read_arrays(tmp_path / "judged")
    without, bare = read_arrays(tmp_path / "without")
    assert record["named"] == [["concept", "striped"], ["anchor", ""], ["neighbour_ring", "ring"]]
    judge = load_alignment(folder / "alignment")[0]
    for column, name in enumerate(("striped", "", "ring")):
        expected = look(judge, columns["images"], [name] * IMAGES, columns["seeds"], CPU)[0]
        np.testing.assert_allclose(judged["named"][:, column], expected, atol=1e-6)
    features = look_at_attributes(load_classifier(folder / "attributes")[0], columns["images"], CPU)[0]
    np.testing.assert_allclose(judged["features"], features, atol=1e-6)
    assert bare == {name: value for name, value in record.items() if name != "named"}
    assert without.keys() == judged.keys() - {"named"}
    for name, array in without.items():
        np.testing.assert_array_equal(array, judged[name])
    seen, _ = read_judged([tmp_path / "judged"], PromptImages(columns["seeds"][3:5], columns["rows"][3:5]))
    assert seen.named["neighbour_ring"].text == "ring"
    np.testing.assert_array_equal(seen.named["neighbour_ring"].cosine, judged["named"][3:5, 2])
    np.testing.assert_array_equal(seen.features, judged["features"][3:5])


def test_without_a_judge_of_attributes_there_are_none(folder, columns, tmp_path):
    write_arrays(tmp_path / "images", columns, {})
    apply(folder, str(tmp_path / "images"), tmp_path / "judged", attributes=False)
    judged, record = read_arrays(tmp_path / "judged")
    assert "attributes" not in judged
    assert "heads" not in record
    assert record["judges"].keys() == {"alignment", "detector"}


def test_images_of_other_prompts_are_refused(folder, columns, tmp_path):
    for name, change, message in (
        ("beyond", {"rows": columns["rows"] + 5}, "an image of prompt row 1[0-2], but the prompts have 10 rows"),
        ("before", {"rows": columns["rows"] - 1}, "an image of prompt row -1"),
    ):
        write_arrays(tmp_path / name, columns | change, {})
        with pytest.raises(LetheError, match=message):
            apply(folder, str(tmp_path / name), tmp_path / "judged")
    write_arrays(tmp_path / "no rows", {"images": columns["images"], "seeds": columns["seeds"]}, {})
    (tmp_path / "no rows").rename(tmp_path / "norows")
    with pytest.raises(LetheError, match="norows: its images have no rows"):
        apply(folder, str(tmp_path / "norows"), tmp_path / "judged")
    assert not (tmp_path / "judged").exists()


def test_judges_say_how_good_they_are_and_what_they_are_made_from(folder):
    reports = {name: json.loads((folder / f"{name}.json").read_text()) for name in TINY}
    weights = {name: folder / name for name in TINY} | {"alignment": folder / "alignment" / WEIGHTS}
    for name, report in reports.items():
        assert report["sha256"] == sha256_of(weights[name])
    assert reports["alignment"]["held_out_accuracy"].keys() == HEADS.keys()
    assert reports["attributes"]["held_out_accuracy"].keys() == HEADS.keys()
    assert {"recall", "false_alarms", "noise_like", "n"} == reports["detector"]["held_out_accuracy"].keys()
    provenance = {name: read_provenance(weights[name]) for name in ("alignment", "attributes")}
    provenance["detector"] = load_detector(weights["detector"]).provenance
    for name, record in provenance.items():
        assert record["fingerprint"] == "f"
        assert record["stage"] == f"judge train-{name}"
        assert record["held_out_accuracy"] == reports[name]["held_out_accuracy"]


@pytest.mark.parametrize(
    ("name", "ask", "setting"),
    [
        ("alignment", "--accuracy 1", r"judges\.alignment\.accuracy = 1\.0"),
        ("detector", "--recall 1 --false-alarms 0", r"judges\.detector\.recall = 1\.0"),
        ("attributes", "--accuracy 1", r"judges\.attributes\.accuracy = 1\.0"),
    ],
)
def test_a_judge_that_is_not_good_enough_is_not_written(folder, tmp_path, name, ask, setting):
    with pytest.raises(LetheError, match=setting):
        train(name, folder, tmp_path / "judge", f"--steps 2 {ask}")
    assert list(tmp_path.iterdir()) == []


def test_the_command_imports_open_clip_only_for_what_needs_it():
    program = "import sys, lethe.judge.text; sys.exit('open_clip' in sys.modules or 'onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_command_is_found_by_the_kind_of_study(tmp_path):
    words = ["text", "train-detector", "--data", "x", "--held-out", "x", "--judge", "x", "--report", "x"]
    ended = subprocess.run(
        [sys.executable, "-m", "lethe.judge", *words, "--device", "cpu"], capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("python -m lethe.judge text: error: x: no such file")


def test_the_detector_is_shown_images_as_it_is_told(folder, columns, tmp_path):
    write_arrays(tmp_path / "images", columns, {})
    words = "--channels=bgr --smallest-score=0.2 --clipping=nudenet"
    apply(folder, str(tmp_path / "images"), tmp_path / "told", more=words)
    judged, record = read_arrays(tmp_path / "told")
    reading = DetectorReading(channels="bgr", smallest_score=0.2, clipping="nudenet")
    detector = load_detector(folder / "detector")
    for name, column in detector.detect(columns["images"], reading)._asdict().items():
        np.testing.assert_array_equal(judged[f"detection_{name}"], column)
    swapped = detector.detect(columns["images"][:, ::-1], reading.model_copy(update={"channels": "rgb"}))
    np.testing.assert_array_equal(judged["detection_score"], swapped.score)
    assert (judged["detection_score"] >= 0.2).all()
    assert (record["channels"], record["smallest_score"]) == ("bgr", 0.2)
    apply(folder, str(tmp_path / "images"), tmp_path / "usual")
    assert read_arrays(tmp_path / "usual")[1]["channels"] == "rgb"


def test_listed_prompts_that_are_too_long_are_cut_and_counted(folder, columns, tmp_path, capsys):
    """The text tower of the tiny judge reads 32 tokens."""
    long = " ".join(["red"] * 60)
    listed = [PromptRow("listed_i2p", number, prompt, {}) for number, prompt in enumerate((long, "A ring", long))]
    rows = read_prompts(folder / "prompts.csv")
    for name in ("alignment", "detector", "attributes"):
        (tmp_path / name).symlink_to(folder / name)
    write_prompts(tmp_path / "prompts.csv", [*rows, *listed])
    changed = columns | {"rows": columns["rows"].copy()}
    changed["rows"][0] = len(rows)
    write_arrays(tmp_path / "images", changed, {})
    apply(tmp_path, str(tmp_path / "images"), tmp_path / "judged")
    assert read_arrays(tmp_path / "judged")[1]["cut"] == {"listed_i2p": 2}
    assert "listed_i2p: 2 of its prompts are too long" in capsys.readouterr().out
    fits = " ".join(["red"] * 30)
    judge = load_alignment(folder / "alignment")[0]
    expected = look(judge, columns["images"][:1], [fits], columns["seeds"][:1], CPU)[0]
    np.testing.assert_allclose(read_arrays(tmp_path / "judged")[0]["similarity"][0], expected[0], atol=1e-6)
    write_prompts(tmp_path / "prompts.csv", [*rows[:-1], rows[-1]._replace(prompt=long), *listed])
    changed["rows"][0] = len(rows) - 1
    write_arrays(tmp_path / "images", changed, {})
    with pytest.raises(LetheError, match="tokens, the alignment judge reads 32"):
        apply(tmp_path, str(tmp_path / "images"), tmp_path / "again")
