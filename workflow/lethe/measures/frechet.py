"""The Frechet distance between Gaussians fitted to features (FID, when the features are Inception's).

    d2(a, b) = |mean_a - mean_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2)
    (Dowson & Landau 1982, equation 4; Heusel et al. 2017, equation 6)

A covariance is kept as a factor F with F^T F = S. The eigenvalues of S_a S_b are then the squared singular
values of F_a F_b^T, so tr (S_a S_b)^(1/2) is the nuclear norm of F_a F_b^T, of any rank: for fewer images
than features F is the centred data itself. No product of covariances is formed and no square root of its
rounding noise taken, which is where the usual sqrtm of a singular product loses half the digits.

The distance is biased upwards by about 1/n; compare only distances of equal n, beside that of two real sets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.measures.rates import require_enough

MINIMUM_IMAGES = 100
# Rows taken at once: at least this many, and 4 d for large d, where each block is factored with d rows more.
_BLOCK = 4096


class Gaussian(NamedTuple):
    """A fitted Gaussian, in float64: ``mean`` (d,), and ``factor`` (r, d) of the covariance, r <= d.

    The covariance is ``factor.T @ factor``. ``n`` is the number of images behind it, None when it
    came from stored moments.
    """

    mean: np.ndarray
    factor: np.ndarray
    n: int | None

    @property
    def d(self) -> int:
        """The number of features."""
        return self.mean.size

    @property
    def covariance(self) -> np.ndarray:
        """The covariance (d, d)."""
        return self.factor.T @ self.factor


def fit_gaussian(features: np.ndarray, *, minimum: int = MINIMUM_IMAGES) -> Gaussian:
    """The Gaussian of ``features`` (n, d): mean and covariance (with n - 1), in float64 whatever is given.

    For n <= d the factor is the centred data over sqrt(n - 1); for n > d, the triangle R of its QR
    decomposition, block by block: the Cholesky factor of the covariance, without forming it.
    Raises LetheError for fewer than ``minimum`` (at least 2) images, or features that are not finite.
    """
    features = check_features("FID", features, max(minimum, 2))
    n, d = features.shape
    mean = features.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(n - 1)
    if n <= d:
        return Gaussian(mean, (features - mean) / scale, n)
    factor = np.empty((0, d))
    block = max(_BLOCK, 4 * d)
    for start in range(0, n, block):
        centred = (features[start : start + block] - mean) / scale
        factor = np.linalg.qr(np.concatenate([factor, centred]), mode="r")
    return Gaussian(mean, factor, n)


def gaussian_from_moments(mean: np.ndarray, covariance: np.ndarray) -> Gaussian:
    """The Gaussian of a stored ``mean`` (d,) and ``covariance`` (d, d), singular or not.

    Eigenvalues below zero by no more than the rounding of the stored type count as zero; LetheError for
    a matrix that is no covariance.
    """
    mean, covariance = np.atleast_1d(np.asarray(mean)), np.atleast_2d(np.asarray(covariance))
    if mean.ndim != 1 or covariance.shape != (mean.size, mean.size):
        raise LetheError(
            f"a mean of shape {mean.shape} with a covariance of shape {covariance.shape}",
            "give a mean (d,) and a covariance (d, d) of the same features",
        )
    stored = covariance.dtype if np.issubdtype(covariance.dtype, np.floating) else np.dtype(np.float64)
    mean, covariance = mean.astype(np.float64), covariance.astype(np.float64)
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise LetheError("the stored moments are not finite", "compute the reference statistics again")
    tolerance = 10 * mean.size * float(np.finfo(stored).eps) * float(np.abs(covariance).max(initial=0.0))
    if np.abs(covariance - covariance.T).max(initial=0.0) > tolerance:
        raise LetheError("the stored covariance is not symmetric", "compute the reference statistics again")
    try:
        factor = np.linalg.cholesky(covariance).T
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        if values[0] < -tolerance:
            raise LetheError(
                f"the stored covariance has an eigenvalue below zero, {values[0]:g}",
                "compute the reference statistics again",
            ) from None
        factor = np.sqrt(values.clip(min=0.0))[:, None] * vectors.T
    return Gaussian(mean, factor, None)


def frechet_between(a: Gaussian, b: Gaussian) -> float:
    """The squared Frechet distance of two Gaussians over the same features. Symmetric; never below zero."""
    if a.d != b.d:
        raise LetheError(
            f"FID: one set has {a.d} features an image and the other {b.d}",
            "judge both sets with the same judge",
        )
    shift = a.mean - b.mean
    total = float(shift @ shift + np.vdot(a.factor, a.factor) + np.vdot(b.factor, b.factor))
    overlap = float(np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum())
    return clip_rounding(total - 2 * overlap, scale=total, terms=a.d)


def frechet_distance(a: np.ndarray, b: np.ndarray, *, minimum: int = MINIMUM_IMAGES) -> float:
    """The squared Frechet distance of features ``a`` (n, d) and ``b`` (m, d): the FID, if Inception's.

    Exact in float64 up to rounding of about d * 2e-16 of the traces, for n or m below d too. Raises
    LetheError for fewer than ``minimum`` (at least 2) images in a set, unlike or non-finite features.
    """
    return frechet_between(fit_gaussian(a, minimum=minimum), fit_gaussian(b, minimum=minimum))


def frechet_distance_from_statistics(mu1: np.ndarray, sigma1: np.ndarray, mu2: np.ndarray, sigma2: np.ndarray) -> float:
    """The squared Frechet distance of means (d,) and covariances (d, d), as statistics files hold them."""
    return frechet_between(gaussian_from_moments(mu1, sigma1), gaussian_from_moments(mu2, sigma2))


def check_features(metric: str, features: np.ndarray, minimum: int) -> np.ndarray:
    """``features`` as a finite array (n, d) of at least ``minimum`` rows; LetheError otherwise."""
    features = np.asarray(features)
    if features.ndim != 2 or features.shape[1] == 0:
        raise LetheError(f"{metric}: features of shape {features.shape}", "give features (images, d)")
    require_enough(metric, len(features), minimum, "images in a set")
    # Through sums, since a mask of all entries costs memory; finite features overflow one only beyond 1e300.
    with np.errstate(invalid="ignore"):
        finite = np.isfinite(features.sum(axis=1, dtype=np.float64))
    if not finite.all():
        broken = np.flatnonzero(~finite)
        raise LetheError(
            f"{metric}: the features of {broken.size} images are not finite (the first is image {broken[0]})",
            "look at that image, then judge the image set again",
        )
    return features


def clip_rounding(value: float, scale: float, terms: int) -> float:
    """``value``, or 0 where it is below zero by no more than the rounding of ``terms`` terms of ``scale``.

    Raises ArithmeticError further below: a distance cannot be there, so a formula or a library is wrong.
    """
    rounding = 10 * max(terms, 10) * float(np.finfo(np.float64).eps) * scale
    if value < -rounding:
        raise ArithmeticError(f"a distance of {value:g}, below zero by more than its rounding {rounding:g}")
    return max(value, 0.0)
