"""D_f is all of the target; D_r is balanced or of the two nearest classes, without it, without repetition."""

from __future__ import annotations

import numpy as np
import pytest

from lethe.data import LabelledImages
from lethe.errors import LetheError
from lethe.files import read_provenance, write_arrays
from lethe.sets import read_sets
from lethe.sets.classes import balanced, draw, main, make_sets, nearest, parser
from lethe.settings.sets import SetsSettings
from lethe.similarity import Similarity, write_similarity


def made(digits: LabelledImages, target: int = 3, per_class: int = 14, seed: int = 0):
    return make_sets(digits, target, SetsSettings(retain_per_class=per_class), seed)


def as_rows(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


@pytest.mark.parametrize("target", [0, 3, 9])
def test_the_forget_set_is_all_of_the_class_and_nothing_else(digits, target):
    sets = made(digits, target)
    np.testing.assert_array_equal(sets.forget_clean, digits.images[digits.conditions == target])
    assert set(sets.forget_conditions.tolist()) == {target}
    assert sets.target == str(target)
    assert sets.table is None


@pytest.mark.parametrize("per_class", [1, 14, 100])
def test_the_retain_set_is_balanced_without_target_and_repetition(digits, per_class):
    rows = draw(digits, balanced(digits, 3, per_class), per_class, seed=0)
    assert len(set(rows.tolist())) == len(rows)
    expected = [0 if label == 3 else per_class for label in range(10)]
    assert np.bincount(digits.conditions[rows], minlength=10).tolist() == expected
    sets = made(digits, per_class=per_class)
    np.testing.assert_array_equal(sets.retain_clean, digits.images[rows])
    np.testing.assert_array_equal(sets.retain_conditions, digits.conditions[rows])
    assert not as_rows(sets.retain_clean) & as_rows(sets.forget_clean)


def test_the_retain_set_depends_on_the_seed_alone(digits):
    np.testing.assert_array_equal(made(digits, seed=1).retain_clean, made(digits, seed=1).retain_clean)
    assert as_rows(made(digits, seed=1).retain_clean) != as_rows(made(digits, seed=2).retain_clean)
    # A class gives the same images whatever is forgotten: two targets differ by the method, not by the draw.
    kept = [sets.retain_clean[sets.retain_conditions == 5] for sets in (made(digits, 3), made(digits, 8))]
    np.testing.assert_array_equal(*kept)


def test_every_image_can_be_drawn_equally_often(digits):
    few = digits.where(np.arange(len(digits.conditions)) < 60)
    members = int((few.conditions == 1).sum())
    drawn = np.concatenate([draw(few, {1: 1}, 1, seed) for seed in range(600)])
    counts = np.bincount(drawn, minlength=60)[few.conditions == 1]
    assert counts.sum() == 600
    expected = 600 / members
    assert ((counts - expected) ** 2 / expected).sum() < 4 * members


@pytest.mark.parametrize("target", [-1, 10])
def test_a_class_that_is_not_there_is_refused(digits, target):
    with pytest.raises(LetheError, match=f"target {target}.*\n.*0 to 9"):
        made(digits, target)


def test_too_few_images_are_refused_with_class_and_count(digits):
    with pytest.raises(LetheError, match="retain_per_class = 178 takes 178 training images of class 2, which has 177"):
        made(digits, per_class=178)


def similarity(names: tuple[str, ...]) -> Similarity:
    """Classes are the nearer the nearer their numbers are; of two as near the lower is the nearer."""
    numbers = np.arange(len(names))
    distance = np.abs(numbers[:, None] - numbers)
    return Similarity(names, 1 - (distance + 1e-3 * (numbers > numbers[:, None])) / 10, (5,) * len(names), "", "")


@pytest.mark.parametrize(
    ("target", "per_class", "expected"),
    [(3, 14, {2: 63, 4: 63}), (0, 14, {1: 63, 2: 63}), (9, 1, {8: 5, 7: 4}), (5, 3, {4: 14, 6: 13})],
)
def test_the_two_nearest_classes_share_what_the_balanced_set_has(digits, target, per_class, expected):
    assert nearest(digits, target, per_class, similarity(digits.classes)) == expected
    assert sum(expected.values()) == sum(balanced(digits, target, per_class).values())
    settings = SetsSettings(strategy="nearest", retain_per_class=per_class)
    sets = make_sets(digits, target, settings, seed=1, similarity=similarity(digits.classes))
    labels, counts = np.unique(sets.retain_conditions, return_counts=True)
    assert dict(zip(labels.tolist(), counts.tolist(), strict=True)) == expected
    for label, count in expected.items():
        own = sets.retain_clean[sets.retain_conditions == label]
        assert len(as_rows(own) & as_rows(digits.images[digits.conditions == label])) == count
    again = make_sets(digits, target, settings, seed=1, similarity=similarity(digits.classes))
    np.testing.assert_array_equal(again.retain_clean, sets.retain_clean)


def test_near_classes_with_too_few_images_or_of_other_data_are_refused(digits):
    settings = SetsSettings(strategy="nearest", retain_per_class=50)  # 225 of each of two classes
    with pytest.raises(LetheError, match="takes 225 training images of class 2, which has 177"):
        make_sets(digits, 3, settings, 0, similarity(digits.classes))
    with pytest.raises(LetheError, match=r"strategy nearest.*\n.*--similarity"):
        make_sets(digits, 3, settings, 0)
    with pytest.raises(LetheError, match="similarity is of the classes a, b, c, the data has 0, 1"):
        make_sets(digits, 3, settings, 0, similarity(("a", "b", "c")))


def test_a_class_without_images_cannot_be_forgotten(digits):
    with pytest.raises(LetheError, match="target 3"):
        made(digits.where(digits.conditions != 3))


def test_the_command_writes_what_unlearning_reads(digits, tmp_path):
    data = tmp_path / "train.safetensors"
    write_arrays(
        data,
        {"images": digits.images, "conditions": digits.conditions},
        {"classes": list(digits.classes), "source": "digits"},
    )
    output = tmp_path / "sets.safetensors"
    words = f"--data {data} --target 7 --seed 2 --retain-per-class 5 --output {output}"
    main(parser().parse_args(words.split()))
    first = output.read_bytes()
    found, expected = read_sets(output), made(digits, target=7, per_class=5, seed=2)
    for name, value in vars(expected).items():
        np.testing.assert_array_equal(getattr(found, name), value)
    main(parser().parse_args(words.split()))
    assert output.read_bytes() == first


def test_the_command_reads_which_classes_are_near(digits, tmp_path):
    source = {"classes": list(digits.classes), "source": "digits"}
    write_arrays(tmp_path / "train", {"images": digits.images, "conditions": digits.conditions}, source)
    write_similarity(tmp_path / "similarity.csv", similarity(digits.classes), "", "")
    words = f"--data {tmp_path}/train --target 7 --strategy nearest --retain-per-class 5 --output {tmp_path}/sets"
    main(parser().parse_args([*words.split(), "--similarity", str(tmp_path / "similarity.csv")]))
    assert np.bincount(read_sets(tmp_path / "sets").retain_conditions).tolist() == [0] * 6 + [23, 0, 22]
    assert read_provenance(tmp_path / "sets")["retain_images"] == {"6": 23, "8": 22}


def test_a_file_of_another_stage_is_refused(digits, tmp_path):
    write_arrays(tmp_path / "other.safetensors", {"images": digits.images}, {"stage": "data"})
    with pytest.raises(LetheError, match=r"other\.safetensors"):
        read_sets(tmp_path / "other.safetensors")
