"""The judge: its class of noise, its accuracy, and its outputs as a function of each image alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from sklearn.metrics import accuracy_score

from lethe.data import LabelledImages
from lethe.errors import LetheError
from lethe.files import sha256_of, write_arrays
from lethe.image_plan import all_classes
from lethe.judge import classes as judge
from lethe.judge.classes import examples, train_judge
from lethe.judges.classifier import Classifier, load_classifier, look, predicted, save_classifier
from lethe.judges.classifier_training import held_out_accuracy, train_classifier
from lethe.judges.pictures import Examples, flipped, noise_like, shifted, softened
from lethe.settings.judge import JudgeSettings
from lethe.settings.sampling import SamplingSettings
from lethe.shards import read_shards

CPU = torch.device("cpu")
SETTINGS = JudgeSettings(width=8, features=16, steps=150, batch=64)


@pytest.fixture(scope="module")
def halves(digits) -> tuple[LabelledImages, LabelledImages]:
    """Training and held-out images."""
    even = np.arange(len(digits.conditions)) % 2 == 0
    return digits.where(even), digits.where(~even)


@pytest.fixture(scope="module")
def classifier(halves) -> Classifier:
    return train_judge(halves[0], SETTINGS, CPU)


def real_images(digits: LabelledImages, count: int = 70) -> torch.Tensor:
    return torch.from_numpy(digits.images[:count]).float() / 127.5 - 1


def noise(digits: LabelledImages, seed: int = 0, count: int = 70) -> torch.Tensor:
    return noise_like(real_images(digits, count), torch.Generator().manual_seed(seed))


def test_noise_is_in_range_and_a_function_of_the_generator(digits):
    images = noise(digits)
    assert images.shape == (70, 1, 8, 8)
    assert images.isfinite().all()
    assert images.abs().max() <= 1
    assert torch.equal(images, noise(digits))
    assert not (images == noise(digits, seed=1)).flatten(1).all(1).any()


def test_the_seven_kinds_are_what_they_say(digits):
    gaussian, uniform, two_valued, smooth, shuffled, drowned, grey = (noise(digits)[kind::7] for kind in range(7))
    real = real_images(digits)
    spread = [kind.flatten(1).std(1).median().item() for kind in (gaussian, uniform, drowned, grey)]
    assert spread[0] > 0.3
    assert spread[1] == pytest.approx(2 / 12**0.5, abs=0.1)
    assert spread[2] > 0.5
    assert spread[3] < 0.1
    assert (two_valued.abs() == 1).all()
    # Neighbours in a smooth field are alike, in the others they are not.
    steps = [(kind.diff(dim=3).square().mean() / kind.var()).item() for kind in (smooth, gaussian, uniform)]
    assert steps[0] < 0.7 < 1.5 < min(steps[1:])
    for mixed, original in zip(shuffled, real[4::7], strict=True):
        assert torch.equal(mixed.flatten().sort().values, original.flatten().sort().values)
        assert not torch.equal(mixed, original)


def test_colours_stay_together_when_pixels_are_shuffled():
    real = torch.arange(64.0).reshape(1, 1, 8, 8).repeat(7, 3, 1, 1) / 64
    real = real * torch.tensor([1.0, -1.0, 0.5]).reshape(1, 3, 1, 1)
    mixed = noise_like(real, torch.Generator().manual_seed(0))[4]
    assert torch.equal(mixed[1], -mixed[0])
    assert torch.equal(mixed[2], mixed[0] / 2)


@pytest.mark.parametrize("border", ["black", "edge"])
def test_augmentation_moves_an_image_by_at_most_one_pixel(border):
    image = torch.rand(1, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    moved = shifted(image.repeat(200, 1, 1, 1), torch.Generator().manual_seed(1), border)
    expected = []
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if border == "black":
                blank = torch.full((2, 7, 7), -1.0)
                blank[:, 1 + down : 6 + down, 1 + right : 6 + right] = image[0]
                expected.append(blank[:, 1:6, 1:6].numpy().tobytes())
            else:
                rows, columns = ((torch.arange(5) - by).clamp(0, 4) for by in (down, right))
                expected.append(image[0][:, rows][:, :, columns].numpy().tobytes())
    seen = [one.numpy().tobytes() for one in moved]
    assert set(seen) == set(expected)
    assert max(seen.count(one) for one in expected) < 50


def test_training_is_deterministic_and_learns(halves, classifier):
    again = train_judge(halves[0], SETTINGS, CPU)
    for name, weight in classifier.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    accuracy = held_out_accuracy(classifier, examples(halves[1]), seed=0, device=CPU)["class"]
    assert accuracy["real"] > 0.9
    assert accuracy["noise_like"] > 0.8


def test_even_the_largest_share_of_noise_leaves_a_real_image(halves):
    train_judge(halves[0], SETTINGS.model_copy(update={"batch": 2, "noise_share": 0.95, "steps": 2}), CPU)


def test_each_image_is_looked_at_alone(classifier, halves):
    images = halves[1].images[:100]
    features, logits = look(classifier, images, CPU)
    assert (features.shape, logits.shape) == ((100, 16), (100, 11))
    assert features.dtype == logits.dtype == torch.float32
    for batch in (1, 7, 100):
        other_features, other_logits = look(classifier, images, CPU, batch=batch)
        torch.testing.assert_close(other_features, features, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(other_logits, logits, rtol=1e-4, atol=1e-4)
    order = np.random.default_rng(0).permutation(100)
    torch.testing.assert_close(look(classifier, images[order], CPU)[1], logits[order], rtol=1e-4, atol=1e-4)


def test_accuracy_is_that_of_looking_at_one_image_after_another(classifier, halves):
    held_out = halves[1]
    accuracy = held_out_accuracy(classifier, examples(held_out), seed=0, device=CPU)["class"]
    told = [int(look(classifier, image[None], CPU)[1].argmax()) for image in held_out.images]
    assert accuracy["real"] == pytest.approx(accuracy_score(held_out.conditions, told))
    assert accuracy["n"] == 2 * len(told)
    assert accuracy["all"] == pytest.approx((accuracy["real"] + accuracy["noise_like"]) / 2)


@pytest.mark.parametrize(("answer", "real", "noise_share"), [(10, 0.0, 1.0), (4, None, 0.0)])
def test_accuracy_of_a_judge_that_always_says_the_same(halves, answer, real, noise_share):
    held_out = halves[1]
    stubborn = Classifier(1, 2, 3, {"class": 10}).eval()
    with torch.no_grad():
        stubborn.head.weight.zero_()
        stubborn.head.bias.copy_(torch.nn.functional.one_hot(torch.tensor(answer), 11))
    accuracy = held_out_accuracy(stubborn, examples(held_out), seed=0, device=CPU)["class"]
    assert accuracy["real"] == (np.mean(held_out.conditions == answer) if real is None else real)
    assert accuracy["noise_like"] == noise_share


# ------------------------------------------------------------------------------------------------------ several heads


@pytest.fixture(scope="module")
def two_heads(halves) -> tuple[Examples, Examples]:
    """The digit, and whether it is odd, which is told of the first half of the images only."""

    def with_parity(data: LabelledImages) -> Examples:
        odd = np.where(np.arange(len(data.conditions)) < len(data.conditions) // 2, data.conditions % 2, -1)
        return Examples(data.images, np.stack([data.conditions, odd], 1), {"digit": data.classes, "a": ("even", "odd")})

    return with_parity(halves[0]), with_parity(halves[1])


def test_several_heads_are_learned_and_labels_of_minus_one_left_out(two_heads):
    train, held_out = two_heads
    classifier = train_classifier(train, SETTINGS, CPU)
    accuracy = held_out_accuracy(classifier, held_out, seed=0, device=CPU)
    assert list(accuracy) == ["digit", "a"]
    assert min(found[kind] for found in accuracy.values() for kind in ("real", "noise_like")) > 0.8
    assert accuracy["a"]["n"] == (held_out.labels[:, 1] >= 0).sum() + len(held_out.images)

    # Told the opposite of the other half, it learns less: it had really left them out.
    digit, odd = train.labels.T
    lies = Examples(train.images, np.stack([digit, np.where(odd == -1, 1 - digit % 2, odd)], 1), train.heads)
    misled = held_out_accuracy(train_classifier(lies, SETTINGS, CPU), held_out, seed=0, device=CPU)
    assert misled["a"]["real"] < accuracy["a"]["real"] - 0.1


def test_a_head_is_read_from_its_own_logits(two_heads):
    classifier = Classifier(1, 2, 3, {"digit": 10, "a": 2})
    logits = torch.zeros(3, 14)
    logits[0, 4] = logits[0, 11 + 1] = 1  # a four, odd
    logits[1, 10] = logits[1, 11 + 0] = 1  # no digit, even
    logits[2, 9] = logits[2, 11 + 2] = 1  # a nine, neither even nor odd
    assert predicted(classifier, logits).tolist() == [[4, 1], [-1, 0], [9, -1]]
    assert [own.shape[1] for own in classifier.by_head(logits).values()] == [11, 3]


def test_the_order_of_the_heads_is_kept_in_the_file(tmp_path):
    classifier = Classifier(1, 2, 3, {"z": 2, "a": 3, "m": 4})
    save_classifier(tmp_path / "judge", classifier, {})
    again = load_classifier(tmp_path / "judge")[0]
    assert list(again.heads.items()) == [("z", 2), ("a", 3), ("m", 4)]
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
    assert torch.equal(look(again, images, CPU)[1], look(classifier.eval(), images, CPU)[1])


def test_softened_images_are_between_themselves_and_their_mean():
    images = torch.rand(400, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8
    soft = softened(images, torch.Generator().manual_seed(1))
    assert torch.equal(soft, softened(images, torch.Generator().manual_seed(1)))
    assert soft.abs().max() <= 1
    rows, columns = torch.arange(-1, 9).clamp(0, 7), torch.arange(-1, 9).clamp(0, 7)
    wide = images[:, :, rows][:, :, :, columns]
    mean = sum(wide[:, :, down : down + 8, right : right + 8] for down in range(3) for right in range(3)) / 9
    direction = mean - images
    share = ((soft - images) * direction).flatten(1).sum(1) / direction.square().flatten(1).sum(1)
    assert share.mean() == pytest.approx(0.25, abs=0.03)
    assert share.max() < 0.6
    grain = (soft - images - share[:, None, None, None] * direction).flatten(1).std(1)
    assert grain.max() < 0.2
    assert grain.mean() == pytest.approx(0.08, abs=0.02)


# ------------------------------------------------------------------------------------------------------ photographs


def test_photographs_move_by_up_to_four_pixels_and_are_mirrored():
    image = torch.arange(36.0).reshape(1, 1, 6, 6) / 36
    moved = shifted(image.repeat(4000, 1, 1, 1), torch.Generator().manual_seed(0), "edge", most=4)
    places = {(down, right) for down in range(-4, 5) for right in range(-4, 5)}
    expected = set()
    for down, right in places:
        rows, columns = ((torch.arange(6) + by).clamp(0, 5) for by in (down, right))
        expected.add(image[0][:, rows][:, :, columns].numpy().tobytes())
    seen = [one.numpy().tobytes() for one in moved]
    assert set(seen) == expected
    assert len(expected) == 81
    mirrored = flipped(image.repeat(1000, 1, 1, 1), torch.Generator().manual_seed(0))
    as_it_was = (mirrored == image).flatten(1).all(1)
    assert 430 < as_it_was.sum() < 570
    assert torch.equal(mirrored[~as_it_was][0], image[0].flip(-1))


def test_the_residual_network_has_the_convolutions_of_a_resnet_18():
    ours = Classifier(3, 64, 512, {"class": 10}, "resnet")
    theirs = torchvision.models.resnet18(num_classes=11)

    def of_convolutions(network: torch.nn.Module) -> list[tuple[int, ...]]:
        weights = [module.weight.shape for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
        return sorted(tuple(shape) for shape in weights[1:])  # the first looks at 7x7 there, at 3x3 here

    assert of_convolutions(ours) == of_convolutions(theirs)
    images = torch.zeros(2, 3, 32, 32)
    *inner, pooling, _, _, _ = ours.body
    assert torch.nn.Sequential(*inner)(images).shape == (2, 512, 4, 4)
    assert isinstance(pooling, torch.nn.AdaptiveAvgPool2d)
    assert [part.shape[1] for part in ours(images)] == [512, 11]


def squares(count: int, seed: int) -> LabelledImages:
    """Photographs, so to say: a square of one of three colours somewhere, in grain."""
    generator = np.random.default_rng(seed)
    images, labels = generator.integers(0, 60, (count, 3, 16, 16)), np.arange(count) % 3
    for image, label, (row, column) in zip(images, labels, generator.integers(2, 8, (count, 2)), strict=True):
        image[label, row : row + 8, column : column + 8] += 190
    return LabelledImages(images.astype(np.uint8), labels, ("red", "green", "blue"), "squares")


def test_the_residual_network_learns_and_is_read_again(tmp_path):
    settings = JudgeSettings(architecture="resnet", width=4, features=8, steps=50, batch=48, learning_rate=2e-2)
    classifier, held_out = train_judge(squares(240, 0), settings, CPU), squares(90, 1)
    accuracy = held_out_accuracy(classifier, examples(held_out), seed=0, device=CPU)["class"]
    assert accuracy["real"] > 0.9
    assert accuracy["noise_like"] > 0.8
    save_classifier(tmp_path / "judge", classifier, {"judge": "j", "classes": []})
    again, _ = load_classifier(tmp_path / "judge")
    assert torch.equal(look(again, held_out.images, CPU)[1], look(classifier, held_out.images, CPU)[1])


def test_nothing_new_is_said_of_the_small_one(classifier):
    assert classifier.shape == {"channels": 1, "width": 8, "features": 16, "heads": [["class", 10]]}
    assert "architecture" not in JudgeSettings().model_dump()
    assert JudgeSettings(architecture="resnet").model_dump()["architecture"] == "resnet"


# ----------------------------------------------------------------------------------------------------- the command


def data_file(path: Path, data: LabelledImages) -> Path:
    write_arrays(
        path,
        {"images": data.images, "conditions": data.conditions},
        {"classes": list(data.classes), "source": "digits"},
    )
    return path


def run(words: str) -> None:
    arguments = judge.parser().parse_args(words.split())
    arguments.run(arguments)


def train_words(folder: Path, halves: tuple[LabelledImages, LabelledImages], accuracy: float) -> str:
    train, held_out = data_file(folder / "train", halves[0]), data_file(folder / "test", halves[1])
    settings = f"--width 8 --features 16 --steps 150 --batch 64 --accuracy {accuracy} --device cpu"
    places = f"--data {train} --held-out {held_out} --judge {folder / 'judge'} --report {folder / 'report'}"
    return f"train {settings} {places}"


def test_shards_are_judged_as_one_set(tmp_path, halves, classifier):
    run(train_words(tmp_path, halves, accuracy=0.8))
    for name, weight in load_classifier(tmp_path / "judge")[0].state_dict().items():
        assert torch.equal(weight, classifier.state_dict()[name])

    settings = SamplingSettings(forget_images=6, retain_images=6)
    plan = all_classes(10, settings)
    columns = {"images": halves[1].images[:60], "seeds": plan.seeds, "conditions": plan.conditions}
    for size in (60, 25):
        for shard, first in enumerate(range(0, 60, size)):
            made = {"stage": "sample", "fingerprint": "of one set", "target": None, "shard": shard}
            made |= {"settings": settings.model_dump() | {"shard_images": size}}
            rows = {name: column[first : first + size] for name, column in columns.items()}
            write_arrays(tmp_path / "images", rows, made)
            output = tmp_path / f"judged{size}-{shard}"
            run(f"apply --judge {tmp_path}/judge --images {tmp_path}/images --output {output} --device cpu")
    (whole, record), (pieces, _) = (
        read_shards([tmp_path / f"judged{size}-{shard}" for shard in range(count)])
        for size, count in ((60, 1), (25, 3))
    )
    assert whole.keys() == pieces.keys() == {"features", "logits", "seeds", "conditions"}
    for name, column in whole.items():
        assert pieces[name].tobytes() == column.tobytes()
    np.testing.assert_allclose(whole["logits"], look(classifier, columns["images"], CPU)[1], rtol=1e-4, atol=1e-5)
    assert record["judge_sha256"] == sha256_of(tmp_path / "judge")
    assert record["images"]["fingerprint"] == "of one set"


def test_the_same_judge_is_the_same_bytes(tmp_path, classifier):
    for number in range(8):
        save_classifier(tmp_path / str(number), classifier, {"judge": "j", "classes": ["a"]})
    assert len({sha256_of(path) for path in tmp_path.iterdir()}) == 1


def test_a_judge_below_the_accuracy_asked_for_is_not_written(tmp_path, halves):
    with pytest.raises(LetheError, match=r"judge\.accuracy = 1\.0"):
        run(train_words(tmp_path, halves, accuracy=1.0))
    assert not (tmp_path / "judge").exists()
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("damage", ["missing", "cut", "no judge"])
def test_a_file_that_is_no_judge_is_refused_by_name(tmp_path, classifier, damage):
    path = tmp_path / "judge"
    save_classifier(path, classifier, {"judge": "j", "classes": []})
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-1])
    elif damage == "no judge":
        write_arrays(path, {"images": np.zeros(3)}, {"stage": "sample"})
    with pytest.raises(LetheError, match=str(path)):
        load_classifier(path)


def test_a_file_without_images_is_refused_by_name(tmp_path, classifier):
    save_classifier(tmp_path / "judge", classifier, {"judge": "j", "classes": []})
    write_arrays(tmp_path / "sets", {"forget_images": np.zeros((1, 1, 8, 8), np.uint8)}, {})
    with pytest.raises(LetheError, match="sets: holds no images"):
        run(f"apply --judge {tmp_path / 'judge'} --images {tmp_path / 'sets'} --output {tmp_path / 'out'} --device cpu")
