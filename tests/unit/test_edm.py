"""EDM's preconditioning against Karras et al. 2022, the model folders, and images as functions of seed and class."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import stats

from lethe.errors import LetheError
from lethe.methods import method_named
from lethe.models.edm import EDM
from lethe.models.folder import CONFIG, WEIGHTS
from lethe.settings.network import NetworkSettings

SIGMAS = [0.002, 0.05, 0.5, 3.0, 80.0]
SAMPLER = {"steps": 4, "sigma_min": 0.002, "sigma_max": 80.0, "rho": 7.0}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_at(sigma: float, count: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    noisy = torch.randn(count, 1, 8, 8, generator=generator()) * (sigma**2 + 0.36) ** 0.5
    return noisy, torch.full((count, 1, 1, 1), sigma), torch.arange(count)


def seen_by_the_network(model: EDM, noisy, sigma, conditions) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What the network is given (its input and its time), and what it gives, in one call of ``denoise``."""
    seen = []
    hook = model.network.register_forward_hook(lambda module, given, out: seen.append((*given[:2], out.sample)))
    with torch.no_grad():
        model.denoise(noisy, sigma, conditions)
    hook.remove()
    return seen[0]


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_preconditioning_is_that_of_table_1(base, sigma):
    noisy, level, conditions = batch_at(sigma)
    data = base.settings.sigma_data
    given, time, inside = seen_by_the_network(base, noisy, level, conditions)
    c_skip = data**2 / (sigma**2 + data**2)
    c_out = sigma * data / np.sqrt(data**2 + sigma**2)
    c_in = 1 / np.sqrt(sigma**2 + data**2)
    c_noise = np.log(sigma) / 4
    torch.testing.assert_close(given, c_in * noisy)
    # UNet2DModel's embedding is made for times of 0 .. 1000, so it is told 1000 c_noise.
    torch.testing.assert_close(time, torch.full((4,), 1000 * c_noise), rtol=1e-5, atol=1e-3)
    with torch.no_grad():
        torch.testing.assert_close(base.denoise(noisy, level, conditions), c_skip * noisy + c_out * inside)


def test_at_no_noise_the_denoiser_changes_nothing(base):
    noisy, _, conditions = batch_at(0.0)
    with torch.no_grad():
        changes = [
            (base.denoise(noisy, torch.full((4, 1, 1, 1), sigma), conditions) - noisy).abs().max().item()
            for sigma in (1e-2, 1e-3, 1e-4)
        ]
    assert changes[0] < 0.1
    assert changes[2] < 1e-3
    assert changes[0] > changes[1] > changes[2]


def test_the_weighted_error_is_the_plain_error_of_the_network(base, digits):
    """Eq. 8: lambda(sigma) c_out^2 = 1, so that F has the effective target (clean - c_skip noisy) / c_out."""
    clean = base.clean(torch.from_numpy(digits.images[:64]))
    conditions = torch.from_numpy(digits.conditions[:64])
    corrupted = base.corrupt(clean, generator())
    error = base.squared_error(base.predict(corrupted, conditions), corrupted).detach()
    *_, inside = seen_by_the_network(base, corrupted.noisy, corrupted.level, conditions)
    sigma, data = corrupted.level.double(), base.settings.sigma_data
    c_skip, c_out = data**2 / (sigma**2 + data**2), sigma * data / (sigma**2 + data**2).sqrt()
    effective_target = (corrupted.clean.double() - c_skip * corrupted.noisy.double()) / c_out
    torch.testing.assert_close(error.double(), (inside.double() - effective_target).square(), rtol=1e-3, atol=1e-4)


def test_noise_levels_and_noise_are_drawn_as_in_table_1():
    settings = NetworkSettings(widths=(8,), p_mean=-0.7, p_std=0.9, sigma_data=0.3)
    model = EDM.new(settings, channels=1, size=4, classes=2)
    clean = torch.rand(3000, 1, 4, 4, generator=generator(1)) * 2 - 1
    corrupted = model.corrupt(clean, generator())
    assert corrupted.level.shape == corrupted.weight.shape == (3000, 1, 1, 1)
    normal = (corrupted.level.log().flatten().numpy() + 0.7) / 0.9
    assert stats.kstest(normal, "norm").pvalue > 1e-3
    noise = ((corrupted.noisy - clean) / corrupted.level)[corrupted.level.flatten() > 0.1]
    assert stats.kstest(noise.flatten().numpy(), "norm").pvalue > 1e-3
    level = corrupted.level.double()
    torch.testing.assert_close(corrupted.weight.double(), (level**2 + 0.09) / (0.3 * level) ** 2, rtol=1e-5, atol=0)
    torch.testing.assert_close(corrupted.clean, clean)


def test_corruption_is_a_function_of_the_generator(base, digits):
    clean = base.clean(torch.from_numpy(digits.images[:8]))
    one, again, other = (base.corrupt(clean, generator(seed)) for seed in (5, 5, 6))
    assert torch.equal(one.noisy, again.noisy)
    assert torch.equal(one.level, again.level)
    assert not torch.isclose(one.noisy, other.noisy).any()


def test_bytes_become_the_pixels_of_minus_one_to_one(base):
    every_byte = torch.arange(256, dtype=torch.uint8).reshape(4, 1, 8, 8)
    pixels = base.clean(every_byte)
    assert pixels.dtype == torch.float32
    assert (pixels.min(), pixels.max()) == (-1, 1)
    # The sampler's way back, (127.5 x + 128) truncated, undoes it.
    assert torch.equal((pixels.double() * 127.5 + 128).to(torch.uint8), every_byte)


@pytest.mark.parametrize("truncation", [None, 0.1, 1e-6])
def test_errors_are_truncated_before_they_are_weighted(base, digits, truncation):
    corrupted = base.corrupt(base.clean(torch.from_numpy(digits.images[:16])), generator())
    prediction = torch.randn(corrupted.clean.shape, generator=generator(1))
    found = base.squared_error(prediction, corrupted, truncation=truncation)
    error = (prediction.double().numpy() - corrupted.clean.double().numpy()) ** 2
    limit = np.inf if truncation is None else truncation
    np.testing.assert_allclose(found, corrupted.weight.double().numpy() * np.minimum(error, limit), rtol=1e-5)
    other = torch.zeros_like(prediction)
    np.testing.assert_allclose(
        base.squared_error(prediction, corrupted, target=other, truncation=truncation),
        corrupted.weight.double().numpy() * np.minimum(prediction.double().numpy() ** 2, limit),
        rtol=1e-5,
    )


def test_the_next_condition_is_the_following_class(base):
    assert base.next_condition(torch.tensor([0, 4, 9])).tolist() == [1, 5, 0]


def test_a_random_condition_is_any_other_class(base):
    own = torch.arange(10).repeat(900)
    other = base.random_condition(own, generator())
    assert not (other == own).any()
    table = np.zeros((10, 10))
    np.add.at(table, (own.numpy(), other.numpy()), 1)
    assert stats.chisquare(table[~np.eye(10, dtype=bool)]).pvalue > 1e-3
    assert torch.equal(other, base.random_condition(own, generator()))


def test_groups_name_what_the_class_goes_through(base):
    names = [name for name, _ in base.network.named_parameters()]
    groups = {group: [name for name in names if chosen(name)] for group, chosen in base.groups().items()}
    assert groups["all"] == names
    # Brute force: the modules whose output depends on the class, of those that see the embedding or make it.
    embedding = base.network.class_embedding
    noisy, level, _ = batch_at(0.5)

    def outputs(condition: int) -> dict[str, torch.Tensor]:
        seen = {}
        hooks = [
            module.register_forward_hook(lambda module, given, out, name=name: seen.update({name: out}))
            for name, module in base.network.named_modules()
            if module is embedding or name.endswith("time_emb_proj")
        ]
        with torch.no_grad():
            base.denoise(noisy, level, torch.full((4,), condition))
        for hook in hooks:
            hook.remove()
        return seen

    one, other = outputs(0), outputs(1)
    dependent = {name for name in one if not torch.equal(one[name], other[name])}
    assert {name.rpartition(".")[0] for name in groups["condition"]} == dependent
    assert 0 < len(groups["condition"]) < len(names)


@pytest.mark.parametrize("widths", [(8,), (12, 24), (6, 9), (3, 5)])
def test_any_widths_make_a_network(widths):
    model = EDM.new(NetworkSettings(widths=widths), channels=2, size=8, classes=3)
    noisy = torch.zeros(1, 2, 8, 8)
    with torch.no_grad():
        assert model.denoise(noisy, torch.ones(1, 1, 1, 1), torch.tensor([2])).shape == noisy.shape


def test_more_levels_than_the_image_has_halves_are_refused():
    with pytest.raises(LetheError, match=r"network\.widths.*\n.*fewer widths"):
        EDM.new(NetworkSettings(widths=(4, 4, 4)), channels=1, size=6, classes=2)


# --------------------------------------------------------------------------------------------------------- folders


def test_a_folder_gives_the_model_back(base, tmp_path, weights_of):
    base.save(tmp_path / "model", {"stage": "test", "made": {"from": [1, None]}})
    again = EDM.load(tmp_path / "model")
    assert again.settings == base.settings
    assert again.condition_count == 10
    for name, weight in weights_of(base).items():
        assert torch.equal(again.network.state_dict()[name], weight)
    noisy, level, conditions = batch_at(0.5)
    with torch.no_grad():
        assert torch.equal(again.denoise(noisy, level, conditions), base.denoise(noisy, level, conditions))


def test_a_folder_says_what_it_is_in_the_same_bytes_wherever_it_came_from(base, base_folder, tmp_path):
    copy = shutil.copytree(base_folder, tmp_path / "elsewhere")
    base.save(tmp_path / "first", {"stage": "test"})
    for number in range(8):  # whether the metadata have an order shows at the second or third try
        EDM.load(copy).save(tmp_path / str(number), {"stage": "test"})
        for name in (CONFIG, WEIGHTS):
            content = (tmp_path / str(number) / name).read_bytes()
            assert content == (tmp_path / "first" / name).read_bytes()
            assert str(tmp_path).encode() not in content


def test_other_weights_are_saved_in_their_place(base, tmp_path, weights_of):
    halves = {name: weight / 2 for name, weight in weights_of(base).items()}
    base.save(tmp_path / "model", {}, halves)
    for name, weight in EDM.load(tmp_path / "model").network.state_dict().items():
        assert torch.equal(weight, halves[name])


def test_a_weight_that_is_not_finite_leaves_the_folder_as_it_was(base, base_folder, tmp_path):
    folder = shutil.copytree(base_folder, tmp_path / "model")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with torch.no_grad():
        base.network.conv_out.bias[0] = torch.nan
    with pytest.raises(LetheError, match=r"conv_out\.bias"):
        base.save(folder, {})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    with pytest.raises(LetheError, match=r"conv_out\.bias"):
        base.save(tmp_path / "new", {})
    assert not (tmp_path / "new").exists()


def weights_changed(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        tensors = load_file(folder / WEIGHTS)
        change(tensors)
        save_file(tensors, folder / WEIGHTS, metadata=METADATA)

    return damage


METADATA = {"format": "pt", "lethe": json.dumps({"preconditioning": {}})}
DAMAGES: dict[str, Callable[[Path], object]] = {
    "no folder": shutil.rmtree,
    "no config": lambda folder: (folder / CONFIG).unlink(),
    "no weights": lambda folder: (folder / WEIGHTS).unlink(),
    "broken config": lambda folder: (folder / CONFIG).write_text("{"),
    "cut weights": lambda folder: (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-1]),
    "a missing weight": weights_changed(lambda tensors: tensors.pop("conv_in.weight")),
    "a weight too many": weights_changed(lambda tensors: tensors.update(other=torch.zeros(1))),
    "a weight of another shape": weights_changed(lambda tensors: tensors.update({"conv_in.bias": torch.zeros(9)})),
    "not of Lethe": lambda folder: save_file(load_file(folder / WEIGHTS), folder / WEIGHTS, {"format": "pt"}),
    "no preconditioning": lambda folder: save_file(
        load_file(folder / WEIGHTS), folder / WEIGHTS, METADATA | {"lethe": "{}"}
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_folder_that_is_not_whole_is_refused_by_name(base_folder, tmp_path, damage):
    folder = shutil.copytree(base_folder, tmp_path / "this one")
    damage(folder)
    with pytest.raises(LetheError, match="this one"):
        EDM.load(folder)


def test_diffusers_loads_the_folder_without_lethe(base, base_folder, tmp_path):
    noisy, level, conditions = batch_at(0.7)
    given, time, inside = seen_by_the_network(base, noisy, level, conditions)
    save_file({"given": given, "time": time, "conditions": conditions}, tmp_path / "given")
    program = """
import sys
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file
folder, given, output = sys.argv[1:]
seen = load_file(given)
network = UNet2DModel.from_pretrained(folder).eval()
inside = network(seen["given"], seen["time"], class_labels=seen["conditions"]).sample
save_file({"inside": inside.detach()}, output)
sys.exit(any(name.split(".")[0] == "lethe" for name in sys.modules))
"""
    words = [sys.executable, "-c", program, base_folder, tmp_path / "given", tmp_path / "output"]
    subprocess.run(words, check=True, capture_output=True, timeout=120)
    assert torch.equal(load_file(tmp_path / "output")["inside"], inside)


# -------------------------------------------------------------------------------------------------------- sampling

PLAN = [(seed, seed % 10) for seed in (3, 17, 2, 40, 9, 111, 0, 5, 28, 64, 51)]


def drawn(model: EDM, plan: list[tuple[int, int]], kernel_batch: int = 4, **sampler: float) -> list[bytes]:
    seeds, conditions = zip(*plan, strict=True)
    images = model.sample(seeds, conditions, kernel_batch=kernel_batch, **(SAMPLER | sampler))
    assert images.dtype == torch.uint8
    return [image.numpy().tobytes() for image in images]


def test_an_image_is_a_function_of_its_seed_and_class_alone(base):
    whole = dict(zip(PLAN, drawn(base, PLAN), strict=True))
    assert len(set(whole.values())) == len(PLAN)
    shuffled = [PLAN[index] for index in np.random.default_rng(0).permutation(len(PLAN))]
    assert drawn(base, shuffled) == [whole[row] for row in shuffled]
    for shard in (PLAN[:1], PLAN[3:8], PLAN[8:]):
        assert drawn(base, shard) == [whole[row] for row in shard]


@pytest.mark.parametrize("kernel_batch", [1, 3, 16])
def test_another_kernel_batch_moves_no_pixel_by_more_than_one_level(base, kernel_batch):
    ours, other = (
        np.stack([np.frombuffer(image, np.uint8) for image in drawn(base, PLAN, size, steps=18)]).astype(int)
        for size in (4, kernel_batch)
    )
    assert np.abs(ours - other).max() <= 1


def test_the_class_and_the_seed_change_the_image(base):
    images = drawn(base, [(1, 0), (1, 1), (2, 0), (2**32 + 1, 0)])
    assert len(set(images[:3])) == 3
    # Seeds are taken modulo 2^32, as the official sampler takes them.
    assert images[3] == images[0]


def test_images_of_a_trained_model_look_like_their_class(base, digits):
    """The nearest class mean tells the drawn class far more often than one time in ten."""
    conditions = [label for label in range(10) for _ in range(4)]
    images = base.sample(range(40), conditions, kernel_batch=40, **(SAMPLER | {"steps": 12})).flatten(1).numpy()
    means = np.stack([digits.images[digits.conditions == label].mean(0).ravel() for label in range(10)])
    nearest = ((images[:, None].astype(float) - means) ** 2).sum(2).argmin(1)
    assert (nearest == conditions).mean() > 0.5


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
    recorder.sample([0, 1, 2, 7, 50000], [0] * 5, kernel_batch=5, **levels)
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
        assert torch.equal(model.sample([0], [0], kernel_batch=1, **SAMPLER), image)
    model.image = torch.tensor([-1.7, 1.7]).repeat(32).reshape(1, 1, 8, 8)
    assert model.sample([0], [0], kernel_batch=1, **SAMPLER).flatten().tolist() == [0, 255] * 32


def test_sampling_counts_its_images_and_leaves_the_network_as_it_was(base):
    counts: list[int] = []
    base.network.train()
    base.sample(range(11), [0] * 11, kernel_batch=4, progress=counts.append, **SAMPLER)
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


# --------------------------------------------------------------------------------------------------------- control


def test_the_destroyed_control_keeps_no_weight_of_the_base(base, base_folder, weights_of):
    before = weights_of(base)
    draw_new_weights = method_named("destroyed").prepare
    draw_new_weights(base, 0)
    after = weights_of(base)
    for name, weight in after.items():
        trivial = weight.numel() == 0 or weight.unique().numel() == 1  # a norm starts at ones and zeros
        assert trivial or not (weight == before[name]).any(), name
    assert sum(weight.unique().numel() > 1 for weight in after.values()) > 20

    # It is a function of the seed, not of the base.
    fresh = EDM.load(base_folder)
    with torch.no_grad():
        for weight in fresh.network.parameters():
            weight.zero_()
    draw_new_weights(fresh, 0)
    assert all(torch.equal(weight, after[name]) for name, weight in weights_of(fresh).items())
    draw_new_weights(fresh, 1)
    assert not torch.equal(fresh.network.conv_in.weight, after["conv_in.weight"])
