"""The base of Stable Diffusion 3's kind: what it is taught, and that a kill changes nothing."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from diffusers import SD3Transformer2DModel
from scipy import stats
from stages import run

import lethe.base.stable_diffusion3
from lethe.base.stable_diffusion3 import new_networks, train_networks
from lethe.base.text import Captioned
from lethe.errors import LetheError
from lethe.files import read_arrays, write_arrays
from lethe.models.tokenizer import write_tokenizer
from lethe.settings.stable_diffusion3 import StableDiffusion3Settings, TransformerSettings
from lethe.settings.text_base import TextEncoderSettings
from lethe.training import ResumableState

pytest_plugins = ["text_models"]

SHORT = (
    "--pipeline stable_diffusion_3 --vae-widths 8 --vae-steps 12 --vae-batch 4 --text-encoder-width 8 "
    "--text-encoder-layers 1 --text-encoder-heads 1 --text-encoder-2-width 8 --text-encoder-2-layers 1 "
    "--text-encoder-2-heads 1 --transformer-layers 1 --transformer-heads 1 --transformer-head-width 8 --steps 12 "
    "--batch 4 --ema 0.9 --device cpu --state-seconds 0"
)


def settings(**changed: object) -> StableDiffusion3Settings:
    text = TextEncoderSettings(width=8, layers=1, heads=1, length=4)
    shape = TransformerSettings(layers=1, heads=1, head_width=8)
    given = {"steps": 40, "batch": 8, "text_encoder": text, "text_encoder_2": text, "transformer": shape, **changed}
    return StableDiffusion3Settings(pipeline="stable_diffusion_3", **given)


@pytest.fixture
def tokenizer(tmp_path):
    return write_tokenizer(tmp_path / "tokenizer", ["a bar"], 4)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_share_of_the_captions_is_the_empty_one_to_both_encoders(tokenizer, share):
    chosen = settings(empty_share=share)
    networks = new_networks(chosen, tokenizer, 4, 4)
    seen: dict[str, list[torch.Tensor]] = {"text_encoder": [], "text_encoder_2": []}
    for name, rows in seen.items():
        networks[name].register_forward_pre_hook(lambda module, inputs, rows=rows: rows.append(inputs[0]))
    data = Captioned(torch.randn(16, 4, 4, 4), torch.ones(16, 4, 4, 4), torch.full((16, 4), 5), torch.full((1, 4), 7))
    train_networks(networks, data, 1.0, 0.0, chosen, ResumableState(None, ""))
    first, second = (torch.cat(rows) for rows in seen.values())
    assert torch.equal(first, second)
    assert (first[:, 0] == 7).float().mean() == pytest.approx(share, abs=0.1)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_it_is_taught_the_velocity_at_logit_normal_levels(tokenizer, shift):
    """Latents all alike, of a known value: what the network sees is on the way from there to noise."""
    chosen = settings(shift=shift, batch=64, steps=30)
    networks = new_networks(chosen, tokenizer, 4, 4)
    levels: list[torch.Tensor] = []
    noisy: list[torch.Tensor] = []

    def note(module, inputs, given):
        levels.append(given["timestep"])
        noisy.append(given["hidden_states"])

    networks["transformer"].register_forward_pre_hook(note, with_kwargs=True)
    ids = torch.full((64, 4), 5)
    data = Captioned(torch.full((64, 4, 4, 4), 3.0), torch.zeros(64, 4, 4, 4), ids, ids[:1])
    train_networks(networks, data, 2.0, 2.5, chosen, ResumableState(None, ""))
    share = torch.cat(levels).double() / 1000
    odds = share / (1 - share) / shift
    drawn = odds[share < 1].log()
    assert stats.kstest(drawn.numpy(), "norm").statistic < 0.02  # not random, but spread evenly
    mixed = torch.cat(noisy).double()
    noise = (mixed - (1 - share)[:, None, None, None] * 2 * (3.0 - 2.5)) / share[:, None, None, None]
    assert noise[share > 0.2].mean() == pytest.approx(0, abs=0.02)
    assert noise[share > 0.2].std() == pytest.approx(1, abs=0.02)


def test_latents_that_are_no_multiple_of_a_patch_are_refused(tokenizer):
    with pytest.raises(LetheError, match=r"transformer\.patch: 5 latents are no multiple of 2"):
        new_networks(settings(), tokenizer, 4, 5)


@pytest.fixture(scope="module")
def few(text_data, tmp_path_factory) -> Path:
    """The first 40 pictures."""
    arrays, record = read_arrays(text_data / "train")
    path = tmp_path_factory.mktemp("few") / "train"
    write_arrays(path, {name: array[:40] for name, array in arrays.items()}, record)
    return path


def test_a_base_that_died_ends_as_if_it_had_not(few, tmp_path, monkeypatch):
    def made(name: str) -> dict[str, bytes]:
        folder = tmp_path / name
        run(lethe.base.stable_diffusion3, f"--data {few} --model {folder} --state {tmp_path / 'state'} {SHORT}")
        assert not list(tmp_path.glob("state*"))
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    whole = made("whole")
    steps, forward = itertools.count(), SD3Transformer2DModel.forward

    def dying(self, *inputs, **given):
        if next(steps) == 5:
            raise KeyboardInterrupt
        return forward(self, *inputs, **given)

    with monkeypatch.context() as patched:
        patched.setattr(SD3Transformer2DModel, "forward", dying)
        with pytest.raises(KeyboardInterrupt):
            made("resumed")
    assert sorted(path.name for path in tmp_path.glob("state*")) == ["state", "state.vae"]
    again = itertools.count()
    with monkeypatch.context() as patched:
        patched.setattr(
            SD3Transformer2DModel, "forward", lambda self, *i, **g: (next(again), forward(self, *i, **g))[1]
        )
        assert made("resumed") == whole
    assert next(again) == 12 - 5
