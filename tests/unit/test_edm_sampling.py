"""Images of EDM as functions of seed and class alone, in the bytes of the official sampler."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from stages import run

import lethe.sample.classes
from lethe.errors import LetheError
from lethe.files import read_arrays
from lethe.models.edm import EDM
from lethe.settings.network import NetworkSettings
from lethe.settings.sampling import SamplingSettings

PLAN = [(seed, seed % 10) for seed in (3, 17, 2, 40, 9, 111, 0, 5, 28, 64, 51)]


def sampler(**changes: float) -> SamplingSettings:
    return SamplingSettings(**({"steps": 4, "kernel_batch": 4} | changes))


def drawn(model: EDM, plan: list[tuple[int, int]], **changes: float) -> list[bytes]:
    seeds, conditions = zip(*plan, strict=True)
    images = model.sample(seeds, torch.tensor(conditions), sampler(**changes))
    assert images.dtype == torch.uint8
    return [image.numpy().tobytes() for image in images]


def test_an_image_is_a_function_of_its_seed_and_class_alone(base):
    whole = dict(zip(PLAN, drawn(base, PLAN), strict=True))
    assert len(set(whole.values())) == len(PLAN)
    shuffled = [PLAN[index] for index in np.random.default_rng(0).permutation(len(PLAN))]
    assert drawn(base, shuffled) == [whole[row] for row in shuffled]
    for shard in (PLAN[:1], PLAN[3:8], PLAN[8:]):
        assert drawn(base, shard) == [whole[row] for row in shard]


def test_two_sizes_of_shards_give_the_same_images(base_folder, tmp_path):
    """Shards that end with a batch of the sampler, and one that holds all: the same calls of the network."""
    options = "--forget-images 3 --retain-images 1 --steps 2 --kernel-batch 4 --device cpu --target 3"
    for size, count in ((4, 3), (100, 1)):
        for shard in range(count):
            place = f"--model {base_folder} --output {tmp_path}/{size}-{shard} --shard {shard}"
            run(lethe.sample.classes, f"{place} {options} --shard-images {size}")
    whole = read_arrays(tmp_path / "100-0")[0]
    parts = [read_arrays(tmp_path / f"4-{shard}")[0] for shard in range(3)]
    assert len(whole["images"]) == 12
    for name, array in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), array)


@pytest.mark.parametrize("kernel_batch", [1, 3, 16])
def test_another_kernel_batch_moves_no_pixel_by_more_than_one_level(base, kernel_batch):
    ours, other = (b"".join(drawn(base, PLAN, kernel_batch=size, steps=18)) for size in (4, kernel_batch))
    assert np.abs(np.frombuffer(ours, np.uint8).astype(int) - np.frombuffer(other, np.uint8)).max() <= 1


def test_the_class_and_the_seed_change_the_image(base):
    images = drawn(base, [(1, 0), (1, 1), (2, 0), (2**32 + 1, 0)])
    assert len(set(images[:3])) == 3
    # Seeds are taken modulo 2^32, as the official sampler takes them.
    assert images[3] == images[0]


def test_images_of_a_trained_model_look_like_their_class(base, digits):
    """The nearest class mean tells the drawn class far more often than one time in ten."""
    conditions = torch.arange(10).repeat_interleave(4)
    images = base.sample(range(40), conditions, sampler(kernel_batch=40, steps=12)).flatten(1).numpy()
    means = np.stack([digits.images[digits.conditions == label].mean(0).ravel() for label in range(10)])
    nearest = ((images[:, None].astype(float) - means) ** 2).sum(2).argmin(1)
    assert (nearest == conditions.numpy()).mean() > 0.5


class Recorder(EDM):
    """Keeps what the sampler asks to denoise first: the latent times the highest noise level."""

    def denoise(self, noisy: torch.Tensor, sigma: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        self.asked = [*getattr(self, "asked", []), noisy]
        return noisy


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() == "DEFAULT", reason="measured with AVX2 and AVX-512")
def test_latents_are_those_of_the_official_sampler():
    model = EDM.new(NetworkSettings(widths=(4,)), channels=3, size=32, classes=10)
    recorder = Recorder(model.network, model.settings)
    # Of a power of two, the latent comes back exactly.
    levels = {"steps": 2, "sigma_min": 1.0, "sigma_max": 64.0, "rho": 1.0}
    recorder.sample([0, 1, 2, 7, 50000], torch.zeros(5, dtype=torch.int64), sampler(kernel_batch=5, **levels))
    latents = recorder.asked[0] / 64
    assert [hashlib.sha256(latent.numpy().tobytes()).hexdigest()[:12] for latent in latents] == [
        "79276078d055",
        "48d3bdaa04da",
        "ef4409f08c97",
        "5f9ac568a82f",
        "d59c337e8b49",
    ]


class Convinced(EDM):
    """Believes that every image is the same one, whatever the noise."""

    image: torch.Tensor

    def denoise(self, noisy: torch.Tensor, sigma: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        return self.image.expand_as(noisy)


def test_pixels_become_the_bytes_they_came_from_and_are_clipped(base):
    model = Convinced(base.network, base.settings)
    for first in range(0, 256, 64):
        image = torch.arange(first, first + 64, dtype=torch.uint8).reshape(1, 1, 8, 8)
        model.image = base.clean(image)
        assert drawn(model, [(0, 0)], kernel_batch=1) == [image.numpy().tobytes()]
    model.image = torch.tensor([-1.7, 1.7]).repeat(32).reshape(1, 1, 8, 8)
    assert drawn(model, [(0, 0)], kernel_batch=1) == [bytes([0, 255] * 32)]


def test_sampling_counts_its_images_and_leaves_the_network_as_it_was(base):
    counts: list[int] = []
    base.network.train()
    base.sample(range(11), torch.zeros(11, dtype=torch.int64), sampler(), counts.append)
    assert counts == [4, 4, 3]
    assert base.network.training


def test_dropout_is_off_in_sampling():
    torch.manual_seed(0)
    model = EDM.new(NetworkSettings(widths=(8,), dropout=0.5), channels=1, size=4, classes=2)
    model.network.train()
    assert drawn(model, [(0, 0), (1, 1)]) == drawn(model, [(0, 0), (1, 1)])


def test_pixels_that_are_not_finite_are_refused_with_their_seeds(base):
    with torch.no_grad():
        base.network.class_embedding.weight[7] = torch.nan
    drawn(base, [(0, 0), (1, 1)])
    with pytest.raises(LetheError, match="seeds 5 to 7 are not finite"):
        drawn(base, [(0, 0), (1, 1), (5, 0), (7, 7)], kernel_batch=2)
