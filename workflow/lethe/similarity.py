"""``python -m lethe.similarity`` says which classes are near to each other: the cosine of the mean features that the
judge has of their training images; CLIP's where CLIP is a judge, as in the RGD paper (Appendix E.3, Figure 7)."""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lethe.cli import add_provenance, command
from lethe.errors import LetheError
from lethe.files import write_rows
from lethe.settings.options import add_options, from_options
from lethe.settings.sets import SimilaritySettings
from lethe.shards import read_shards

# As many classes are called near, in the paper's Case 1 and its Figure 7.
NEAR = 2
CLIP, CLIP_FEATURES = "CLIP", "embeddings of the images, each of length 1"
COLUMNS = (
    *("class", "name", "other", "other_name", "cosine", "rank"),
    *("images", "other_images", "judge", "judge_sha256", "features", "fingerprint"),
)


@dataclass(frozen=True)
class Similarity:
    """``cosine`` (K, K) of the classes ``names``, each the mean of the features of so many ``images``, which are those
    of ``judge``."""

    names: tuple[str, ...]
    cosine: np.ndarray
    images: tuple[int, ...]
    judge: str
    features: str

    def order(self, label: int) -> list[int]:
        """The other classes, the nearest first; where two are as near, the one with the lower number."""
        others = [other for other in range(len(self.names)) if other != label]
        return sorted(others, key=lambda other: (-self.cosine[label, other], other))

    def near(self, label: int) -> list[int]:
        """The :data:`NEAR` classes nearest to a class, the nearest first."""
        return self.order(label)[:NEAR]


def class_means(
    features: np.ndarray, labels: np.ndarray, classes: int, images_per_class: int
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Mean features (classes, d) in float64 of the first ``images_per_class`` of each class, and how many there were.

    Raises LetheError for a class without an image.
    """
    means, counts = [], []
    for label in range(classes):
        own = features[labels == label][:images_per_class]
        if not len(own):
            raise LetheError(f"class {label} has no training image", "give data that has images of every class")
        means.append(own.astype(np.float64).mean(axis=0))
        counts.append(len(own))
    return np.stack(means), tuple(counts)


def cosines(vectors: np.ndarray) -> np.ndarray:
    """The cosine (K, K) of each two of ``vectors`` (K, d); they are not centred, as in the paper."""
    norms = np.linalg.norm(vectors, axis=1)
    if not (norms > 0).all():
        raise LetheError(
            f"the mean features of class {int(np.argmin(norms))} are zero: they have no direction",
            "train the judge again with more features",
        )
    units = vectors / norms[:, None]
    return np.clip(units @ units.T, -1, 1)


def write_similarity(path: Path, found: Similarity, judge_sha256: str, fingerprint: str) -> None:
    """One line for each ordered pair of classes; ``rank`` 1 is the nearest, blank for a class and itself."""
    lines = []
    for label, name in enumerate(found.names):
        rank = {other: place for place, other in enumerate(found.order(label), start=1)}
        for other, other_name in enumerate(found.names):
            line = {"class": label, "name": name, "other": other, "other_name": other_name}
            line |= {"cosine": float(found.cosine[label, other]), "rank": rank.get(other, "")}
            line |= {"images": found.images[label], "other_images": found.images[other]}
            line |= {"judge": found.judge, "judge_sha256": judge_sha256, "features": found.features}
            lines.append(line | {"fingerprint": fingerprint})
    write_rows(path, COLUMNS, lines)


def read_similarity(path: str | Path) -> Similarity:
    """Read what :func:`write_similarity` wrote. LetheError unless every pair of classes is there once."""
    remedy = "make it with python -m lethe.similarity"
    if not Path(path).is_file():
        raise LetheError(f"{path}: no such file", remedy)
    with Path(path).open(newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise LetheError(f"{path}: its columns are not those of a similarity of classes", remedy)
        lines = list(rows)
    try:
        own = {int(line["class"]): (line["name"], int(line["images"])) for line in lines}
        cosine = {(int(line["class"]), int(line["other"])): float(line["cosine"]) for line in lines}
    except ValueError as error:
        raise LetheError(f"{path}: {error}", remedy) from None
    pairs = [(label, other) for label in range(len(own)) for other in range(len(own))]
    if len(lines) != len(pairs) or set(cosine) != set(pairs) or len(own) <= NEAR:
        raise LetheError(f"{path}: not every pair of classes is there once", remedy)
    names, images = zip(*(own[label] for label in range(len(own))), strict=True)
    matrix = np.array([cosine[pair] for pair in pairs]).reshape(len(own), len(own))
    return Similarity(names, matrix, images, lines[0]["judge"], lines[0]["features"])


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(SimilaritySettings, arguments)
    arrays, made = read_shards([arguments.judged], only=("features", "conditions", "zero_shot_embeddings"))
    if not {"features", "conditions"} <= arrays.keys() or not {"judge", "judge_sha256", "classes"} <= made.keys():
        raise LetheError(
            f"{arguments.judged}: not a judge's outputs on labelled images", "make it with python -m lethe.judge class"
        )
    names = tuple(made["classes"])
    features, (judge, sha256, words) = arrays["features"], (made[key] for key in ("judge", "judge_sha256", "features"))
    if "zero_shot_embeddings" in arrays:
        features, (judge, sha256, words) = (
            arrays["zero_shot_embeddings"],
            (CLIP, made["zero_shot"]["sha256"], CLIP_FEATURES),
        )
    means, images = class_means(features, arrays["conditions"], len(names), settings.images_per_class)
    write_similarity(
        arguments.output, Similarity(names, cosines(means), images, judge, words), sha256, arguments.fingerprint
    )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.similarity", description=__doc__, allow_abbrev=False)
    parser.add_argument("--judged", type=Path, required=True, help="the judge's outputs on the training images")
    parser.add_argument("--output", type=Path, required=True, help="csv file to write")
    add_options(parser, SimilaritySettings)
    add_provenance(parser)
    return parser


if __name__ == "__main__":
    command(parser(), main)
