"""ESD's latents: sampled from noise down to a random level, at which the network is then asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from pydantic import ValidationError
from torch import Tensor

from lethe.methods._esd import ESDSettings
from lethe.models.denoiser import Corrupted
from lethe.models.prompts import embed_prompts
from lethe.models.stable_diffusion import StableDiffusion

pytest_plugins = ["text_models"]

STEPS = 50
SEEDS = 400  # enough to stop at each of the fifty levels


class OnlyNoise(torch.nn.Module):
    """The perfect network of data that is all zero: noisy latents at level t are sqrt(1 - kept[t]) times noise.

    DDIM with it keeps the noise and changes its share, so that the latents themselves say at which level they are.
    """

    def __init__(self, kept: Tensor) -> None:
        super().__init__()
        self.kept = kept
        self.first: Tensor | None = None
        self.asked: list[int] = []

    def forward(self, noisy: Tensor, level: Tensor, encoder_hidden_states: Tensor) -> SimpleNamespace:
        assert len(encoder_hidden_states) == len(noisy)
        self.first = noisy if self.first is None else self.first
        self.asked.append(int(level))
        return SimpleNamespace(sample=noisy / (1 - self.kept[level]).sqrt())


@dataclass(frozen=True)
class Drawn:
    """A partial sampling with :class:`OnlyNoise`: levels of its guided steps, where its latents are, and where the
    network is to be asked."""

    guided: list[int]
    level: int | None
    asked: int


def partly(model: StableDiffusion, seed: int, conditions: Tensor, empty: Tensor, **more) -> Corrupted:
    generator = torch.Generator().manual_seed(seed)
    options = {"guidance": 3.0, "steps": STEPS, "as_released": False} | more
    return model.partly_sampled(conditions, empty, generator=generator, **options)


def drawn(model: StableDiffusion, seed: int, as_released: bool) -> Drawn:
    model.network = network = OnlyNoise(model.kept)
    conditions = torch.zeros((1, *model.condition_shape))
    found = partly(model, seed, conditions, conditions, as_released=as_released)
    (asked,) = found.level.tolist()
    if network.first is None:  # the noise itself
        return Drawn([], None, asked)
    shares = (1 - model.kept).sqrt()
    noise = network.first[:1] / shares[network.asked[0]]
    share = float(found.noisy.norm() / noise.norm())
    level = int((shares - share).abs().argmin())
    assert share == pytest.approx(float(shares[level]), rel=1e-4)
    torch.testing.assert_close(found.noisy, share * noise, rtol=1e-3, atol=1e-4)
    return Drawn(network.asked, level, asked)


@pytest.fixture(scope="module")
def ours(text_folder) -> list[Drawn]:
    model = StableDiffusion.load(text_folder)
    return [drawn(model, seed, as_released=False) for seed in range(SEEDS)]


@pytest.fixture(scope="module")
def released(text_folder) -> list[Drawn]:
    model = StableDiffusion.load(text_folder)
    return [drawn(model, seed, as_released=True) for seed in range(SEEDS)]


# -------------------------------------------------------------------------------------------------------- levels


def test_the_network_is_asked_at_the_level_of_the_latents(ours):
    for one in ours:
        assert one.level in (one.asked, None)
        assert one.asked % 20 == 1
        # All steps of DDIM from the noisiest down to there, and no more.
        assert one.guided == list(range(981, one.asked, -20))
        assert (one.level is None) == (one.asked == 981)


def test_every_level_is_as_likely(ours):
    counts = Counter(one.asked for one in ours)
    assert sorted(counts) == list(range(1, 1000, 20))
    assert sum((count - 8) ** 2 / 8 for count in counts.values()) < 90  # chi square with 49: 1 in 3,000


@pytest.mark.parametrize(
    ("till", "steps", "level"), [(0, 49, 0), (1, 49, 0), (2, 48, 1), (10, 40, 161), (49, 1, 941)], ids=str
)
def test_as_released_the_latents_are_cleaner_than_what_the_network_is_told(released, till, steps, level):
    """The released sampler's loop, worked out for five of its stops: its first step is missing, it stops two late."""
    chosen = [one for one in released if one.asked // 20 == till]
    assert chosen
    for one in chosen:
        assert len(one.guided) == steps
        assert one.guided == list(range(961, 961 - 20 * steps, -20))
        assert one.level == level


def test_as_released_the_network_is_asked_up_to_58_levels_higher(released):
    asked = {one.asked for one in released}
    assert all(0 <= level < 1000 for level in asked)
    assert {level // 20 for level in asked} == set(range(50))
    assert {level % 20 for level in asked} == set(range(20))
    ahead = {one.asked - one.level for one in released if one.asked >= 40}
    assert ahead <= set(range(39, 59))
    assert {39, 58} <= ahead
    for one in released:
        if one.asked < 40:
            assert one.level == 0


def test_as_released_each_row_is_asked_at_a_level_of_its_own_range(text_model):
    conditions = torch.zeros((64, *text_model.condition_shape))
    text_model.network = OnlyNoise(text_model.kept)
    asked = partly(text_model, 1, conditions, conditions[:1], as_released=True).level
    assert len(asked.unique()) > 10
    assert len((asked // 20).unique()) == 1


@pytest.mark.parametrize("steps", [2, 10, 33, 500])
def test_other_numbers_of_steps_stay_within_the_schedule(text_model, steps):
    conditions = torch.zeros((2, *text_model.condition_shape))
    stride = 1000 // steps
    for seed in range(20):
        text_model.network = OnlyNoise(text_model.kept)
        found = partly(text_model, seed, conditions, conditions[:1], steps=steps)
        assert found.level.tolist() == [found.level[0]] * 2
        assert found.level[0] % stride == 1
        assert text_model.network.asked == list(range((steps - 1) * stride + 1, int(found.level[0]), -stride))


@pytest.mark.parametrize("steps", [1, 501, 1000, 2000])
def test_more_steps_than_the_schedule_has_are_refused(steps):
    with pytest.raises(ValidationError):
        ESDSettings(start_steps=steps)


# ------------------------------------------------------------------------------------------------------- latents


@pytest.fixture(scope="module")
def prompts(text_folder) -> tuple[Tensor, Tensor]:
    """Two prompts and the empty one."""
    table = embed_prompts(text_folder, ["", "striped", "A red circle"], torch.device("cpu"))
    return torch.from_numpy(table[1:]), torch.from_numpy(table[:1])


@pytest.mark.parametrize("steps", [10, 50])
@pytest.mark.parametrize("seed", [0, 1, 4])
def test_latents_are_those_of_diffusers_ddim(text_folder, text_model, prompts, steps, seed):
    """Guided, without noise on the way, with Stable Diffusion's schedule, until the level where ours stop."""
    noises: list[Tensor] = []
    hook = text_model.network.register_forward_hook(lambda network, inputs, output: noises.append(inputs[0]))
    found = partly(text_model, seed, *prompts, steps=steps)
    hook.remove()
    assert len(noises) > 1
    conditions, empty = prompts
    scheduler = DDIMScheduler.from_pretrained(str(text_folder / "scheduler"), clip_sample=False, local_files_only=True)
    assert not scheduler.config.set_alpha_to_one
    scheduler.set_timesteps(steps)
    assert scheduler.timesteps[0] == 1000 - 1000 // steps + 1
    latents = noises[0][:2]
    assert latents.std() == pytest.approx(1, abs=0.15)
    network = UNet2DConditionModel.from_pretrained(str(text_folder / "unet"), local_files_only=True).eval()
    with torch.no_grad():
        for level in scheduler.timesteps:
            if level == found.level[0]:
                break
            nothing = network(latents, level, empty.expand_as(conditions)).sample
            something = network(latents, level, conditions).sample
            latents = scheduler.step(nothing + 3 * (something - nothing), level, latents).prev_sample
        else:
            raise AssertionError(f"DDIM never is at {found.level[0]}")
    torch.testing.assert_close(found.noisy, latents, rtol=1e-3, atol=1e-3)


def test_the_current_network_samples_without_a_gradient(text_model, prompts):
    before = partly(text_model, 0, *prompts).noisy
    assert not before.requires_grad
    assert torch.equal(partly(text_model, 0, *prompts).noisy, before)
    with torch.no_grad():
        text_model.network.conv_out.weight.mul_(1.1)
    assert not torch.allclose(partly(text_model, 0, *prompts).noisy, before, atol=1e-3)


def test_guidance_and_prompt_matter_and_seeds_draw_noise_of_their_own(text_model, prompts):
    conditions, empty = prompts
    one = partly(text_model, 0, conditions, empty).noisy
    assert one.shape == (2, *text_model.latent_shape)
    assert not torch.equal(one[0], one[1])
    for changed in (
        partly(text_model, 0, conditions, empty, guidance=1.0),
        partly(text_model, 0, conditions.flip(0), empty),
        partly(text_model, 0, conditions, conditions[:1]),
    ):
        assert not torch.allclose(changed.noisy, one, atol=1e-4)
    assert not torch.allclose(partly(text_model, 3, conditions, empty).noisy, one, atol=0.1)
