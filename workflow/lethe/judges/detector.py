"""Where images show the concept: a detector in the format of NudeNet's model, run by onnxruntime on the CPU.

The network takes ``images`` (N, 3, S, S) in [0, 1] and gives (N, 4 + P, G): for each of G cells the centre, width and
height of a box in its own pixels, and a score for each of P parts. As NudeNet does, each cell keeps its best part, and
of boxes that overlap by more than 45 %, of whatever part, the best. All scores down to a smallest one are kept:
suppression goes from the best box down, so a higher threshold can be taken of its result later (nudenet's own is 0.25).
What differs between a detector of ours and nudenet's package is a DetectorReading.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime

from lethe.environment import allowed_threads
from lethe.errors import LetheError
from lethe.judges.resizing import resized
from lethe.settings.given_text_judges import DetectorReading
from lethe.shards import Batch, Shard, whole

OVERLAP = 0.45


class Detections(NamedTuple):
    """M detections, image by image, the best first: ``image`` (M,) int64, ``part`` (M,) int64, ``score`` (M,) float32
    and ``box`` (M, 4) float32: left, top, right, bottom in pixels of the image."""

    image: np.ndarray
    part: np.ndarray
    score: np.ndarray
    box: np.ndarray


OWN = DetectorReading()


@dataclass(frozen=True)
class Detector:
    """A session of onnxruntime, the side S of its input, the names of its parts and where it comes from."""

    session: onnxruntime.InferenceSession
    size: int
    parts: tuple[str, ...]
    provenance: dict[str, Any]

    def detect(
        self, images: np.ndarray, reading: DetectorReading = OWN, batch: int = 128, shard: Shard | None = None
    ) -> Detections:
        """Detections in uint8 images (N, 3, H, W), which are RGB: a whole set, or a ``shard`` of one, whose images are
        then counted from the set's first."""
        shard = shard or whole(len(images))
        found = [
            found._replace(image=found.image + shard.first + part.rows.start)
            for part in shard.batches(batch)
            for found in [self._detect_batch(images[part.rows], part, reading)]
        ]
        return Detections(*(np.concatenate(column) for column in zip(_nothing(), *found, strict=True)))

    def _detect_batch(self, images: np.ndarray, part: Batch, reading: DetectorReading) -> Detections:
        height, width = images.shape[-2:]
        shown = square(images[:, ::-1] if reading.channels == "bgr" else images, self.size)
        if part.is_shared:
            shown = np.pad(shown, ((part.before, part.after), (0, 0), (0, 0), (0, 0)))
        output = self.session.run(None, {"images": shown})[0][part.own]
        return detections(output, reading, scale=max(height, width) / self.size, height=height, width=width)


def square(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 images as the network takes them: padded with black below or at the right, resized, in [0, 1]."""
    height, width = images.shape[-2:]
    side = max(height, width)
    padded = np.pad(images, ((0, 0), (0, 0), (0, side - height), (0, side - width)))
    return resized(padded, size).astype(np.float32) / 255


def detections(
    output: np.ndarray, reading: DetectorReading = OWN, *, scale: float, height: int, width: int
) -> Detections:
    """What the network's output (N, 4 + P, G) shows in images of ``height`` x ``width``, of which ``scale`` pixels are
    one of the network's."""
    centre, extent, scores = output[:, :2] * scale, output[:, 2:4] * scale, output[:, 4:]
    boxes = _boxes(centre, extent, np.array([width, height])[None, :, None], reading)
    part, score = scores.argmax(1), scores.max(1)
    found = [_nothing()]
    for image in range(len(output)):
        cells = np.flatnonzero(score[image] >= reading.smallest_score)
        cells = cells[np.argsort(-score[image, cells], kind="stable")]
        cells = cells[not_overlapped(boxes[image][:, cells].T)]
        place = np.full(len(cells), image)
        found.append(Detections(place, part[image, cells], score[image, cells], boxes[image][:, cells].T))
    return Detections(*(np.concatenate(column) for column in zip(*found, strict=True)))


def _boxes(centre: np.ndarray, extent: np.ndarray, size: np.ndarray, reading: DetectorReading) -> np.ndarray:
    """Boxes (N, 4, G) float32 inside an image of ``size`` (width, height), from centres and extents (N, 2, G)."""
    first = (centre - extent / 2).clip(0, size)
    last = (centre + extent / 2).clip(0, size)
    if reading.clipping == "nudenet":  # a corner that was outside has moved, but the width and the height have not
        last = first + np.minimum(extent, size - first)
    return np.concatenate([first, last], axis=1).astype(np.float32)


def not_overlapped(boxes: np.ndarray) -> np.ndarray:
    """Places of the boxes (M, 4), the best first, that overlap with no better one that is kept (non-maximum
    suppression)."""
    waiting = np.arange(len(boxes))
    kept = []
    while waiting.size:
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        waiting = waiting[intersection_over_union(boxes[best], boxes[waiting]) <= OVERLAP]
    return np.array(kept, dtype=np.int64)


def intersection_over_union(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Overlap (M,) of ``box`` (4,) with each of ``boxes`` (M, 4); 0 where both are empty."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    shared = sides.clip(0).prod(1)
    union = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _nothing() -> Detections:
    whole, real = np.zeros(0, np.int64), np.zeros(0, np.float32)
    return Detections(whole, whole, real, np.zeros((0, 4), np.float32))


def load_detector(path: Path) -> Detector:
    """Read an ONNX file. Its metadata ``names`` and ``imgsz``, which Ultralytics writes as Python literals, name the
    parts and the size of the input."""
    if not path.is_file():
        raise LetheError(f"{path}: no such detector", "train it first: python -m lethe.judge text train-detector")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = allowed_threads()
    options.inter_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        metadata = session.get_modelmeta().custom_metadata_map
        names, size = ast.literal_eval(metadata["names"]), ast.literal_eval(metadata["imgsz"])[0]
        parts = tuple(names[number] for number in range(len(names)))
        provenance = json.loads(metadata.get("lethe", "{}"))
    except Exception as error:  # onnxruntime's errors have no base of their own
        raise LetheError(
            f"{path}: not a detector with metadata 'names' and 'imgsz' ({str(error).partition(chr(10))[0]})",
            "train it again, or give an ONNX file that has them",
        ) from error
    inputs, rows = [entry.name for entry in session.get_inputs()], session.get_outputs()[0].shape[1]
    if inputs != ["images"] or rows != 4 + len(parts):
        raise LetheError(
            f"{path}: inputs {', '.join(inputs)} and {rows} rows of output, where NudeNet's format has images and "
            f"4 + {len(parts)} parts",
            "give a detector in that format",
        )
    return Detector(session, size, parts, provenance)
