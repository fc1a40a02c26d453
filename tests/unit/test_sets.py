"""D_f is all of the target; D_r is balanced, without it, without repetition."""

from __future__ import annotations

import numpy as np
import pytest

from lethe.data import LabelledImages
from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.sets import read_sets
from lethe.sets.classes import balanced, main, make_sets, parser
from lethe.settings.sets import SetsSettings


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
    rows = balanced(digits, 3, per_class, seed=0)
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
    drawn = np.concatenate([balanced(few, 0, 1, seed)[:1] for seed in range(600)])
    counts = np.bincount(drawn, minlength=60)[few.conditions == 1]
    assert counts.sum() == 600
    expected = 600 / members
    assert ((counts - expected) ** 2 / expected).sum() < 4 * members


@pytest.mark.parametrize("target", [-1, 10])
def test_a_class_that_is_not_there_is_refused(digits, target):
    with pytest.raises(LetheError, match=f"target {target}.*\n.*0 to 9"):
        made(digits, target)


def test_too_few_images_are_refused_with_class_and_count(digits):
    with pytest.raises(LetheError, match="retain_per_class = 178, but class 2 has 177 "):
        made(digits, per_class=178)


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


def test_a_file_of_another_stage_is_refused(digits, tmp_path):
    write_arrays(tmp_path / "other.safetensors", {"images": digits.images}, {"stage": "data"})
    with pytest.raises(LetheError, match=r"other\.safetensors"):
        read_sets(tmp_path / "other.safetensors")
