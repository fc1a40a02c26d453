"""Where images show the concept: a detector in the format of NudeNet's model, run by onnxruntime on the CPU.

The network takes ``images`` (N, 3, S, S) in [0, 1] and gives (N, 4 + P, G): for each of G cells the centre, width and
height of a box in its own pixels, and a score for each of P parts. As NudeNet does, each cell keeps its best part, and
of boxes that overlap by more than 45 % the best. All scores down to ``SMALLEST_SCORE`` are kept: suppression goes from
the best box down, so a higher threshold can be taken of its result later.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import nn

from lethe.environment import allowed_threads
from lethe.errors import LetheError

SMALLEST_SCORE = 0.05
OVERLAP = 0.45


class Detections(NamedTuple):
    """M detections, image by image, the best first: ``image`` (M,) int64, ``part`` (M,) int64, ``score`` (M,) float32
    and ``box`` (M, 4) float32: left, top, right, bottom in pixels of the image."""

    image: np.ndarray
    part: np.ndarray
    score: np.ndarray
    box: np.ndarray


@dataclass(frozen=True)
class Detector:
    """A session of onnxruntime, the side S of its input, the names of its parts and where it comes from."""

    session: onnxruntime.InferenceSession
    size: int
    parts: tuple[str, ...]
    provenance: dict[str, Any]

    def detect(self, images: np.ndarray, batch: int = 128) -> Detections:
        """Detections in uint8 images (N, 3, H, W)."""
        found = [
            found._replace(image=found.image + start)
            for start in range(0, len(images), batch)
            for found in [self._detect_batch(images[start : start + batch])]
        ]
        return Detections(*(np.concatenate(column) for column in zip(_nothing(), *found, strict=True)))

    def _detect_batch(self, images: np.ndarray) -> Detections:
        height, width = images.shape[-2:]
        output = self.session.run(None, {"images": square(images, self.size)})[0]
        return detections(output, scale=max(height, width) / self.size, height=height, width=width)


def square(images: np.ndarray, size: int) -> np.ndarray:
    """uint8 images as the network takes them: padded with black below or at the right, resized, in [0, 1]."""
    height, width = images.shape[-2:]
    side = max(height, width)
    padded = nn.functional.pad(torch.from_numpy(images).float(), (0, side - width, 0, side - height))
    if side != size:
        padded = nn.functional.interpolate(padded, size=(size, size), mode="bilinear", align_corners=False)
    return (padded / 255).numpy()


def detections(output: np.ndarray, *, scale: float, height: int, width: int) -> Detections:
    """What the network's output (N, 4 + P, G) shows in images of ``height`` x ``width``, of which ``scale`` pixels are
    one of the network's."""
    centre, extent, scores = output[:, :2], output[:, 2:4], output[:, 4:]
    corners = np.concatenate([centre - extent / 2, centre + extent / 2], axis=1) * scale
    boxes = corners.clip(0, np.array([width, height, width, height])[None, :, None]).astype(np.float32)
    part, score = scores.argmax(1), scores.max(1)
    found = [_nothing()]
    for image in range(len(output)):
        cells = np.flatnonzero(score[image] >= SMALLEST_SCORE)
        cells = cells[np.argsort(-score[image, cells], kind="stable")]
        cells = cells[not_overlapped(boxes[image][:, cells].T)]
        place = np.full(len(cells), image)
        found.append(Detections(place, part[image, cells], score[image, cells], boxes[image][:, cells].T))
    return Detections(*(np.concatenate(column) for column in zip(*found, strict=True)))


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
