"""Stored moments of Inception's features that a distance is measured to, such as EDM's ``cifar10-32x32.npz``."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.files import sha256_of
from lethe.measures.frechet import Gaussian, gaussian_from_moments

# EDM's file does not say it; the network it was made with is NVIDIA's, which has this front end.
_UNSAID = "tf1"


class Reference(NamedTuple):
    """A Gaussian over the features of one front end, and in words where it is from."""

    gaussian: Gaussian
    front_end: str
    words: str


def read_reference(path: Path, weights_sha256: str) -> Reference:
    """Read ``mu`` (d,) and ``sigma`` (d, d) of an npz; ``front_end`` and ``weights_sha256`` may stand beside them.

    The covariance is that with n - 1. LetheError where the file says that it is of other weights than
    ``weights_sha256``.
    """
    remedy = "give an npz with mu and sigma, as EDM's cifar10-32x32.npz"
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except FileNotFoundError:
        raise LetheError(f"{path}: no such file", remedy) from None
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise LetheError(f"{path}: not a readable npz ({error})", remedy) from None
    if missing := [name for name in ("mu", "sigma") if name not in arrays]:
        raise LetheError(f"{path}: it has no {missing[0]}", remedy)
    of_weights = str(arrays.get("weights_sha256", weights_sha256))
    if of_weights != weights_sha256:
        raise LetheError(
            f"{path}: its moments are of Inception with the weights {of_weights[:12]}, the images were seen with "
            f"{weights_sha256[:12]}",
            "compare features of the same weights",
        )
    try:
        gaussian = gaussian_from_moments(arrays["mu"], arrays["sigma"])
    except LetheError as error:
        raise LetheError(f"{path}: {error.problem}", error.remedy) from None
    front_end = str(arrays.get("front_end", _UNSAID))
    return Reference(gaussian, front_end, f"moments of {path.name}, sha256 {sha256_of(path)[:12]}")
