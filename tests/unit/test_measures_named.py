"""CLIP error rate and the distance to the base, against arithmetic by hand and scipy's matrix square root."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from lethe.errors import LetheError
from lethe.measures.named import clip_errors, distance_to_base, halves_of_copies


def by_square_root(a: np.ndarray, b: np.ndarray) -> float:
    """The Frechet distance as pytorch-fid writes it."""
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(first @ second).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root))


def test_an_error_is_an_image_that_is_not_nearer_to_the_concepts_name():
    target, anchor = np.array([0.5, 0.2, 0.3, -0.1]), np.array([0.1, 0.4, 0.3, -0.2])
    assert clip_errors(target, anchor).tolist() == [False, True, True, False]
    assert clip_errors(target, anchor).mean() == 1 - np.mean(anchor < target)  # as SPM has it


def test_halves_are_of_the_same_prompts_and_of_other_seeds():
    rows = np.array([7, 3, 7, 3, 3, 7, 3, 7])
    seeds = np.array([207, 103, 7, 3, 303, 107, 203, 307])
    first, second = halves_of_copies(rows, seeds)
    assert sorted(rows[first].tolist()) == sorted(rows[second].tolist()) == [3, 3, 7, 7]
    assert sorted(seeds[first].tolist()) == [3, 7, 203, 207]
    assert sorted([*first, *second]) == list(range(8))
    assert halves_of_copies(np.array([1, 1, 2]), np.array([5, 6, 7])) is None


def test_the_distance_and_its_scale_are_frechet_distances():
    random = np.random.default_rng(0)
    prompts, copies, size = 40, 4, 6
    rows, seeds = np.repeat(np.arange(prompts), copies), np.arange(prompts * copies)
    base = random.normal(size=(len(rows), size)) @ random.normal(size=(size, size))
    moved = 1.3 * base + random.normal(scale=0.2, size=base.shape) + 0.5
    found, scale = distance_to_base(moved, base, rows, seeds, minimum=100)
    assert found == pytest.approx(by_square_root(moved, base), rel=1e-6)
    assert scale == pytest.approx(by_square_root(base[0::2], base[1::2]), rel=1e-6)
    order = random.permutation(len(rows))
    again = distance_to_base(moved[order], base[order], rows[order], seeds[order], minimum=100)
    assert again == pytest.approx((found, scale), rel=1e-9)


def test_an_untouched_model_is_at_zero_and_below_what_the_bases_own_noise_gives():
    random = np.random.default_rng(1)
    rows, seeds = np.repeat(np.arange(30), 2), np.arange(60)
    base = random.normal(size=(60, 8))
    found, scale = distance_to_base(base, base, rows, seeds, minimum=60)
    assert found == pytest.approx(0, abs=1e-9)
    redrawn = np.mean([distance_to_base(random.normal(size=base.shape), base, rows, seeds, 60)[0] for _ in range(20)])
    assert 0 < redrawn < scale  # the halves are half as large: their bias is about twice that of the whole


def test_few_images_are_refused_and_odd_copies_have_no_scale():
    features = np.random.default_rng(2).normal(size=(30, 4))
    rows, seeds = np.repeat(np.arange(10), 3), np.arange(30)
    assert distance_to_base(features, features, rows, seeds, minimum=30)[1] is None
    with pytest.raises(LetheError, match="31"):
        distance_to_base(features, features, rows, seeds, minimum=31)
