"""Which classes are near: cosines of class means, and the file that D_r is drawn by."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.similarity import (
    Similarity,
    class_means,
    cosines,
    main,
    parser,
    read_similarity,
    write_similarity,
)

NAMES = ("zero", "one", "two", "three", "four")


def features_of(seed: int = 0, images: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Non-negative features, as those after a ReLU, and labels in no order."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(images) % len(NAMES))
    return np.maximum(generator.normal(size=(images, 7)) + labels[:, None] * 0.3, 0).astype(np.float32), labels


def judged_file(path: Path, **changes: object) -> Path:
    features, labels = features_of()
    made = {"judge": "a judge", "judge_sha256": "ab" * 32, "classes": list(NAMES), "features": "its features"}
    write_arrays(path, {"features": features, "conditions": labels}, made | changes)
    return path


def run(judged: Path, output: Path, *words: str) -> Similarity:
    arguments = ["--judged", str(judged), "--output", str(output), "--fingerprint", "f00", *words]
    main(parser().parse_args(arguments))
    return read_similarity(output)


@pytest.mark.parametrize("images_per_class", [1, 5, 12, 1000])
def test_means_are_of_the_first_images_of_each_class(images_per_class):
    features, labels = features_of()
    means, counts = class_means(features, labels, len(NAMES), images_per_class)
    for label in range(len(NAMES)):
        own = [row for row, known in zip(features.astype(float), labels, strict=True) if known == label]
        taken = own[:images_per_class]
        assert counts[label] == len(taken) == min(images_per_class, 12)
        np.testing.assert_allclose(means[label], sum(taken) / len(taken), rtol=1e-12)


def test_cosines_are_the_librarys():
    vectors = np.random.default_rng(1).normal(size=(6, 9))
    found = cosines(vectors)
    np.testing.assert_allclose(found, cosine_similarity(vectors), atol=1e-12)
    np.testing.assert_allclose(np.diag(found), 1, atol=1e-12)
    # Not centred: a shift common to all classes changes them.
    assert not np.allclose(cosines(vectors + 3), found, atol=0.1)


def test_the_command_finds_what_a_plain_loop_finds(tmp_path):
    features, labels = features_of()
    found = run(judged_file(tmp_path / "judged"), tmp_path / "similarity.csv", "--images-per-class", "4")
    means = [features[labels == label][:4].astype(float).mean(axis=0) for label in range(len(NAMES))]
    for a, mean in enumerate(means):
        expected = {
            b: float(mean @ other) / float((mean @ mean) ** 0.5 * (other @ other) ** 0.5)
            for b, other in enumerate(means)
            if b != a
        }
        for b, cosine in expected.items():
            assert found.cosine[a, b] == pytest.approx(cosine, abs=1e-12)
        assert found.order(a) == sorted(expected, key=expected.get, reverse=True)
        assert found.near(a) == found.order(a)[:2]
    assert (found.names, found.images, found.judge) == (NAMES, (4,) * 5, "a judge")


def test_the_file_has_every_pair_with_its_rank_and_its_making(tmp_path):
    found = run(judged_file(tmp_path / "judged"), tmp_path / "similarity.csv")
    with (tmp_path / "similarity.csv").open() as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == 25
    for line in lines:
        label, other = int(line["class"]), int(line["other"])
        assert float(line["cosine"]) == found.cosine[label, other]
        assert line["rank"] == ("" if label == other else str(found.order(label).index(other) + 1))
        assert (line["name"], line["other_name"]) == (NAMES[label], NAMES[other])
        assert (line["fingerprint"], line["judge_sha256"]) == ("f00", "ab" * 32)


def test_the_same_file_gives_the_same_bytes(tmp_path):
    judged = judged_file(tmp_path / "judged")
    for name in ("first.csv", "second.csv"):
        run(judged, tmp_path / name)
    assert (tmp_path / "first.csv").read_bytes() == (tmp_path / "second.csv").read_bytes()


def test_of_classes_as_near_the_lower_number_comes_first():
    cosine = np.full((4, 4), 0.5)
    assert Similarity(("a", "b", "c", "d"), cosine, (1,) * 4, "", "").near(1) == [0, 2]


def test_what_has_no_similarity_is_refused(tmp_path):
    features, labels = features_of()
    with pytest.raises(LetheError, match="class 5 has no training image"):
        class_means(features, labels, 6, 10)
    with pytest.raises(LetheError, match="class 1 are zero"):
        cosines(np.array([[1.0, 2.0], [0.0, 0.0]]))
    write_arrays(tmp_path / "images", {"images": features}, {"stage": "data"})
    with pytest.raises(LetheError, match="not a judge's outputs"):
        run(tmp_path / "images", tmp_path / "similarity.csv")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("cosine", "cosinus", 1), "its columns"),
        (lambda text: text.rsplit("\n", 2)[0] + "\n", "not every pair"),
        (lambda text: text + text.splitlines()[1] + "\n", "not every pair"),
        (lambda text: text.replace("0,zero,1,one,", "0,zero,x,one,"), "invalid literal"),
    ],
)
def test_a_spoilt_file_is_refused(tmp_path, spoil, message):
    path = tmp_path / "similarity.csv"
    found = Similarity(NAMES, np.eye(5), (3,) * 5, "a judge", "its features")
    write_similarity(path, found, "ab", "f00")
    np.testing.assert_array_equal(read_similarity(path).cosine, np.eye(5))
    path.write_text(spoil(path.read_text()))
    with pytest.raises(LetheError, match=message):
        read_similarity(path)
    with pytest.raises(LetheError, match="no such file"):
        read_similarity(tmp_path / "nothing.csv")
