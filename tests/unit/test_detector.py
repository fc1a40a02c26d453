"""The detector: an ONNX file in NudeNet's format, its boxes in pixels of the image, and what overlaps kept once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torchvision
from onnx import helper

from lethe.data import CaptionedImages
from lethe.data.shapes import HEADS, SHAPES, captioned
from lethe.errors import LetheError
from lethe.files import sha256_of
from lethe.judges.detector import (
    OVERLAP,
    OWN,
    detections,
    intersection_over_union,
    load_detector,
    not_overlapped,
    square,
)
from lethe.judges.detector_training import (
    DetectorNetwork,
    held_out_rates,
    named_parts,
    save_detector,
    train_detector,
)
from lethe.settings.judge import DetectorSettings

CPU = torch.device("cpu")
SETTINGS = DetectorSettings(width=8, steps=300, batch=96, learning_rate=2e-2)
PARTS = tuple(f"STRIPED_{shape.upper()}" for shape in SHAPES)


def drawn(count: int, seed: int) -> CaptionedImages:
    made = captioned(count, seed)
    return CaptionedImages(
        made.pictures.images, made.captions, made.pictures.labels, made.pictures.boxes, HEADS, "shapes"
    )


@pytest.fixture(scope="module")
def data() -> CaptionedImages:
    return drawn(1500, 1)


@pytest.fixture(scope="module")
def network(data) -> DetectorNetwork:
    return train_detector(data, SETTINGS, CPU)[0]


@pytest.fixture(scope="module")
def path(network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("judge") / "detector.onnx"
    save_detector(path, network, PARTS, {"judge": "shapes detector"})
    return path


# ------------------------------------------------------------------------------------------------------- the file


def test_the_file_computes_what_the_network_does_in_batches_of_any_size(path, network):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for count in (1, 7, 64):
        images = np.random.default_rng(count).random((count, 3, 16, 16), dtype=np.float32)
        (output,) = session.run(None, {"images": images})
        assert output.shape == (count, 4 + len(PARTS), 16)
        with torch.no_grad():
            expected = network(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(output, expected, rtol=0, atol=1e-5)
        assert output[:, 4:].min() >= 0
        assert output[:, 4:].max() <= 1


def test_the_file_is_in_the_format_of_nudenet(path):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape[1:], made.shape[1:]) == ("images", [3, 16, 16], [10, 16])
    detector = load_detector(path)
    assert (detector.size, detector.parts, detector.provenance) == (16, PARTS, {"judge": "shapes detector"})


def test_the_same_detector_is_the_same_bytes(path, network, data, tmp_path):
    again, names = train_detector(data, SETTINGS, CPU)
    assert names == PARTS
    save_detector(tmp_path / "again", again, names, {"judge": "shapes detector"})
    assert sha256_of(tmp_path / "again") == sha256_of(path)


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "no metadata", "fewer parts", "other input"])
def test_a_file_that_is_no_detector_is_named(path, tmp_path, damage):
    broken = tmp_path / "detector.onnx"
    model = onnx.load(path)
    if damage == "no metadata":
        del model.metadata_props[:]
    elif damage == "fewer parts":
        helper.set_model_props(model, {"names": "{0: 'A'}", "imgsz": "[16, 16]"})
    elif damage == "other input":
        model.graph.input[0].name = model.graph.node[0].input[0] = "x"
    if damage == "cut":
        broken.write_bytes(path.read_bytes()[:-100])
    elif damage == "text":
        broken.write_text("not a model")
    elif damage != "missing":
        onnx.save(model, broken)
    with pytest.raises(LetheError, match=f"^{broken}: "):
        load_detector(broken)


# ----------------------------------------------------------------------------------------------- training


def test_it_finds_the_concept_by_part_and_nothing_else(path, data):
    held_out = drawn(400, 2)
    detector = load_detector(path)
    found = detector.detect(held_out.images)
    shown, names = named_parts(held_out, SETTINGS)
    striped = held_out.labels[:, list(HEADS).index("pattern")] == 1
    assert names == PARTS
    assert ((shown >= 0) == striped).all()
    assert (shown[striped] == held_out.labels[striped, list(HEADS).index("shape")]).all()
    sure = found.score > 0.5
    best = np.full(400, -1)
    best[found.image[sure][::-1]] = found.part[sure][::-1]
    assert (best == shown).mean() > 0.9
    overlap = [
        intersection_over_union(held_out.boxes[image], box[None])[0]
        for image, box in zip(found.image[sure], found.box[sure], strict=True)
    ]
    assert np.median(overlap) > 0.7


def test_held_out_rates_are_those_of_the_file(path, network):
    held_out = drawn(150, 3)
    rates = held_out_rates(network, held_out, SETTINGS, CPU)
    shown, _ = named_parts(held_out, SETTINGS)
    detector = load_detector(path)
    parts = []
    for image in held_out.images:
        found = detector.detect(image[None])
        parts.append(sorted(set(found.part[found.score > 0.5].tolist())))
    right = [own == [part] for own, part in zip(parts, shown, strict=True) if part >= 0]
    wrong = [own != [] for own, part in zip(parts, shown, strict=True) if part < 0]
    assert (rates["recall"], rates["false_alarms"]) == (np.mean(right), np.mean(wrong))
    assert rates["n"] == 150
    assert rates["noise_like"] < 0.2


def test_a_box_reaches_wherever_the_object_is():
    """For any centre, at least one cell is to find it, and can place its box right there."""
    network = DetectorNetwork(16, 4, 1)
    lowest, highest = (network.offset + (network.scale * share) for share in (0.0, 1.0))
    for x in np.linspace(0, 16, 33):
        for y in np.linspace(0, 16, 33):
            centre = torch.tensor([x, y])[:, None]
            cells = (network.offset[:2] + 4 - centre).abs().lt(4).all(0)
            assert cells.any()
            assert (lowest[:2, cells] <= centre).all()
            assert (centre <= highest[:2, cells]).all()
    assert torch.equal(network.scale[2:4], torch.full((2, 16), 16.0))


def test_the_concept_must_be_one_of_the_data(data):
    for change, message in (
        ({"concept": "patern=striped"}, "no attribute 'patern'"),
        ({"concept": "pattern=spotted"}, "'pattern' has no class 'spotted'"),
        ({"concept": "pattern"}, "'pattern' has no class ''"),
        ({"parts": "form"}, "no attribute 'form'"),
    ):
        with pytest.raises(LetheError, match=message):
            named_parts(data, SETTINGS.model_copy(update=change))


def test_labels_that_do_not_apply_show_nothing(data):
    labels = data.labels.copy()
    labels[:50, list(HEADS).index("pattern")] = -1
    labels[50:100, list(HEADS).index("shape")] = -1
    shown, _ = named_parts(dataclasses.replace(data, labels=labels), SETTINGS)
    assert (shown[:100] == -1).all()
    assert (shown[100:] >= 0).any()


def test_a_style_can_be_the_concept(data):
    settings = SETTINGS.model_copy(update={"concept": "style=Vincent van Gogh", "parts": "colour"})
    shown, names = named_parts(data, settings)
    assert names[0] == "VINCENT_VAN_GOGH_RED"
    assert ((shown >= 0) == (data.labels[:, list(HEADS).index("style")] == 1)).all()


def test_pictures_that_are_not_square_are_refused(data):
    with pytest.raises(LetheError, match="16 x 12 pixels"):
        train_detector(dataclasses.replace(data, images=data.images[..., :12]), SETTINGS, CPU)


# ------------------------------------------------------------------------------------ before and after the network


def test_each_image_is_looked_at_alone(path, data):
    detector = load_detector(path)
    whole, parts = detector.detect(data.images[:90]), detector.detect(data.images[:90], batch=7)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-5)
    assert whole.image.tolist() == sorted(whole.image)
    for image in range(90):
        score = whole.score[whole.image == image]
        assert (np.diff(score) <= 0).all()


def test_no_images_have_no_detections(path, data):
    found = load_detector(path).detect(data.images[:0])
    assert [column.shape for column in found] == [(0,), (0,), (0,), (0, 4)]


def test_suppression_is_that_of_torchvision():
    random = np.random.default_rng(0)
    for count in (0, 1, 2, 30, 200):
        corner, extent = random.uniform(0, 20, (count, 2)), random.uniform(0, 15, (count, 2))
        boxes = np.concatenate([corner, corner + extent], axis=1).astype(np.float32)
        scores = np.sort(random.random(count).astype(np.float32))[::-1].copy()
        expected = torchvision.ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), OVERLAP)
        assert not_overlapped(boxes).tolist() == expected.tolist()
        if count:
            expected = torchvision.ops.box_iou(torch.from_numpy(boxes[:1]), torch.from_numpy(boxes))[0]
            np.testing.assert_allclose(intersection_over_union(boxes[0], boxes), expected, atol=1e-5)


def test_boxes_without_extent_overlap_with_nothing():
    empty = np.zeros((2, 4), np.float32)
    assert intersection_over_union(empty[0], empty).tolist() == [0, 0]
    assert not_overlapped(empty).tolist() == [0, 1]


def outputs(random: np.random.Generator, images: int, parts: int, cells: int) -> np.ndarray:
    centre, extent = random.uniform(0, 32, (images, 2, cells)), random.uniform(2, 20, (images, 2, cells))
    return np.concatenate([centre, extent, random.random((images, parts, cells)) ** 3], 1).astype(np.float32)


def test_the_best_part_of_each_cell_and_the_best_box_of_each_place():
    """Against one cell after another, for images of 48 x 64 pixels of which two are one of the network's."""
    output = outputs(np.random.default_rng(0), 12, 3, 25)
    found = detections(output, scale=2.0, height=48, width=64)
    expected = []
    for image, cells in enumerate(output):
        boxes = []
        for x, y, width, height, *scores in cells.T.tolist():
            corners = [2 * (x - width / 2), 2 * (y - height / 2), 2 * (x + width / 2), 2 * (y + height / 2)]
            box = [min(max(value, 0), limit) for value, limit in zip(corners, (64, 48, 64, 48), strict=True)]
            if max(scores) >= OWN.smallest_score:
                boxes.append((max(scores), scores.index(max(scores)), box))
        kept = []
        for score, part, box in sorted(boxes, key=lambda entry: -entry[0]):
            if all(overlap(box, other) <= OVERLAP for _, _, other in kept):
                kept.append((score, part, box))
        expected += [(image, *entry) for entry in kept]
    assert found.image.tolist() == [entry[0] for entry in expected]
    np.testing.assert_allclose(found.score, [entry[1] for entry in expected])
    assert found.part.tolist() == [entry[2] for entry in expected]
    np.testing.assert_allclose(found.box, [entry[3] for entry in expected], atol=1e-4)
    assert [column.dtype for column in found] == [np.int64, np.int64, np.float32, np.float32]


def overlap(one: list[float], other: list[float]) -> float:
    """Intersection over union, 0 for two boxes outside the image."""
    shared = max(0, min(one[2], other[2]) - max(one[0], other[0])) * max(
        0, min(one[3], other[3]) - max(one[1], other[1])
    )
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared or 1)


@pytest.mark.parametrize("threshold", [0.2, 0.6])
def test_a_threshold_may_be_taken_later(threshold):
    output = outputs(np.random.default_rng(1), 20, 3, 40)
    later = detections(output, scale=1.0, height=32, width=32)
    early = np.where(output[:, 4:] > threshold, output[:, 4:], 0)
    before = detections(np.concatenate([output[:, :4], early], 1), scale=1.0, height=32, width=32)
    chosen = later.score > threshold
    assert 0 < chosen.sum() < len(chosen)
    for one, other in zip(later, before, strict=True):
        np.testing.assert_array_equal(one[chosen], other)


def test_images_of_other_sizes_are_padded_and_resized():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 24, 40), dtype=np.uint8)
    padded = np.zeros((2, 3, 40, 40), np.uint8)
    padded[:, :, :24] = images
    resized = torchvision.transforms.functional.resize(torch.from_numpy(padded).float(), [16, 16], antialias=False)
    np.testing.assert_allclose(square(images, 16), resized / 255, atol=1 / 255)  # rounded to bytes
    whole = np.random.default_rng(1).integers(0, 256, (2, 3, 16, 16), dtype=np.uint8)
    np.testing.assert_array_equal(square(whole, 16), whole.astype(np.float32) / 255)


def test_boxes_are_in_pixels_of_the_image(path, data):
    """A picture three times as large, with black to its right, shows the same three times as large."""
    detector = load_detector(path)
    small = detector.detect(data.images[:40])
    large = np.zeros((40, 3, 48, 48), np.uint8)
    large[:] = data.images[:40].repeat(3, axis=2).repeat(3, axis=3)
    found = detector.detect(large)
    sure = [each.score > 0.6 for each in (small, found)]
    assert sure[0].sum() > 5
    assert (small.image[sure[0]] == found.image[sure[1]]).all()
    np.testing.assert_allclose(found.box[sure[1]], 3 * small.box[sure[0]], atol=0.5)
