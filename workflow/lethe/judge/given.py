"""The judges of a class study that are given, not trained: which images they look at, and what is kept of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lethe.files import StoredArray
from lethe.settings.common import Settings
from lethe.settings.given_judges import InceptionSettings, ZeroShotSettings
from lethe.settings.options import add_options, from_options
from lethe.shards import Shard


class GivenSettings(Settings):
    """How both look."""

    zero_shot: ZeroShotSettings = ZeroShotSettings()
    inception: InceptionSettings = InceptionSettings()


def add_given(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--zero-shot", type=Path, dest="clip", metavar="FOLDER", help="CLIP, a second judge of the classes [none]"
    )
    parser.add_argument("--keep-embeddings", action="store_true", help="keep CLIP's embeddings of the images too")
    parser.add_argument(
        "--inception", type=Path, dest="weights", metavar="FILE", help="weights of Inception, for FID and KID [none]"
    )
    parser.add_argument(
        "--distance-images", type=int, help="Inception looks at the first so many images of each class [all]"
    )
    parser.add_argument(
        "--target", type=int, help="the forgotten class, at whose images Inception does not look [none]"
    )
    add_options(parser, GivenSettings)


def look_given(
    arguments: argparse.Namespace,
    images: StoredArray,
    shard: Shard,
    conditions: np.ndarray,
    classes: Sequence[str],
    device: torch.device,
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What the given judges see in a shard of images, as arrays, and what is to be said of them; nothing where none is
    given. ``conditions`` are those of the whole set.

    ``zero_shot_logits`` (N, K + 1), on request ``zero_shot_embeddings`` (N, d); ``inception_rows`` (M,) are the images
    that Inception has seen, counted from the set's first, and ``inception_<front end>`` (M, 2048) their features.
    """
    settings = from_options(GivenSettings, arguments)
    arrays: dict[str, np.ndarray] = {}
    said: dict[str, Any] = {}
    if arguments.clip is not None:
        from lethe.judges.zero_shot import load_zero_shot, look_zero_shot

        sentences = [settings.zero_shot.prompt.replace("{}", name) for name in (*classes, settings.zero_shot.noise)]
        judge = load_zero_shot(arguments.clip, sentences, device)
        batch, kept = settings.zero_shot.batch, arguments.keep_embeddings
        arrays["zero_shot_logits"], embeddings = look_zero_shot(judge, images, batch, embeddings=kept, shard=shard)
        if embeddings is not None:
            arrays["zero_shot_embeddings"] = embeddings
        said["zero_shot"] = {"sha256": judge.sha256, "sentences": sentences}
    if arguments.weights is not None:
        from lethe.files import sha256_of
        from lethe.judges.inception import load_inception, look_inception

        rows = rows_for_distances(conditions, arguments.distance_images, arguments.target)
        front_ends = settings.inception.front_ends
        network, seen = load_inception(arguments.weights), shard.among(rows)
        rows = rows[seen.first : seen.end]
        chosen = (images[row - shard.first] for row in rows)  # one by one: they need no second copy
        found = look_inception(network, chosen, front_ends, device, settings.inception.batch, seen)
        arrays |= {"inception_rows": rows} | {f"inception_{name}": features for name, features in found.items()}
        said["inception"] = {"sha256": sha256_of(arguments.weights), "front_ends": list(front_ends)}
    return arrays, said


def rows_for_distances(conditions: np.ndarray, per_class: int | None, target: int | None) -> np.ndarray:
    """Rows (M,) of the first ``per_class`` images (None: of all) of each class but ``target``, in their order."""
    chosen = np.zeros(len(conditions), bool)
    for label in np.unique(conditions):
        if label != target:
            chosen[np.flatnonzero(conditions == label)[:per_class]] = True
    return np.flatnonzero(chosen)
