"""Shards of an image set: their places in the batches of the whole, and what was seen in them put together again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lethe.errors import LetheError
from lethe.files import StoredArray, read_arrays, write_arrays
from lethe.image_plan import all_classes, class_image_count, class_images, one_target
from lethe.judges.classifier import Classifier, look
from lethe.judges.inception import look_inception
from lethe.judges.pictures import in_batch
from lethe.settings.sampling import SamplingSettings
from lethe.shards import Shard, read_shards, whole

CPU = torch.device("cpu")
IMAGES = 23


def shards_of(size: int, images: int = IMAGES) -> list[Shard]:
    starts = range(0, images, size)
    return [Shard(n, start, min(size, images - start), images) for n, start in enumerate(starts)]


def pictures(count: int = IMAGES) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)


# The batches of the whole set


@pytest.mark.parametrize("size", [1, 4, 5, 8, 22, 23, 40])
@pytest.mark.parametrize("batch", [1, 4, 7, 64])
def test_every_image_is_where_it_is_in_the_whole_sets_batches(size, batch):
    numbers = np.arange(IMAGES)
    expected = {image: (image % batch, min(batch, IMAGES - image // batch * batch)) for image in numbers}
    seen = {}
    for shard in shards_of(size):
        own = torch.from_numpy(numbers[shard.first : shard.end] + 1)
        for part in shard.batches(batch):
            call = in_batch(own[part.rows], part)
            assert torch.equal(call[part.own], own[part.rows])
            assert (call == 0).sum() == part.before + part.after
            seen |= {int(image) - 1: (place, len(call)) for place, image in enumerate(call) if image}
    assert seen == expected


def test_a_share_of_a_shard_has_its_place_among_what_is_chosen():
    chosen = np.array([1, 2, 9, 10, 11, 20])
    shares = [shard.among(chosen) for shard in shards_of(5)]
    assert [(share.first, share.images, share.of) for share in shares] == [
        (0, 2, 6),
        (2, 1, 6),
        (3, 2, 6),
        (5, 0, 6),
        (5, 1, 6),
    ]
    assert list(shares[3].batches(4)) == []


@pytest.mark.parametrize("size", [6, 8, 10])
def test_what_a_judge_sees_has_the_same_bits_whatever_the_shards(size):
    torch.manual_seed(0)
    judge, images = Classifier(3, 8, 16, {"class": 4}, "resnet").eval(), pictures()
    network = nn.Sequential(nn.Conv2d(3, 8, 16, stride=16), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 18 * 18, 2048))
    features, logits = look(judge, images, CPU, batch=8)
    inception = look_inception(network.eval(), images, ["tf1", "pytorch"], CPU, batch=8)
    parts = [
        (look(judge, own, CPU, batch=8, shard=s), look_inception(network, iter(own), list(inception), CPU, 8, s))
        for s in shards_of(size)
        for own in [images[s.first : s.end]]
    ]
    assert torch.cat([seen[0] for seen, _ in parts]).numpy().tobytes() == features.numpy().tobytes()
    assert torch.cat([seen[1] for seen, _ in parts]).numpy().tobytes() == logits.numpy().tobytes()
    for name, found in inception.items():
        assert np.concatenate([of_inception[name] for _, of_inception in parts]).tobytes() == found.tobytes()


# Files


def test_an_array_is_read_by_its_rows(tmp_path):
    images = pictures()
    write_arrays(tmp_path / "images", {"images": images, "empty": np.zeros((0, 5), np.float32)}, {})
    stored = StoredArray(tmp_path / "images", "images")
    assert (len(stored), stored.shape) == (IMAGES, images.shape)
    for rows in (slice(0, 4), slice(20, 99), slice(None), slice(5, 5)):
        np.testing.assert_array_equal(stored[rows], images[rows])
    np.testing.assert_array_equal(stored[np.int64(7)], images[7])
    assert read_arrays(tmp_path / "images")[0]["empty"].shape == (0, 5)


def write_seen(folder: Path, size: int, name: str = "judged", **changes: Any) -> list[Path]:
    """What judges could have seen: some arrays have a row for each image, others for some of them."""
    random = np.random.default_rng(1)
    features, images = random.normal(size=(IMAGES, 3)), np.repeat(np.arange(IMAGES), random.integers(0, 3, IMAGES))
    paths = []
    for shard in shards_of(size):
        own = slice(shard.first, shard.end)
        found = images[(images >= shard.first) & (images < shard.end)]
        made = {"judge_sha256": "a", "fingerprint": "f", "images": {"sampler": "s", "shard": shard.number}} | changes
        paths.append(folder / f"{name}{size}-{shard.number}")
        arrays = {"features": features[own], "seeds": np.arange(IMAGES)[own], "detection_image": found}
        write_arrays(paths[-1], arrays, made | {"shard": shard._asdict()})
    return paths


@pytest.mark.parametrize("size", [1, 5, 22, 30])
def test_shards_put_together_are_the_whole(tmp_path, size):
    expected, record = read_shards(write_seen(tmp_path, IMAGES))
    merged, made = read_shards(write_seen(tmp_path, size))
    assert made == record == {"judge_sha256": "a", "fingerprint": "f", "images": {"sampler": "s"}}
    assert merged.keys() == expected.keys()
    for name, array in expected.items():
        assert (merged[name].dtype, merged[name].shape) == (array.dtype, array.shape)
        assert merged[name].tobytes() == array.tobytes()
    assert read_shards(write_seen(tmp_path, size), only=["seeds"])[0].keys() == {"seeds"}


def test_shards_that_do_not_make_a_set_are_refused(tmp_path):
    one, two, three, four = write_seen(tmp_path, 6)
    for paths, problem in (
        ([two, one, three, four], "shards in the order 1, 0, 2, 3"),
        ([one, two, four], "images 12 to 17 of 23 are in no shard"),
        ([one, two, three], "images 18 to 22 of 23 are in no shard"),
        ([two], "images 0 to 5 of 23 are in no shard"),
        ([one, two, two, three, four], "shard 1 is given 2 times"),
        ([one, two, three, write_seen(tmp_path, 7)[3]], "images 18 to 20 of 23 are in no shard"),
        ([one, write_seen(tmp_path, 5)[1], three, four], "image 5 of 23 is in two shards"),
    ):
        with pytest.raises(LetheError, match=problem):
            read_shards(paths)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"judge_sha256": "b"}, "judge_sha256"),
        ({"fingerprint": "g"}, "fingerprint"),
        ({"images": {"sampler": "s", "settings": {"steps": 9}}}, "images"),
        ({"cut": {"listed_i2p": 2}}, "cut"),
    ],
)
def test_a_shard_of_something_else_is_refused(tmp_path, changes, name):
    own, other = write_seen(tmp_path, 12), write_seen(tmp_path, 12, "other", **changes)
    with pytest.raises(LetheError, match=f"other12-1 and .*judged12-0 are not shards of one set.* '{name}'"):
        read_shards([own[0], other[1]])


def test_a_shard_of_a_set_of_another_size_is_refused(tmp_path):
    first = write_seen(tmp_path, 12)[0]
    arrays, made = read_arrays(first)
    write_arrays(tmp_path / "longer", arrays, made | {"shard": Shard(1, 12, 12, 24)._asdict()})
    with pytest.raises(LetheError, match=r"longer is of a set of 24 images, .* one of 23"):
        read_shards([first, tmp_path / "longer"])
    write_arrays(tmp_path / "nameless", arrays, {name: made[name] for name in made if name != "shard"})
    with pytest.raises(LetheError, match="nameless: it does not say which part of a set it is"):
        read_shards([first, tmp_path / "nameless"])
    np.testing.assert_array_equal(read_shards([tmp_path / "nameless"])[0]["seeds"], arrays["seeds"])
    assert whole(3) == Shard(0, 0, 3, 3)


@pytest.mark.parametrize(("forget", "retain"), [(5, 2), (2, 5), (3, 3)])
def test_images_of_classes_are_counted_without_listing_them(forget, retain):
    settings = SamplingSettings(forget_images=forget, retain_images=retain)
    for target, plan in ((None, all_classes(4, settings)), (2, one_target(2, 4, settings))):
        assert class_image_count(target, 4, settings) == len(plan.seeds)
        np.testing.assert_array_equal(class_images(target, 4, settings).seeds, plan.seeds)
