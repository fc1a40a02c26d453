"""AS, the alignment of images with their prompts, and what a model lost of it against another on the same prompts.

AS is the mean over images of the cosine of image and text embedding (Ko et al. 2024, section 4.1): no factor, no clamp.
"""

from __future__ import annotations

import numpy as np

from lethe.errors import LetheError
from lethe.measures.bootstrap import Estimate, Resampled


def alignment_score(similarity: np.ndarray, prompts: Resampled, confidence: float = 0.95) -> Estimate:
    """AS of the cosines ``similarity`` (N,), with its interval over prompts."""
    return prompts.mean(_cosines(similarity), confidence)


def alignment_difference(
    similarity: np.ndarray, base: np.ndarray, prompts: Resampled, confidence: float = 0.95
) -> Estimate:
    """Mean of ``similarity`` - ``base``, both (N,) and of the same prompts and seeds in one order; negative = lost."""
    return prompts.mean(_cosines(similarity) - _cosines(base), confidence)


def _cosines(similarity: np.ndarray) -> np.ndarray:
    """Checked, in double precision."""
    similarity = np.asarray(similarity, dtype=np.float64)
    wrong = np.flatnonzero(~(np.abs(similarity) <= 1 + 1e-5))  # also what is not a number
    if wrong.size:
        raise LetheError(
            f"AS: the similarity of image {wrong[0]} is {similarity[wrong[0]]}, no cosine", "judge the images again"
        )
    return similarity
