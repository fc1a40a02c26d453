"""The detector against NudeNet's own package: the same network, image for image the same scores and boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image
from sklearn.datasets import load_sample_images

from lethe.judges.detector import Detections, Detector, detections, load_detector
from lethe.judges.resizing import resized
from lethe.settings.given_text_judges import GivenDetector

nudenet = pytest.importorskip("nudenet", reason="the package nudenet is not installed (pip install -e .[dev])")
cv2 = pytest.importorskip("cv2", reason="nudenet's opencv is not installed")
SUPPRESSED = 0.25
"""What nudenet's suppression drops, whatever one asks for."""


@pytest.fixture(scope="module")
def path() -> Path:
    return Path(nudenet.__file__).parent / "320n.onnx"


@pytest.fixture(scope="module")
def ours(path) -> Detector:
    return load_detector(path)


@pytest.fixture(scope="module")
def theirs() -> nudenet.NudeDetector:
    return nudenet.NudeDetector()


def portrait(box: tuple[int, int, int, int] | None = None, size: tuple[int, int] | None = None) -> np.ndarray:
    """Rear Admiral Grace Hopper, 512 x 600, cut and resized: uint8 (3, H, W)."""
    with cbook.get_sample_data("grace_hopper.jpg") as stream:
        image = Image.open(stream).convert("RGB")
        image = image.crop(box) if box else image
        image = image.resize(size, Image.Resampling.BICUBIC) if size else image
        return np.asarray(image).transpose(2, 0, 1)


def pictures() -> dict[str, np.ndarray]:
    made = {
        "portrait": portrait(),
        "as large as Stable Diffusion's": portrait((0, 0, 512, 512)),
        "a face": portrait((130, 20, 400, 330)),
        "small": portrait(size=(171, 200)),
        "large": portrait((0, 0, 512, 512), (1024, 1024)),
        "twice the network's": portrait((0, 0, 512, 512), (640, 640)),
        "as large as the network's": portrait((0, 0, 512, 512), (320, 320)),
        "cut at the left and the top": portrait((220, 90, 512, 600)),
        "wide": portrait((0, 100, 512, 330)),
    }
    twice = np.concatenate([made["a face"], made["a face"][:, :, ::-1]], axis=2)
    photographs = dict(
        zip(("china", "flower"), (i.transpose(2, 0, 1) for i in load_sample_images().images), strict=True)
    )
    return made | {"two faces": twice} | photographs


PICTURES = pictures()


def of_package(detector: nudenet.NudeDetector, image: np.ndarray, channels: str) -> list[dict]:
    """What nudenet says; to its ``detect`` an array is what OpenCV reads: BGR. That is its defect: of a file, or of an
    array in OpenCV's order, its network sees BGR; of an RGB array it sees RGB."""
    pixels = np.ascontiguousarray((image if channels == "rgb" else image[::-1]).transpose(1, 2, 0))
    return sorted(detector.detect(pixels), key=lambda found: -found["score"])


def counted(detector: Detector, image: np.ndarray, channels: str) -> Detections:
    found = detector.detect(image[None], GivenDetector(given="nudenet", channels=channels).reading)
    chosen = found.score > SUPPRESSED
    return Detections(*(column[chosen] for column in found))


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
@pytest.mark.parametrize("name", PICTURES)
def test_scores_and_boxes_are_the_packages(ours, theirs, name, channels):
    expected, found = of_package(theirs, PICTURES[name], channels), counted(ours, PICTURES[name], channels)
    assert [ours.parts[part] for part in found.part] == [one["class"] for one in expected]
    np.testing.assert_allclose(found.score, [one["score"] for one in expected], atol=1e-4)
    left, top, right, bottom = found.box.T.reshape(4, -1)
    boxes = np.stack([left, top, right - left, bottom - top], axis=1)
    assert np.abs(boxes - np.array([one["box"] for one in expected]).reshape(-1, 4)).max(initial=0) <= 1


@pytest.mark.parametrize("size", [(512, 512), (300, 480), (480, 300)])
def test_boxes_that_reach_outside_and_overlap_are_the_packages(size):
    """Of any output of a network; ``size`` is the image's (height, width)."""
    height, width = size
    random, scale = np.random.default_rng(width), max(size) / 320
    inside = np.array([width, height])[None, :, None] / scale
    centre, extent = random.uniform(0, 1, (2, 2, 400)) * inside, random.uniform(1, 150, (2, 2, 400))
    scores = random.uniform(0, 1, (2, 18, 400)) ** 12
    output = np.concatenate([centre, extent, scores], axis=1).astype(np.float32)
    found = detections(output, GivenDetector(given="nudenet").reading, scale=scale, height=height, width=width)
    padding = max(size) - width, max(size) - height
    for image in (0, 1):
        expected = nudenet.nudenet._postprocess([output[image : image + 1]], *padding, 1, 1, width, height, 320, 320)
        own = (found.image == image) & (found.score > SUPPRESSED)
        assert 20 < own.sum() < 400
        np.testing.assert_allclose(found.score[own], [one["score"] for one in expected])
        left, top, right, bottom = found.box[own].T
        boxes = np.stack([left, top, right - left, bottom - top], axis=1)
        assert np.abs(boxes - [one["box"] for one in expected]).max() <= 1
        assert (found.score >= 0.2).all()


def test_a_file_shows_the_packages_network_swapped_colours(ours, theirs, tmp_path):
    for name in ("portrait", "a face"):
        Image.fromarray(PICTURES[name].transpose(1, 2, 0)).save(tmp_path / "image.png")
        expected = sorted(theirs.detect(str(tmp_path / "image.png")), key=lambda found: -found["score"])
        assert expected == of_package(theirs, PICTURES[name], "bgr")
        assert expected != of_package(theirs, PICTURES[name], "rgb")


def test_faces_are_found_and_the_channels_matter(ours):
    scores = {channels: counted(ours, PICTURES["a face"], channels) for channels in ("rgb", "bgr")}
    best = {channels: (ours.parts[found.part[0]], found.score[0]) for channels, found in scores.items()}
    assert best["rgb"][0] == "FACE_FEMALE"
    assert best["rgb"][1] > 0.5
    assert abs(best["rgb"][1] - best["bgr"][1]) > 0.001


def test_images_in_a_batch_are_looked_at_alone(ours):
    images = np.stack([portrait((0, 0, 512, 512)), portrait((0, 88, 512, 600)), np.zeros((3, 512, 512), np.uint8)])
    reading = GivenDetector(given="nudenet").reading
    together = ours.detect(images, reading)
    assert set(together.image) == {0, 1}
    for place in (0, 1):
        alone, own = ours.detect(images[place : place + 1], reading), together.image == place
        np.testing.assert_array_equal(together.part[own], alone.part)
        np.testing.assert_allclose(together.score[own], alone.score, atol=1e-5)


def test_all_eighteen_labels_are_known(ours):
    assert len(ours.parts) == 18
    assert {"FEMALE_BREAST_EXPOSED", "BELLY_EXPOSED", "FACE_MALE"} <= set(ours.parts)


@pytest.mark.parametrize("source", [20, 100, 160, 319, 320, 321, 480, 512, 640, 700, 1024])
def test_resizing_is_opencvs_to_the_bit(source):
    images = np.random.default_rng(source).integers(0, 256, (2, 3, source, source), dtype=np.uint8)
    expected = [cv2.resize(image.transpose(1, 2, 0), (320, 320), interpolation=cv2.INTER_LINEAR) for image in images]
    np.testing.assert_array_equal(resized(images, 320), np.stack(expected).transpose(0, 3, 1, 2))
