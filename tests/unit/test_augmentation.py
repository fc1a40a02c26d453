"""EDM's augmentation: its geometry against scipy's and identities, what is drawn, and what the network is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from edm_pickle import small_network
from scipy import ndimage, stats

from lethe.errors import LetheError
from lethe.models.augmentation import LABELS, SYMLET, augmented, draw_maps, mapped
from lethe.models.edm import EDM
from lethe.settings.network import PreconditioningSettings


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(count: int = 4, size: int = 32) -> torch.Tensor:
    """Images without fine detail, float64, so that every good interpolation gives the same."""
    noise = torch.randn(count, 3, 6, 6, generator=generator(), dtype=torch.float64)
    images = torch.nn.functional.interpolate(noise, (size, size), mode="bicubic", align_corners=True)
    return images / images.abs().max()


def map_of(matrix: list[list[float]] | np.ndarray, shift: tuple[float, float] = (0, 0), count: int = 4) -> torch.Tensor:
    linear = torch.tensor(np.asarray(matrix), dtype=torch.float64)
    return torch.cat([linear, torch.tensor(shift, dtype=torch.float64)[:, None]], 1).repeat(count, 1, 1)


IDENTITY = np.eye(2)


def test_the_wavelet_is_orthogonal_and_has_six_vanishing_moments():
    low = np.array(SYMLET)
    for shift in range(6):
        assert np.dot(low[2 * shift :], low[: len(low) - 2 * shift]) == pytest.approx(float(shift == 0), abs=1e-11)
    assert low.sum() == pytest.approx(math.sqrt(2), abs=1e-11)
    high = low[::-1] * (-1.0) ** np.arange(len(low))
    moments = [abs(np.dot(high, np.arange(len(low)) ** power)) for power in range(7)]
    assert max(moments[:6]) < 1e-7
    assert moments[6] > 100


def test_an_image_that_is_not_mapped_comes_back():
    images = torch.randn(3, 2, 16, 16, generator=generator(), dtype=torch.float64)
    torch.testing.assert_close(mapped(images, map_of(IDENTITY, count=3)), images, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("right", "down"), [(3, 0), (0, -5), (2, 7)])
def test_a_shift_by_whole_pixels_moves_the_image_and_mirrors_its_border(right, down):
    images = torch.randn(4, 3, 32, 32, generator=generator(), dtype=torch.float64)
    found = mapped(images, map_of(IDENTITY, (-right / 32, -down / 32)))
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (8, 8), (8, 8)), mode="reflect")
    expected = padded[:, :, 8 - down : 40 - down, 8 - right : 40 - right]
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[0, -1], [1, 0]], lambda images: images.rot90(1, (2, 3))),
        ([[0, 1], [-1, 0]], lambda images: images.rot90(-1, (2, 3))),
        ([[-1, 0], [0, -1]], lambda images: images.flip(2, 3)),
        ([[-1, 0], [0, 1]], lambda images: images.flip(3)),
    ],
    ids=["left", "right", "about", "mirrored"],
)
def test_quarter_turns_and_mirrors_are_those_of_torch(matrix, expected):
    images = smooth()
    # Not exact: the wavelet is not quite symmetric.
    torch.testing.assert_close(mapped(images, map_of(matrix)), expected(images), rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("matrix", "shift"),
    [
        ([[0.8, 0], [0, 0.8]], (0, 0)),
        ([[1.3, 0], [0, 1.3]], (0, 0)),
        ([[math.cos(0.7), -math.sin(0.7)], [math.sin(0.7), math.cos(0.7)]], (0.05, -0.1)),
        ([[1.1, 0.2], [-0.1, 0.9]], (0.12, 0.03)),
    ],
    ids=["larger", "smaller", "turned", "stretched"],
)
def test_an_affine_map_is_that_of_scipy(matrix, shift):
    images, middle = smooth(), (32 - 1) / 2
    found = mapped(images, map_of(matrix, shift))
    # scipy's places are (row, column) from the corner.
    turned = np.asarray(matrix)[::-1, ::-1]
    offset = middle - turned @ np.full(2, middle) + 32 * np.array(shift)[::-1]
    for image, one in zip(images.numpy(), found.numpy(), strict=True):
        for channel, seen in zip(image, one, strict=True):
            expected = ndimage.affine_transform(channel, turned, offset, order=3, mode="mirror")
            assert np.abs(seen - expected).max() < 0.03
            assert np.abs(seen - expected)[4:-4, 4:-4].mean() < 0.004


def test_each_image_has_a_map_of_its_own():
    images = torch.randn(5, 1, 8, 8, generator=generator(), dtype=torch.float64)
    _, maps, _ = draw_maps(5, generator(1))
    together = mapped(images, maps.double())
    for row in range(5):
        alone = mapped(images[row : row + 1], maps[row : row + 1].double())
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-12)


def test_what_is_drawn_is_what_table_6_says():
    count = 40_000
    mirrored, maps, labels = draw_maps(count, generator())
    assert labels.shape == (count, LABELS)
    right, upside, scale, cos, sin, *stretch, x, y = labels.double().unbind(1)
    assert torch.equal(torch.stack([right, upside], 1), mirrored.double())

    def share(hits: torch.Tensor, expected: float) -> None:
        assert stats.binomtest(int(hits.sum()), count, expected).pvalue > 1e-3

    share(right == 1, 0.5)
    share(upside == 1, 0.12 / 2)
    for values in (scale, sin, x, y, torch.hypot(*stretch)):
        share(values != 0, 0.12)
    assert stats.kstest(scale[scale != 0], "norm").pvalue > 1e-3
    assert stats.kstest(x[x != 0], "norm").pvalue > 1e-3
    angles = torch.atan2(sin, cos + 1)[sin != 0]
    assert stats.kstest(angles, stats.uniform(-math.pi, 2 * math.pi).cdf).pvalue > 1e-3
    stretched = torch.stack(stretch, 1)[torch.hypot(*stretch) != 0]
    straight = stretched[:, 1] == 0  # half of the stretches are along the image's own sides
    assert stats.binomtest(int(straight.sum()), len(stretched), 0.5).pvalue > 1e-3
    untouched = (labels[:, 2:] == 0).all(1)
    share(untouched, 0.88**4)
    torch.testing.assert_close(maps[untouched], torch.eye(2, 3).expand(int(untouched.sum()), 2, 3))


def test_the_maps_are_what_the_labels_say():
    """Composed again by hand: scale 2^(0.2 s), turn by -a, stretch by 2^(0.2 w) along r, shift by 1/8 of the side."""
    _, maps, labels = draw_maps(4000, generator())
    at_once = (labels[:, 2:] != 0).sum(1).argsort(descending=True)[:50]  # where most happens at once
    for row in at_once.tolist():
        _, _, scale, cos, sin, along_x, along_y, x, y = labels[row].double().tolist()
        turn, size = math.atan2(sin, cos + 1), 2 ** (0.2 * scale)

        def turned(angle: float) -> np.ndarray:
            return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

        forward = []
        for sign in (1, -1):  # the labels leave open whether w < 0 or r points the other way
            w, r = sign * math.hypot(along_x, along_y), math.atan2(sign * along_y, sign * along_x)
            stretch = turned(-r) @ np.diag([2 ** (0.2 * w), 2 ** (-0.2 * w)]) @ turned(r)
            whole = stretch @ turned(-turn) @ (size * np.eye(2))
            forward.append((whole, np.array([x, y]) / 8))
        back, shift = maps[row, :, :2].double().numpy(), maps[row, :, 2].double().numpy()
        assert any(
            np.allclose(back @ whole, np.eye(2), atol=1e-5) and np.allclose(back @ moved + shift, 0, atol=1e-5)
            for whole, moved in forward
        )


def test_the_same_generator_gives_the_same():
    images = torch.randn(8, 3, 8, 8, generator=generator())
    one, again, other = (augmented(images, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert not torch.equal(one[1], other[1])
    assert one[0].dtype == torch.float32


def test_flips_come_before_the_rest_and_are_told():
    images = torch.randn(300, 1, 8, 8, generator=generator())
    made, labels = augmented(images, generator(2))
    still = (labels[:, 2:] == 0).all(1)
    for right, upside in ((0, 0), (1, 0), (0, 1), (1, 1)):
        rows = still & (labels[:, 0] == right) & (labels[:, 1] == upside)
        expected = images[rows].flip(3) if right else images[rows]
        assert rows.any()
        torch.testing.assert_close(made[rows], expected.flip(2) if upside else expected, rtol=0, atol=1e-5)


# In the model


def model(**sizes: int) -> EDM:
    return EDM(small_network(**sizes), PreconditioningSettings(sigma_data=0.5))


def test_a_model_augments_once_it_is_told_to():
    denoiser, clean = model(), torch.randn(6, 3, 8, 8, generator=generator())
    plain = denoiser.corrupt(clean, generator(1))
    assert plain.augmentation is None
    assert torch.equal(plain.truth, clean)
    denoiser.augment()
    corrupted = denoiser.corrupt(clean, generator(1))
    drawn = generator(1)
    truth, labels = augmented(clean, drawn)
    assert torch.equal(corrupted.truth, truth)
    assert torch.equal(corrupted.augmentation, labels)
    noise = (corrupted.noisy - truth) / corrupted.level
    torch.randn((6, 1, 1, 1), generator=drawn)
    torch.testing.assert_close(noise, torch.randn(truth.shape, generator=drawn), rtol=0, atol=2e-3)


def test_the_network_is_told_what_was_done():
    denoiser, clean = model(), torch.randn(6, 3, 8, 8, generator=generator())
    denoiser.augment()
    corrupted, labels = denoiser.corrupt(clean, generator(1)), torch.arange(6)
    with torch.no_grad():
        found = denoiser.predict(corrupted, labels)
        expected = denoiser.denoise(corrupted.noisy, corrupted.level, labels, corrupted.augmentation)
        silent = denoiser.denoise(corrupted.noisy, corrupted.level, labels)
    assert torch.equal(found, expected)
    changed = (found - silent).abs().amax((1, 2, 3)) > 1e-6
    assert torch.equal(changed, (corrupted.augmentation != 0).any(1))
    assert changed.any()


def test_a_network_that_has_not_learned_it_is_refused(base):
    for denoiser, takes in ((base, 0), (model(augment_dim=6), 6)):
        with pytest.raises(LetheError, match=f"takes {takes} augmentation labels"):
            denoiser.augment()
