"""The text model is diffusers' Stable Diffusion: its sampling, noise, autoencoder, names and folders."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import load_file, save_file

from lethe.data import read_captioned
from lethe.errors import LetheError
from lethe.files import read_provenance
from lethe.model_files import model_files
from lethe.models.denoiser import Corrupted
from lethe.models.prompts import embed_prompts
from lethe.models.stable_diffusion import StableDiffusion
from lethe.settings.text_sampling import TextSamplingSettings
from lethe.unlearn.loop import trainable_weights

pytest_plugins = ["text_models"]

PROMPTS = ["A red striped circle on the grass at noon", "A blue bar in the snow", "Vincent van Gogh"]


@pytest.fixture(scope="module")
def table(text_folder) -> torch.Tensor:
    """Embeddings of the empty prompt and of three others."""
    return torch.from_numpy(embed_prompts(text_folder, ["", *PROMPTS], torch.device("cpu")))


@pytest.fixture(scope="module")
def clean(text_folder, text_data) -> torch.Tensor:
    """Posteriors of 64 pictures."""
    images = torch.from_numpy(read_captioned(text_data / "train").images[:64])
    return StableDiffusion.load(text_folder).encode(images)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------------------------ sampling


@pytest.mark.parametrize(("sampler", "steps", "calls"), [("pndm", 50, 51), ("fast", 20, 20)])
def test_images_are_those_of_diffusers_pipeline(text_folder, text_model, table, sampler, steps, calls):
    """From the prompts themselves: its tokenizer, text encoder, guidance, scheduler, decoder and rounding."""
    pipeline = StableDiffusionPipeline.from_pretrained(str(text_folder), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    if sampler == "fast":
        pipeline.scheduler = DPMSolverMultistepScheduler.from_config(
            pipeline.scheduler.config, algorithm_type="dpmsolver++", use_karras_sigmas=True
        )
    seeds = [3, 12345, 2**40]
    drawn = pipeline(
        PROMPTS,
        num_inference_steps=steps,
        guidance_scale=7.5,
        generator=[seeded(seed % 2**32) for seed in seeds],
        output_type="pil",
    ).images
    expected = np.stack([np.asarray(image) for image in drawn]).transpose(0, 3, 1, 2)

    sizes: list[int] = []
    text_model.network.register_forward_hook(lambda network, inputs, output: sizes.append(len(inputs[0])))
    settings = TextSamplingSettings(sampler=sampler, steps=steps, kernel_batch=4)
    images = text_model.sample(seeds, table, settings)
    assert (images.shape, images.dtype) == ((3, 3, 16, 16), torch.uint8)
    difference = np.abs(images.numpy().astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.99
    assert expected.std() > 20
    # Guidance is one call of two batches.
    assert sizes == [2 * 4] * calls


def test_an_image_does_not_depend_on_its_companions(text_model, table):
    seeds = [11, 5, 8, 2, 9]
    rows = [1, 2, 3, 1, 2]
    settings = TextSamplingSettings(steps=6, kernel_batch=4)

    def drawn(chosen: list[int]) -> torch.Tensor:
        conditions = table[[0, *(rows[place] for place in chosen)]]
        return text_model.sample([seeds[place] for place in chosen], conditions, settings)

    whole = drawn([0, 1, 2, 3, 4])
    assert len({image.numpy().tobytes() for image in whole}) == 5
    for order in ([4, 3, 2, 1, 0], [2], [1, 4], [3, 3, 0, 2, 1, 4]):
        assert torch.equal(drawn(order), whole[order])


def test_an_image_depends_on_seed_prompt_and_guidance(text_model, table):
    settings = TextSamplingSettings(steps=6, kernel_batch=2)
    one = text_model.sample([1], table[[0, 1]], settings)
    for seed, row, changed in ((2, 1, {}), (1, 2, {}), (1, 1, {"guidance": 1.0}), (1, 1, {"sampler": "fast"})):
        assert not torch.equal(text_model.sample([seed], table[[0, row]], settings.model_copy(update=changed)), one)


def test_sampling_leaves_no_trace(text_model, table):
    text_model.network.train()
    before = torch.get_rng_state()
    seen: list[int] = []
    text_model.sample([1, 2, 3], table, TextSamplingSettings(steps=2, kernel_batch=2), seen.append)
    assert seen == [2, 1]
    assert text_model.network.training
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_that_has_diverged_draws_nothing(text_model, table):
    with torch.no_grad():
        text_model.network.conv_out.bias.fill_(torch.nan)
    with pytest.raises(LetheError, match="seeds 7 to 9 are not finite"):
        text_model.sample([7, 8, 9], table, TextSamplingSettings(steps=2, kernel_batch=4))


@pytest.mark.parametrize("guidance", [0.0, 1.0, 7.5])
def test_guidance_is_the_formula_of_two_predictions(text_model, table, guidance):
    noisy, level = torch.randn((3, *text_model.latent_shape), generator=seeded(0)), torch.tensor(400)
    with torch.no_grad():
        nothing, something = (
            text_model.network(noisy, level, encoder_hidden_states=prompts).sample
            for prompts in (table[:1].expand(3, -1, -1), table[1:])
        )
        found = text_model.guided(noisy, level, table[1:], table[:1], guidance)
    torch.testing.assert_close(found, nothing + guidance * (something - nothing), rtol=1e-4, atol=1e-5)
    assert (something - nothing).abs().max() > 1e-3


# ------------------------------------------------------------------------------------------- corrupting, predicting


def test_a_clean_example_is_the_autoencoders_posterior(text_folder, text_data, clean, text_model):
    autoencoder = AutoencoderKL.from_pretrained(str(text_folder / "vae"), local_files_only=True).eval()
    images = torch.from_numpy(read_captioned(text_data / "train").images[:64])
    with torch.no_grad():
        posterior = autoencoder.encode(images.float() / 255 * 2 - 1).latent_dist
    torch.testing.assert_close(clean, torch.cat([posterior.mean, posterior.std], 1), rtol=1e-4, atol=1e-5)
    assert clean.shape[1:] == text_model.clean_shape
    assert posterior.std.min() > 0
    # What Stable Diffusion learns from has unit variance; the folder says by which factor.
    assert text_model.scaling == json.loads((text_folder / "vae" / "config.json").read_text())["scaling_factor"]
    latents = text_model.scaling * posterior.sample(seeded(0))
    assert latents.std() == pytest.approx(1, abs=0.15)


def test_noise_is_added_as_by_the_folders_schedule(text_folder, text_model, clean):
    schedule = DDPMScheduler.from_pretrained(str(text_folder / "scheduler"), local_files_only=True)
    certain = torch.cat([clean.chunk(2, 1)[0], torch.zeros_like(clean.chunk(2, 1)[0])], 1)
    corrupted = text_model.corrupt(certain, seeded(1))
    expected = schedule.add_noise(text_model.scaling * certain.chunk(2, 1)[0], corrupted.truth, corrupted.level)
    torch.testing.assert_close(corrupted.noisy, expected, rtol=1e-5, atol=1e-6)
    assert corrupted.weight == 1
    assert torch.equal(text_model.corrupt(certain, seeded(1)).noisy, corrupted.noisy)
    assert not torch.equal(text_model.corrupt(certain, seeded(2)).noisy, corrupted.noisy)


def test_estimates_undo_the_corruption(text_folder, text_model, clean):
    """A perfect prediction gives latents and noise back; any other is taken apart as DDPMScheduler does."""
    schedule = DDPMScheduler.from_pretrained(str(text_folder / "scheduler"), local_files_only=True, clip_sample=False)
    certain = torch.cat([clean.chunk(2, 1)[0], torch.zeros_like(clean.chunk(2, 1)[0])], 1)
    corrupted = text_model.corrupt(certain, seeded(1))
    assert torch.equal(text_model.noise_estimate(corrupted, corrupted.truth), corrupted.truth)
    latents = text_model.scaling * certain.chunk(2, 1)[0]
    torch.testing.assert_close(text_model.clean_estimate(corrupted, corrupted.truth), latents, rtol=1e-3, atol=1e-4)
    prediction = torch.randn(latents.shape, generator=seeded(2))
    found = text_model.clean_estimate(corrupted, prediction)
    for row, level in enumerate(corrupted.level[:8]):
        step = schedule.step(prediction[row], int(level), corrupted.noisy[row], generator=seeded(0))
        torch.testing.assert_close(found[row], step.pred_original_sample, rtol=1e-4, atol=1e-4)
    one = Corrupted(truth=latents, noisy=corrupted.noisy, level=corrupted.level[0], weight=1.0)
    same = Corrupted(truth=latents, noisy=corrupted.noisy, level=corrupted.level[:1].expand(len(latents)), weight=1.0)
    assert torch.equal(text_model.clean_estimate(one, prediction), text_model.clean_estimate(same, prediction))


def test_latents_are_drawn_from_the_posterior_and_levels_from_all(text_folder, text_model, clean):
    """What remains of the noisy latents without noise and mean is a standard normal, times the deviation."""
    kept = DDPMScheduler.from_pretrained(str(text_folder / "scheduler"), local_files_only=True).alphas_cumprod
    many = clean.repeat(40, 1, 1, 1)
    mean, deviation = many.chunk(2, 1)
    corrupted = text_model.corrupt(many, seeded(3))
    share = kept[corrupted.level][:, None, None, None]
    latents = (corrupted.noisy - (1 - share).sqrt() * corrupted.truth) / share.sqrt() / text_model.scaling
    early = corrupted.level < 300  # later ones have lost it to rounding
    drawn = ((latents - mean) / deviation)[early]
    # The deviation is given here in float32 of sums: what is small beside them is not seen well.
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(1, abs=0.02)
    assert corrupted.truth.mean() == pytest.approx(0, abs=0.01)
    assert corrupted.truth.std() == pytest.approx(1, abs=0.01)
    counts = torch.bincount(corrupted.level // 100, minlength=10)
    assert len(counts) == 10
    assert ((counts - 256).square() / 256).sum() < 30
    assert corrupted.level.min() < 10
    assert corrupted.level.max() > 990


def test_the_prediction_is_the_networks(text_model, clean, table):
    corrupted = text_model.corrupt(clean[:3], seeded(4))
    expected = text_model.network(corrupted.noisy, corrupted.level, table[1:]).sample
    found = text_model.predict(corrupted, table[1:])
    assert torch.equal(found, expected)
    assert found.requires_grad
    taught = text_model.teach(corrupted, table[1:])
    assert torch.equal(taught, expected)
    assert not taught.requires_grad


def test_the_base_has_learned_to_denoise_under_captions(text_model, clean, text_data, text_folder):
    """Else no test of unlearning on it would mean anything."""
    captions = read_captioned(text_data / "train").captions[:64]
    prompts = torch.from_numpy(embed_prompts(text_folder, captions, torch.device("cpu")))
    corrupted = text_model.corrupt(clean, seeded(5))
    loss = corrupted.squared_error(text_model.teach(corrupted, prompts)).mean()
    assert loss < 0.75 * corrupted.squared_error(torch.zeros_like(corrupted.truth)).mean()


def test_a_frozen_copy_stays_as_it_is(text_model, clean, table):
    corrupted = text_model.corrupt(clean[:3], seeded(4))
    before = text_model.teach(corrupted, table[1:])
    teacher = text_model.frozen()
    with torch.no_grad():
        for weight in text_model.network.parameters():
            weight.mul_(1.5)
    assert torch.equal(teacher.predict(corrupted, table[1:]), before)
    assert not torch.equal(text_model.teach(corrupted, table[1:]), before)
    assert not teacher.predict(corrupted, table[1:]).requires_grad


# -------------------------------------------------------------------------------------- the real network's groups


@pytest.fixture(scope="module")
def real(text_folder) -> StableDiffusion:
    """Stable Diffusion 1.4's U-Net, without the memory for it."""
    with torch.device("meta"):
        network = UNet2DConditionModel(
            sample_size=64,
            in_channels=4,
            out_channels=4,
            down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            block_out_channels=(320, 640, 1280, 1280),
            layers_per_block=2,
            cross_attention_dim=768,
            attention_head_dim=8,
        )
    return StableDiffusion(network, text_folder, "meta")


# Widths of its sixteen transformer blocks.
BLOCKS = [320] * 5 + [640] * 5 + [1280] * 6


def group(model: StableDiffusion, name: str) -> dict[str, torch.nn.Parameter]:
    chosen = trainable_weights(model, name)
    names = {id(weight): at for at, weight in model.network.named_parameters()}
    assert {id(weight) for weight in chosen} == {id(w) for w in model.network.parameters() if w.requires_grad}
    return {names[id(weight)]: weight for weight in chosen}


def test_all_are_the_859_million_weights(real):
    assert sum(map(torch.numel, group(real, "all").values())) == 859_520_964
    assert real.latent_shape == (4, 64, 64)
    assert real.clean_shape == (8, 64, 64)


def test_cross_attention_is_sixteen_blocks(real):
    chosen = group(real, "xattn")
    modules = {name.split(".attn2.")[0] for name in chosen}
    assert len(modules) == 16
    assert {name.split(".attn2.")[1] for name in chosen} == {
        "to_q.weight",
        "to_k.weight",
        "to_v.weight",
        "to_out.0.weight",
        "to_out.0.bias",
    }
    assert sum(map(torch.numel, chosen.values())) == sum(2 * width**2 + 2 * 768 * width + width for width in BLOCKS)


def test_keys_and_values_are_32_matrices(real):
    chosen = group(real, "kv")
    assert len(chosen) == 32
    assert all(weight.ndim == 2 and weight.shape[1] == 768 for weight in chosen.values())
    assert sum(map(torch.numel, chosen.values())) == 2 * 768 * sum(BLOCKS) == 19_169_280


def test_self_attention_is_the_other_sixteen(real):
    chosen = group(real, "selfattn")
    assert sum(map(torch.numel, chosen.values())) == sum(4 * width**2 + width for width in BLOCKS)


def test_esd_u_leaves_out_cross_attention_time_and_output(real):
    """CompVis names them attn2, time_embed. and out.; there ``out.`` is a norm and a convolution."""
    every, chosen, cross = (group(real, name) for name in ("all", "noxattn", "xattn"))
    outside = {
        "conv_norm_out.weight": 320,
        "conv_norm_out.bias": 320,
        "conv_out.weight": 4 * 320 * 9,
        "conv_out.bias": 4,
        "time_embedding.linear_1.weight": 320 * 1280,
        "time_embedding.linear_1.bias": 1280,
        "time_embedding.linear_2.weight": 1280 * 1280,
        "time_embedding.linear_2.bias": 1280,
    }
    assert every.keys() - chosen.keys() == cross.keys() | outside.keys()
    assert not chosen.keys() & cross.keys()
    for name, count in outside.items():
        assert every[name].numel() == count
    # Neither the norms before cross-attention nor the residual blocks' own time layers are left out.
    assert sum("norm2" in name and "transformer_blocks" in name for name in chosen) == 32
    assert sum("time_emb_proj" in name for name in chosen) == 2 * 22


# ------------------------------------------------------------------------------------------------------- folders


def test_a_saved_folder_is_whole_and_the_rest_of_it_is_the_bases(text_folder, text_model, tmp_path):
    with torch.no_grad():
        text_model.network.conv_out.bias.add_(1)
    text_model.save(tmp_path / "model", {"stage": "unlearn"})
    found = sorted(str(path.relative_to(tmp_path / "model")) for path in (tmp_path / "model").rglob("*.*"))
    assert found == sorted(model_files("stable_diffusion"))
    for name in found:
        if not name.startswith("unet/"):
            assert (tmp_path / "model" / name).read_bytes() == (text_folder / name).read_bytes(), name
    again = StableDiffusion.load(tmp_path / "model")
    for name, weight in text_model.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], weight)
    assert read_provenance(tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors") == {"stage": "unlearn"}
    # From there the bytes do not depend on where they were.
    again.save(tmp_path / "again", {"stage": "unlearn"})
    for name in found:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "model" / name).read_bytes(), name


def test_other_weights_and_no_card_of_the_base_are_saved(text_folder, text_model, tmp_path):
    shutil.copytree(text_folder, tmp_path / "base")
    (tmp_path / "base" / "README.md").write_text("the base")
    model = StableDiffusion.load(tmp_path / "base")
    doubled = {name: 2 * weight for name, weight in model.network.state_dict().items()}
    model.save(tmp_path / "model", {}, doubled)
    assert not (tmp_path / "model" / "README.md").exists()
    found = StableDiffusion.load(tmp_path / "model").network.state_dict()
    assert all(torch.equal(found[name], weight) for name, weight in doubled.items())


@pytest.mark.parametrize(
    ("file", "key", "value", "problem"),
    [
        ("model_index.json", "_class_name", "StableDiffusionXLPipeline", "a StableDiffusionXLPipeline, not a"),
        ("scheduler/scheduler_config.json", "prediction_type", "v_prediction", "predicts v_prediction, not the noise"),
    ],
)
def test_a_folder_of_another_kind_is_refused(text_folder, tmp_path, file, key, value, problem):
    shutil.copytree(text_folder, tmp_path / "model")
    path = tmp_path / "model" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(LetheError, match=problem):
        StableDiffusion.load(tmp_path / "model")


def test_the_published_folders_old_names_are_read(text_folder, text_model, text_data, tmp_path):
    """Stable Diffusion 1.4 was published with other names of the autoencoder's attention, without its scaling factor,
    and with the positions' numbers among the text encoder's weights."""
    shutil.copytree(text_folder, tmp_path / "model")
    path = tmp_path / "model" / "vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    weights = {}
    for name, weight in load_file(path).items():
        for ours, theirs in old.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
        weights[name] = weight
    assert sum(".query." in name for name in weights) == 4
    save_file(weights, path, metadata={"format": "pt"})
    config = json.loads((tmp_path / "model" / "vae" / "config.json").read_text())
    del config["scaling_factor"]
    (tmp_path / "model" / "vae" / "config.json").write_text(json.dumps(config))
    encoder = tmp_path / "model" / "text_encoder" / "model.safetensors"
    numbers = {"text_model.embeddings.position_ids": torch.arange(24)[None]}
    save_file(load_file(encoder) | numbers, encoder, metadata={"format": "pt"})

    model = StableDiffusion.load(tmp_path / "model")
    assert model.scaling == 0.18215
    images = torch.from_numpy(read_captioned(text_data / "train").images[:4])
    assert torch.equal(model.encode(images), text_model.encode(images))
    embeddings = (embed_prompts(folder, PROMPTS, torch.device("cpu")) for folder in (tmp_path / "model", text_folder))
    np.testing.assert_array_equal(*embeddings)


def test_an_error_is_of_the_truth_or_of_a_target():
    corrupted = Corrupted(truth=torch.tensor([1.0, 2.0]), noisy=torch.zeros(2), level=torch.zeros(2), weight=1.0)
    prediction = torch.tensor([0.0, 5.0])
    assert corrupted.squared_error(prediction).tolist() == [1, 9]
    assert corrupted.squared_error(prediction, target=torch.tensor([0.0, 4.0])).tolist() == [0, 1]
    assert corrupted.squared_error(prediction, truncation=4).tolist() == [1, 4]
