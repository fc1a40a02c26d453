"""The base of a text study: a StableDiffusionPipeline folder, trained step by step, the same after a kill."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler
from safetensors import safe_open
from safetensors.torch import load_file
from stages import run
from transformers import CLIPTextModel

import lethe.base.stable_diffusion
from lethe.base.stable_diffusion import new_networks, train_networks
from lethe.base.text import Captioned, new_autoencoder
from lethe.data import read_captioned
from lethe.errors import LetheError
from lethe.files import read_arrays, read_provenance, write_arrays
from lethe.model_files import model_files
from lethe.models.tokenizer import write_tokenizer
from lethe.settings.stable_diffusion import StableDiffusionSettings, UNetSettings
from lethe.settings.text_base import TextEncoderSettings, VAESettings
from lethe.training import ResumableState

pytest_plugins = ["text_models"]

WEIGHTS = ("unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors")
ENCODER = "text_encoder/model.safetensors"
# Seconds, and both trainings long enough to be killed in.
SHORT = (
    "--vae-widths 8 --vae-steps 60 --vae-batch 4 --text-encoder-width 8 --text-encoder-layers 1 --text-encoder-heads 1 "
    "--unet-widths 8 --unet-attention [true] --unet-heads 1 --steps 60 --batch 4 --ema 0.9 --device cpu"
)


# -------------------------------------------------------------------------------------------------------- folder


def test_the_folder_has_all_parts_of_a_pipeline(text_folder):
    found = sorted(str(path.relative_to(text_folder)) for path in text_folder.rglob("*") if path.is_file())
    assert found == sorted(model_files("stable_diffusion"))
    index = json.loads((text_folder / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
    assert index["safety_checker"] == [None, None]


def test_every_part_says_where_it_comes_from(text_folder):
    for name in (*WEIGHTS, ENCODER):
        record = read_provenance(text_folder / name)
        assert (record["stage"], record["source"]) == ("base", "shapes")
        assert StableDiffusionSettings.model_validate(record["settings"]).vae.steps == 80


def test_the_text_encoder_has_the_names_of_published_ones(text_folder):
    """And transformers finds every one of them, in a network of exactly this shape."""
    names = load_file(text_folder / ENCODER)
    assert all(name.startswith("text_model.") for name in names)
    assert "text_model.encoder.layers.0.self_attn.q_proj.weight" in names
    encoder, found = CLIPTextModel.from_pretrained(
        str(text_folder / "text_encoder"), local_files_only=True, output_loading_info=True
    )
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert not found["mismatched_keys"]
    own = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in encoder.state_dict().items()}
    assert own.keys() == names.keys()
    assert all(torch.equal(own[name], tensor) for name, tensor in names.items())
    assert encoder.config.vocab_size == len(json.loads((text_folder / "tokenizer" / "vocab.json").read_text()))
    assert encoder.config.max_position_embeddings == 24


def test_the_schedule_is_stable_diffusions(text_folder):
    schedule = PNDMScheduler.from_pretrained(str(text_folder / "scheduler"), local_files_only=True)
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    np.testing.assert_allclose(schedule.alphas_cumprod.numpy(), np.cumprod(1 - betas), rtol=1e-4)
    for name, value in (("steps_offset", 1), ("set_alpha_to_one", False), ("skip_prk_steps", True)):
        assert schedule.config[name] == value


def test_the_autoencoder_has_learned_to_give_pictures_back(text_folder, text_data):
    autoencoder = AutoencoderKL.from_pretrained(str(text_folder / "vae"), local_files_only=True).eval()
    pixels = torch.from_numpy(read_captioned(text_data / "test").images).float() / 127.5 - 1
    with torch.no_grad():
        decoded = autoencoder.decode(autoencoder.encode(pixels).latent_dist.mean).sample
    blank = pixels.mean((0, 2, 3), keepdim=True)
    assert (decoded - pixels).square().mean() < 0.75 * (blank - pixels).square().mean()
    assert autoencoder.config.scaling_factor != 0.18215


def test_the_scaling_factor_gives_latents_of_unit_variance(text_folder, text_data):
    autoencoder = AutoencoderKL.from_pretrained(str(text_folder / "vae"), local_files_only=True).eval()
    pixels = torch.from_numpy(read_captioned(text_data / "train").images).float() / 127.5 - 1
    with torch.no_grad():
        latents = autoencoder.encode(pixels).latent_dist.sample(torch.Generator().manual_seed(0))
    assert (autoencoder.config.scaling_factor * latents).std() == pytest.approx(1, abs=0.01)


def test_pictures_that_cannot_be_halved_so_often_are_refused():
    assert new_autoencoder(VAESettings(widths=(8, 8, 8)), 12).config.sample_size == 12
    with pytest.raises(LetheError, match="names 4 resolutions, but 12 pixels"):
        new_autoencoder(VAESettings(widths=(8, 8, 8, 8)), 12)


# ------------------------------------------------------------------------------------------------------ training


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_share_of_the_captions_is_the_empty_one(tmp_path, share):
    """Guidance needs a network that knows what nothing looks like."""
    tokenizer = write_tokenizer(tmp_path / "tokenizer", ["a bar"], 4)
    settings = StableDiffusionSettings(
        text_encoder=TextEncoderSettings(width=8, layers=1, heads=1, length=4),
        unet=UNetSettings(widths=(8,), attention=(True,), heads=1),
        steps=40,
        batch=8,
        empty_share=share,
    )
    networks = new_networks(settings.unet, settings.text_encoder, tokenizer, 4, 4)
    seen: list[torch.Tensor] = []
    networks["text_encoder"].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    ids, empty = torch.full((16, 4), 5), torch.full((1, 4), 7)
    data = Captioned(torch.randn(16, 4, 4, 4), torch.ones(16, 4, 4, 4), ids, empty)
    train_networks(networks, data, 1.0, settings, ResumableState(None, ""))
    rows = torch.cat(seen)
    assert set(rows.unique().tolist()) <= {5, 7}
    assert (rows == rows[:, :1]).all()
    assert (rows[:, 0] == 7).float().mean() == pytest.approx(share, abs=0.1)
    assert (share > 0) == bool((rows == 7).any())


def test_what_is_saved_is_the_average_of_the_weights(tmp_path):
    """With decay 0 the average is the last weights; with a slow one it is behind them."""
    tokenizer = write_tokenizer(tmp_path / "tokenizer", ["a bar"], 4)

    def trained(ema: float) -> dict[str, torch.Tensor]:
        settings = StableDiffusionSettings(
            text_encoder=TextEncoderSettings(width=8, layers=1, heads=1, length=4),
            unet=UNetSettings(widths=(8,), attention=(True,), heads=1),
            steps=5,
            batch=8,
            ema=ema,
            learning_rate=1e-2,
        )
        torch.manual_seed(0)
        networks = new_networks(settings.unet, settings.text_encoder, tokenizer, 4, 4)
        ids = torch.full((16, 4), 5)
        data = Captioned(torch.zeros(16, 4, 4, 4), torch.ones(16, 4, 4, 4), ids, ids[:1])
        train_networks(networks, data, 1.0, settings, ResumableState(None, ""))
        return {name: weight.detach().clone() for name, weight in networks.named_parameters()}

    last, averaged = trained(0.0), trained(0.9)
    assert last.keys() == averaged.keys()
    assert any(not torch.equal(last[name], averaged[name]) for name in last if name.startswith("unet."))
    assert any(not torch.equal(last[name], averaged[name]) for name in last if name.startswith("text_encoder."))


# ------------------------------------------------------------------------------------------------- kill, resume


def words(data: Path, folder: Path, state: Path) -> str:
    return f"--data {data} --model {folder} --state {state} {SHORT}"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def steps_done(state: Path) -> int:
    if not state.exists():
        return 0
    with safe_open(str(state), framework="pt") as stream:
        return int(stream.metadata()["step"])


@pytest.fixture(scope="module")
def few(text_data, tmp_path_factory) -> Path:
    """The first 40 pictures."""
    arrays, record = read_arrays(text_data / "train")
    path = tmp_path_factory.mktemp("few") / "train"
    write_arrays(path, {name: array[:40] for name, array in arrays.items()}, record)
    return path


@pytest.fixture(scope="module")
def whole(few, tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    run(lethe.base.stable_diffusion, words(few, folder / "model", folder / "state"))
    assert [path.name for path in folder.iterdir()] == ["model"]
    return contents(folder / "model")


@pytest.mark.parametrize("training", ["autoencoder", "networks"])
def test_a_base_that_was_killed_ends_as_if_it_had_not_been(few, whole, tmp_path, training):
    """In either of its two trainings; what the first has learned is kept while the second goes on."""
    state = tmp_path / "state"
    watched = state.with_suffix(".vae") if training == "autoencoder" else state
    command = [sys.executable, "-m", "lethe.base", "stable_diffusion", *words(few, tmp_path / "model", state).split()]
    with subprocess.Popen([*command, "--state-seconds", "0"], stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and steps_done(watched) < 5:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, process.stderr.read()
    assert 5 <= steps_done(watched) <= 60
    assert not (tmp_path / "model" / "model_index.json").exists()
    if training == "networks":
        assert steps_done(state.with_suffix(".vae")) == 60
        assert steps_done(state) < 60
    for path in tmp_path.glob("state*"):
        shutil.copyfile(path, tmp_path / f"other{path.suffix}")

    run(lethe.base.stable_diffusion, words(few, tmp_path / "model", state))
    assert contents(tmp_path / "model") == whole
    assert not list(tmp_path.glob("state*"))
    assert not list(tmp_path.glob(".*"))

    # Under another seed the same states are not gone on from.
    if training == "networks":
        run(lethe.base.stable_diffusion, f"{words(few, tmp_path / 'other_model', tmp_path / 'other')} --seed 1")
        run(lethe.base.stable_diffusion, f"{words(few, tmp_path / 'fresh', tmp_path / 'none')} --seed 1")
        assert contents(tmp_path / "other_model") == contents(tmp_path / "fresh") != whole


def test_a_training_that_diverges_names_its_setting(few, tmp_path):
    with pytest.raises(
        LetheError, match=r"autoencoder: the loss of step \d+ is not finite\n.*base\.vae\.learning_rate"
    ):
        run(
            lethe.base.stable_diffusion,
            f"{words(few, tmp_path / 'model', tmp_path / 'state')} --vae-learning-rate 1e12",
        )
    assert not (tmp_path / "model" / "model_index.json").exists()


def test_a_caption_that_is_too_long_is_refused_before_it_is_trained_on(few, tmp_path):
    options = "--text-encoder-length 5 --state-seconds 0"
    with pytest.raises(LetheError, match=r"tokens, more than 5"):
        run(lethe.base.stable_diffusion, f"{words(few, tmp_path / 'model', tmp_path / 'state')} {options}")
    assert not list(tmp_path.glob("state*"))
