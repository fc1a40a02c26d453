from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.linalg import sqrtm

from lethe.errors import LetheError
from lethe.measures import frechet
from lethe.measures.frechet import (
    clip_rounding,
    fit_gaussian,
    frechet_between,
    frechet_distance,
    frechet_distance_from_statistics,
    gaussian_from_moments,
)


def features(n: int, d: int, seed: int = 0) -> np.ndarray:
    """Correlated features with a decaying spectrum and a mean, as a network's are."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(d, d)) / np.arange(1, d + 1)[:, None]
    return rng.normal(size=(n, d)) @ mixing + rng.normal(size=d)


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(axis=0), np.cov(x, rowvar=False)


def rotation(d: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def test_one_feature_has_a_closed_form() -> None:
    a, b = features(150, 1, 1), 3 * features(120, 1, 2) + 1
    by_hand = (a.mean() - b.mean()) ** 2 + (a.std(ddof=1) - b.std(ddof=1)) ** 2
    assert frechet_distance(a, b) == pytest.approx(by_hand, rel=1e-12)


def test_commuting_covariances_have_a_closed_form() -> None:
    rng, turn = np.random.default_rng(3), rotation(6, 4)
    spread_a, spread_b, shift = rng.uniform(0.1, 2, 6), rng.uniform(0.1, 2, 6), rng.normal(size=6)
    sigma_a, sigma_b = (turn * spread_a**2) @ turn.T, (turn * spread_b**2) @ turn.T
    by_hand = shift @ shift + ((spread_a - spread_b) ** 2).sum()
    assert frechet_distance_from_statistics(shift, sigma_a, np.zeros(6), sigma_b) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize(("n", "m", "d"), [(400, 300, 16), (2000, 100, 64), (200, 5000, 33)])
def test_equals_pytorch_fid(n: int, m: int, d: int) -> None:
    from pytorch_fid.fid_score import calculate_frechet_distance

    a, b = features(n, d, 5), features(m, d, 6)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # its sqrtm(disp=False), gone in scipy 1.18
        theirs = calculate_frechet_distance(*moments(a), *moments(b))
    assert frechet_distance(a, b) == pytest.approx(theirs, rel=1e-6)
    assert frechet_distance_from_statistics(*moments(a), *moments(b)) == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(20, 20), (39, 12), (41, 40), (40, 300), (300, 15), (250, 260)])
def test_every_rank_equals_the_square_root_of_the_product(n: int, m: int) -> None:
    """tr (S_a S_b)^(1/2) by eigenvalues of the product, which are exact up to the root of the rounding."""
    a, b = features(n, 40, 7), features(m, 40, 8)
    (mean_a, sigma_a), (mean_b, sigma_b) = moments(a), moments(b)
    roots = np.sqrt(np.linalg.eigvals(sigma_a @ sigma_b).real.clip(min=0))
    scale = np.trace(sigma_a) + np.trace(sigma_b)
    by_eigenvalues = ((mean_a - mean_b) ** 2).sum() + scale - 2 * roots.sum()
    assert frechet_distance(a, b, minimum=2) == pytest.approx(by_eigenvalues, abs=1e-6 * scale)
    statistics = frechet_distance_from_statistics(mean_a, sigma_a, mean_b, sigma_b)
    assert statistics == pytest.approx(by_eigenvalues, abs=1e-6 * scale)


def test_few_images_of_many_features_equal_their_low_dimensional_value() -> None:
    """Data of 5 dimensions, laid obliquely in 500, has rank 5 and the same distances."""
    a, b = features(60, 5, 9), features(40, 5, 10)
    basis = rotation(500, 11)[:5]
    (mean_a, sigma_a), (mean_b, sigma_b) = moments(a), moments(b)
    low = ((mean_a - mean_b) ** 2).sum() + np.trace(sigma_a + sigma_b - 2 * sqrtm(sigma_a @ sigma_b).real)
    assert frechet_distance(a @ basis + 7, b @ basis + 7, minimum=2) == pytest.approx(low, rel=1e-10)


def test_orthogonal_low_rank_sets_share_no_spread() -> None:
    rng = np.random.default_rng(12)
    a, b = np.zeros((10, 200)), np.zeros((12, 200))
    a[:, :100], b[:, 100:] = rng.normal(size=(10, 100)), rng.normal(size=(12, 100))
    by_hand = ((a.mean(0) - b.mean(0)) ** 2).sum() + a.var(0, ddof=1).sum() + b.var(0, ddof=1).sum()
    assert frechet_distance(a, b, minimum=2) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize(("n", "d"), [(20, 300), (300, 20), (128, 128), (129, 128)])
def test_a_set_with_itself_is_at_no_distance(n: int, d: int) -> None:
    a = features(n, d, 13)
    trace = a.var(axis=0, ddof=1).sum()
    shuffled = a[np.random.default_rng(14).permutation(n)]
    assert 0 <= frechet_distance(a, a, minimum=2) <= 1e-12 * trace
    assert 0 <= frechet_distance(a, shuffled, minimum=2) <= 1e-12 * trace
    assert frechet_distance_from_statistics(*moments(a), *moments(a)) <= 1e-12 * trace


@pytest.mark.parametrize("n", [30, 200])
def test_invariances(n: int) -> None:
    a, b, turn = features(n, 50, 15), features(n + 5, 50, 16), rotation(50, 17)
    rng = np.random.default_rng(18)
    distance = frechet_distance(a, b, minimum=2)
    assert frechet_distance(b, a, minimum=2) == pytest.approx(distance, rel=1e-11)
    assert frechet_distance(rng.permutation(a), rng.permutation(b), minimum=2) == pytest.approx(distance, rel=1e-11)
    assert frechet_distance(a @ turn + 1, b @ turn + 1, minimum=2) == pytest.approx(distance, rel=1e-10)
    assert frechet_distance(3 * a, 3 * b, minimum=2) == pytest.approx(9 * distance, rel=1e-11)
    shift = rng.normal(size=50)
    assert frechet_distance(a, a + shift, minimum=2) == pytest.approx(shift @ shift, rel=1e-10)
    far = frechet_distance(a, 2 * (a - a.mean(0)) + a.mean(0), minimum=2)
    assert far == pytest.approx(a.var(axis=0, ddof=1).sum(), rel=1e-10)  # (2 - 1)^2 of the spread


def test_a_fit_in_blocks_is_the_covariance(monkeypatch: pytest.MonkeyPatch) -> None:
    x = features(1003, 7, 19)
    monkeypatch.setattr(frechet, "_BLOCK", 100)
    fitted = fit_gaussian(x)
    np.testing.assert_allclose(fitted.covariance, np.cov(x, rowvar=False), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(fitted.mean, x.mean(axis=0), rtol=1e-13)
    assert (fitted.factor.shape, fitted.n, fitted.d) == ((7, 7), 1003, 7)


def test_single_precision_features_are_summed_in_double() -> None:
    x = (features(20_000, 3, 20) * 1e-2 + 50).astype(np.float32)
    y = (features(20_000, 3, 21) * 1e-2 + 50).astype(np.float32)
    assert frechet_distance(x, y) == pytest.approx(
        frechet_distance(x.astype(np.float64), y.astype(np.float64)), rel=1e-12
    )


def test_stored_moments_meet_fitted_ones() -> None:
    a, b = features(300, 20, 22), features(15, 20, 23)
    mixed = frechet_between(gaussian_from_moments(*moments(a)), fit_gaussian(b, minimum=2))
    assert mixed == pytest.approx(frechet_distance(a, b, minimum=2), rel=1e-11)


def test_singular_moments_in_single_precision_are_accepted() -> None:
    mean, sigma = moments(features(10, 64, 24))
    single = sigma.astype(np.float32)
    assert np.linalg.eigvalsh(single.astype(np.float64))[0] < 0
    value = frechet_distance_from_statistics(mean, single, mean, sigma)
    assert 0 <= value <= 1e-2 * np.trace(sigma)


def test_what_is_no_covariance_is_refused() -> None:
    good, zero = np.eye(2), np.zeros(2)
    for bad, words in (
        (np.diag([1.0, -0.1]), "eigenvalue below zero, -0.1"),
        (np.array([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (np.diag([1.0, np.nan]), "not finite"),
        (np.eye(3), r"\(3, 3\)"),
    ):
        with pytest.raises(LetheError, match=words):
            frechet_distance_from_statistics(zero, good, zero, bad)


def test_what_are_no_features_is_refused() -> None:
    a = features(100, 5, 25)
    with pytest.raises(LetheError, match=r"FID: 99 images.*100"):
        frechet_distance(a, a[:99])
    with pytest.raises(LetheError, match="at least 2"):
        frechet_distance(a[:1], a, minimum=0)
    with pytest.raises(LetheError, match=r"5 features.*the other 4"):
        frechet_distance(a, a[:, :4])
    with pytest.raises(LetheError, match=r"\(100,\)"):
        frechet_distance(a[:, 0], a)
    for bad in (np.nan, np.inf, -np.inf):
        broken = a.copy()
        broken[17, 3] = bad
        with pytest.raises(LetheError, match=r"1 images.*image 17"):
            frechet_distance(a, broken)


def test_only_rounding_is_clipped() -> None:
    assert clip_rounding(-1e-14, scale=1.0, terms=2048) == 0.0
    assert clip_rounding(-1e-10, scale=1e4, terms=2048) == 0.0
    assert clip_rounding(1e-20, scale=1.0, terms=2048) == 1e-20
    with pytest.raises(ArithmeticError, match="below zero"):
        clip_rounding(-1e-9, scale=1.0, terms=2048)
