"""CIFAR-10 is read as it is published, and what is wrong with an archive is said."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path

import class_assets
import numpy as np
import pytest
from stages import run

from lethe.data import classes as data
from lethe.data import read_images
from lethe.data.cifar10 import cifar10
from lethe.errors import LetheError


@pytest.fixture
def contents() -> dict[str, dict]:
    return class_assets.batches(10)


def test_the_images_are_those_of_the_batches_in_their_order(tmp_path, contents):
    train, test = cifar10(class_assets.write_archive(tmp_path / "a.tar.gz", contents))
    assert train.classes == test.classes == class_assets.CLASSES
    assert (train.images.shape, test.images.shape) == ((50, 3, 32, 32), (10, 3, 32, 32))
    assert train.images.dtype == np.uint8
    for number in range(5):
        batch = contents[f"data_batch_{number + 1}"]
        for index in (0, 9):
            # Red first, row by row.
            image = np.array(batch["data"][index]).tolist()
            assert train.images[10 * number + index, 0, 0].tolist() == image[:32]
            assert train.images[10 * number + index, 2, 31].tolist() == image[-32:]
            assert train.conditions[10 * number + index] == batch["labels"][index]
    assert test.conditions.tolist() == contents["test_batch"]["labels"]


def test_the_command_writes_both_parts(tmp_path, contents):
    archive = class_assets.write_archive(tmp_path / "a.tar.gz", contents)
    words = f"--train {tmp_path}/train --test {tmp_path}/test --source cifar10 --fingerprint f00"
    run(data, f"{words} --file {archive}")
    train, test = read_images(tmp_path / "train"), read_images(tmp_path / "test")
    assert (len(train.images), len(test.images), train.source) == (50, 10, "cifar10")
    before = (tmp_path / "train").read_bytes()
    run(data, f"{words} --file {archive}")
    assert (tmp_path / "train").read_bytes() == before
    with pytest.raises(LetheError, match="read from an archive"):
        run(data, words)


def without(name):
    return lambda contents: contents.pop(name)


def changed(name, **values):
    return lambda contents: contents[name].update(values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("data_batch_4"), "no data_batch_4"),
        (without("test_batch"), "no test_batch"),
        (without("batches.meta"), "no batches.meta"),
        (changed("batches.meta", label_names=["apple"] * 100), "other classes: apple"),
        (changed("batches.meta", num_cases_per_batch=11), "data_batch_1: it has 10 images, but batches.meta says 11"),
        (
            changed("data_batch_2", data=np.zeros((10, 3071), np.uint8)),
            r"data_batch_2: .* uint8 \(10, 3071\)",
        ),
        (changed("data_batch_2", data=np.zeros((10, 3072), np.float32)), "data_batch_2: its data are float32"),
        (changed("data_batch_3", data=[1, 2]), "data_batch_3: its data are list"),
        (changed("data_batch_3", labels=[0] * 9), "data_batch_3: labels"),
        (changed("data_batch_3", labels=[0] * 9 + [10]), "data_batch_3: an image has the label 10"),
        (changed("test_batch", labels=[-1] * 10), "test_batch: an image has the label -1"),
        (lambda contents: contents["data_batch_5"].pop("labels"), "data_batch_5: it has no 'labels'"),
    ],
)
def test_a_fault_is_named(tmp_path, contents, change, words):
    change(contents)
    with pytest.raises(LetheError, match=words):
        cifar10(class_assets.write_archive(tmp_path / "a.tar.gz", contents))


def test_a_broken_or_missing_archive_is_named(tmp_path, contents):
    whole = class_assets.write_archive(tmp_path / "a.tar.gz", contents).read_bytes()
    with pytest.raises(LetheError, match=r"no such file"):
        cifar10(tmp_path / "b.tar.gz")
    for broken in (whole[: len(whole) // 2], b"<html>moved</html>", b""):
        (tmp_path / "b.tar.gz").write_bytes(broken)
        with pytest.raises(LetheError, match=r"not a readable archive|it has no"):
            cifar10(tmp_path / "b.tar.gz")


class _Harmful:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return Path.touch, (self.place,)


def test_nothing_in_an_archive_is_run(tmp_path, contents):
    archive, sentinel = tmp_path / "a.tar.gz", tmp_path / "touched"
    with tarfile.open(archive, "w:gz") as tar:
        for name, values in contents.items():
            held = pickle.dumps({**values, "more": _Harmful(sentinel)})
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(held)
            tar.addfile(entry, io.BytesIO(held))
    with pytest.raises(LetheError, match=r"a\.tar\.gz: batches\.meta"):
        cifar10(archive)
    assert not sentinel.exists()
