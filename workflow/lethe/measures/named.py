"""Images against names: the CLIP score, the CLIP error rate, and the distance to the base's images of the same prompts.

Scores and rate are those of SPM (Lyu et al. 2024, arXiv 2312.16145, and its released evaluation), which DoCo's
repository points to. There an image is compared with the concept's name alone (``eval_with_template`` is false), not
with its prompt.
"""

from __future__ import annotations

import numpy as np

from lethe.measures.frechet import frechet_distance

SPM_SCALE = 250
"""SPM and DoCo print 2.5 x 100 times the mean cosine; Lethe records the cosine."""


def clip_errors(target: np.ndarray, anchor: np.ndarray) -> np.ndarray:
    """Images (N,) that are errors: not nearer to the concept's name than to the anchor's.

    CER, their share, is SPM's 1 - mean(anchor < target) of the cosines (N,) with the two names; a tie is an error. High
    means that the concept is gone. Where the anchor is left out, its name is the empty text, as in SPM.
    """
    return ~(anchor < target)


def halves_of_copies(rows: np.ndarray, seeds: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Places of the first, third, ... image of each prompt by seed, and of the second, fourth, ...; None where some
    prompt has an odd number of them: the halves then are not of the same prompts.

    ``rows`` (N,) are the images' prompts, ``seeds`` (N,) theirs.
    """
    order = np.lexsort((seeds, rows))
    _, first, counts = np.unique(rows[order], return_index=True, return_counts=True)
    if (counts % 2).any():
        return None
    copy = np.arange(len(rows)) - np.repeat(first, counts)
    return order[copy % 2 == 0], order[copy % 2 == 1]


def distance_to_base(
    features: np.ndarray, base: np.ndarray, rows: np.ndarray, seeds: np.ndarray, minimum: int
) -> tuple[float, float | None]:
    """The squared Frechet distance of features (N, d) to the base's (N, d) of the same prompts and seeds, and a scale.

    A Frechet distance is biased upwards, by about 1/N for independent sets and more below d images, where covariances
    are singular. Images of the same seeds are not independent: an untouched model is at exactly 0, and one that has
    moved far has the whole bias. So the scale is the distance between two halves of the base's own images, of the same
    prompts but other seeds: what a model with the base's distribution and noise of its own would show with N / 2
    images, hence more than with N. None where the images cannot be halved. Fewer than ``minimum`` images are refused
    (LetheError), and only distances of equal N compare.
    """
    halves = halves_of_copies(rows, seeds)
    scale = None if halves is None else frechet_distance(*(base[half] for half in halves), minimum=max(2, minimum // 2))
    return frechet_distance(features, base, minimum=minimum), scale
