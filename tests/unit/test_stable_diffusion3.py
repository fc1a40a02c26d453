"""The flow of text is diffusers' Stable Diffusion 3: its prompts, sampling, noise, names and folders."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
from diffusers.training_utils import compute_density_for_timestep_sampling
from scipy import stats
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from lethe.data import read_captioned
from lethe.errors import LetheError
from lethe.files import read_provenance
from lethe.model_files import model_files, weights_of
from lethe.models import load_denoiser
from lethe.models.denoiser import Corrupted
from lethe.models.packed_prompts import pack_prompts, unpack_prompts
from lethe.models.prompts3 import embed_prompts
from lethe.models.stable_diffusion3 import StableDiffusion3
from lethe.settings.text_sampling import TextSamplingSettings
from lethe.unlearn.loop import trainable_weights

pytest_plugins = ["text_models"]

FAMILY = "stable_diffusion_3"
PROMPTS = ["A red striped circle on the grass at noon", "A blue bar in the snow", "Vincent van Gogh"]
EULER = TextSamplingSettings(sampler="euler", steps=6, kernel_batch=4)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pipeline_of(folder: Path) -> StableDiffusion3Pipeline:
    """diffusers wants to be told of a T5 that is not there."""
    absent = {} if (folder / "text_encoder_3").exists() else {"text_encoder_3": None, "tokenizer_3": None}
    pipeline = StableDiffusion3Pipeline.from_pretrained(str(folder), local_files_only=True, **absent)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture(scope="module")
def table(flow_folder) -> torch.Tensor:
    """Embeddings of the empty prompt and of three others."""
    return torch.from_numpy(embed_prompts(flow_folder, ["", *PROMPTS], torch.device("cpu")))


@pytest.fixture(scope="module")
def clean(flow_folder, text_data) -> torch.Tensor:
    """Posteriors of 64 pictures."""
    return StableDiffusion3.load(flow_folder).encode(torch.from_numpy(read_captioned(text_data / "train").images[:64]))


@pytest.fixture
def certain(clean) -> torch.Tensor:
    """The same without a deviation."""
    mean, deviation = clean.chunk(2, 1)
    return torch.cat([mean, torch.zeros_like(deviation)], 1)


# ------------------------------------------------------------------------------------------------------- prompts


@pytest.mark.parametrize(("pooled", "rows"), [(1, 1), (6, 1), (7, 2), (12, 2), (13, 3)])
def test_packing_keeps_tokens_and_pooled_projection(pooled, rows):
    tokens, projection = torch.randn(3, 5, 6, generator=seeded(0)), torch.randn(3, pooled, generator=seeded(1))
    packed = pack_prompts(tokens, projection)
    assert packed.shape == (3, 5 + rows, 6)
    assert packed[:, 5:].count_nonzero() == projection.count_nonzero()
    found = unpack_prompts(packed, pooled)
    assert torch.equal(found[0], tokens)
    assert torch.equal(found[1], projection)


def as_of_the_pipeline(folder: Path, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        embeddings, _, pooled, _ = pipeline_of(folder).encode_prompt(
            PROMPTS, None, None, do_classifier_free_guidance=False, max_sequence_length=tokens
        )
    return embeddings, pooled


def assert_prompts_are_the_pipelines(folder: Path, tokens: int) -> None:
    expected, pooled = as_of_the_pipeline(folder, tokens)
    found = torch.from_numpy(embed_prompts(folder, PROMPTS, torch.device("cpu"), batch=2))
    model = StableDiffusion3.load(folder)
    assert found.shape[1:] in model.condition_shapes
    own = unpack_prompts(found, model.pooled)
    own = torch.nn.functional.pad(own[0], (0, 0, 0, expected.shape[1] - own[0].shape[1])), own[1]
    torch.testing.assert_close(own[0], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(own[1], pooled, rtol=1e-4, atol=1e-5)


def test_prompts_are_embedded_as_by_the_pipeline(flow_folder, table):
    assert_prompts_are_the_pipelines(flow_folder, 0)
    assert table.shape == (4, 24 + 1, 16 + 24)
    assert (table[1] - table[2]).abs().max() > 1e-2


def with_transformer(folder: Path, made: Path, **changed: int) -> Path:
    """A copy of the folder with a fresh transformer that Lethe has not written."""
    shutil.copytree(folder, made, ignore=shutil.ignore_patterns("transformer"))
    config = json.loads((folder / "transformer" / "config.json").read_text())
    SD3Transformer2DModel.from_config(config | changed).save_pretrained(made / "transformer")
    return made


def test_of_a_foreign_folder_without_t5_zeros_stand_in_its_place(flow_folder, tmp_path):
    """As many as the pipeline takes by default, and as wide as the joint attention, which is wider than both CLIPs."""
    folder = with_transformer(flow_folder, tmp_path / "model", joint_attention_dim=56)
    assert_prompts_are_the_pipelines(folder, 256)
    assert StableDiffusion3.load(folder).condition_shape == (24 + 256 + 1, 56)


def test_t5_is_read_where_there_is_one(flow_folder, tmp_path):
    folder = with_transformer(flow_folder, tmp_path / "model", joint_attention_dim=48)
    words = sorted({word for prompt in PROMPTS for word in prompt.split()})
    tokenizer = Tokenizer(models.WordLevel({w: n for n, w in enumerate(["<pad>", "</s>", "<unk>", *words])}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=512
    ).save_pretrained(folder / "tokenizer_3")
    encoder = T5EncoderModel(T5Config(vocab_size=40, d_model=48, d_kv=8, d_ff=16, num_layers=1, num_heads=2))
    encoder.save_pretrained(folder / "text_encoder_3")
    index = json.loads((folder / "model_index.json").read_text())
    index |= {
        "text_encoder_3": ["transformers", "T5EncoderModel"],
        "tokenizer_3": ["transformers", "PreTrainedTokenizerFast"],
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    assert_prompts_are_the_pipelines(folder, 256)

    shutil.rmtree(folder / "text_encoder_3")
    with pytest.raises(LetheError, match=r"no readable tokenizer_3 and text_encoder_3 .*\n.*whole model folder"):
        embed_prompts(folder, PROMPTS, torch.device("cpu"))


@pytest.mark.parametrize("part", ["text_encoder_2", "tokenizer_2", "text_encoder"])
def test_a_folder_without_one_of_its_encoders_is_refused(flow_folder, tmp_path, part):
    shutil.copytree(flow_folder, tmp_path / "model", ignore=shutil.ignore_patterns(part))
    with pytest.raises(LetheError, match=f"no readable .*{part}"):
        embed_prompts(tmp_path / "model", PROMPTS, torch.device("cpu"))


# ------------------------------------------------------------------------------------------------------ sampling


@pytest.mark.parametrize(("steps", "guidance"), [(28, 7.0), (7, 2.5)])
def test_images_are_those_of_diffusers_pipeline(flow_folder, flow_model, table, steps, guidance):
    """From the prompts themselves: its tokenizers, text encoders, guidance, shifted levels, decoder and rounding."""
    seeds = [3, 12345, 2**40]
    drawn = pipeline_of(flow_folder)(
        PROMPTS,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[seeded(seed % 2**32) for seed in seeds],
        max_sequence_length=0,
        output_type="pil",
    ).images
    expected = np.stack([np.asarray(image) for image in drawn]).transpose(0, 3, 1, 2)
    settings = TextSamplingSettings(sampler="euler", steps=steps, guidance=guidance, kernel_batch=4)
    images = flow_model.sample(seeds, table, settings)
    assert (images.shape, images.dtype) == ((3, 3, 16, 16), torch.uint8)
    difference = np.abs(images.numpy().astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.99
    assert expected.std() > 20


def test_an_image_does_not_depend_on_its_companions(flow_model, table):
    seeds, rows = [11, 5, 8, 2, 9], [1, 2, 3, 1, 2]

    def drawn(chosen: list[int]) -> torch.Tensor:
        conditions = table[[0, *(rows[place] for place in chosen)]]
        return flow_model.sample([seeds[place] for place in chosen], conditions, EULER)

    whole = drawn([0, 1, 2, 3, 4])
    assert len({image.numpy().tobytes() for image in whole}) == 5
    for order in ([4, 3, 2, 1, 0], [2], [3, 3, 0, 2, 1, 4]):
        assert torch.equal(drawn(order), whole[order])


def test_a_sampler_of_the_other_kind_is_refused(flow_model, text_model, table):
    with pytest.raises(LetheError, match=r"sampler pndm: a StableDiffusion3Pipeline.*\n.*choose euler"):
        flow_model.sample([1], table[:2], TextSamplingSettings(steps=2))
    with pytest.raises(LetheError, match=r"sampler euler: a StableDiffusionPipeline.*\n.*choose pndm or fast"):
        text_model.sample([1], torch.zeros(2, *text_model.condition_shape), EULER)


# ------------------------------------------------------------------------------------------- corrupting, predicting


def test_noise_is_mixed_in_along_a_straight_way(flow_folder, flow_model, certain):
    """As by the folder's scheduler, and with the velocity as truth."""
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(str(flow_folder / "scheduler"), local_files_only=True)
    assert scheduler.config.shift == 3
    corrupted = flow_model.corrupt(certain, seeded(1))
    latents = flow_model.scaling * (certain.chunk(2, 1)[0] - flow_model.shift)
    noise = corrupted.truth + latents
    expected = scheduler.scale_noise(latents, corrupted.level, noise)
    torch.testing.assert_close(corrupted.noisy, expected, rtol=1e-5, atol=1e-5)
    assert corrupted.weight == 1
    assert noise.std() == pytest.approx(1, abs=0.03)
    assert torch.equal(flow_model.corrupt(certain, seeded(1)).noisy, corrupted.noisy)
    assert not torch.equal(flow_model.corrupt(certain, seeded(2)).noisy, corrupted.noisy)
    # Latents have mean 0 and variance 1 over all pictures.
    assert latents.mean() == pytest.approx(0, abs=0.1)
    assert latents.std() == pytest.approx(1, abs=0.15)


def test_levels_are_drawn_as_in_diffusers_training(flow_model, clean):
    """Their distribution is that of train_dreambooth_sd3.py: logit-normal numbers point into the shifted levels."""
    corrupted = flow_model.corrupt(clean.repeat(100, 1, 1, 1), seeded(3))
    share = compute_density_for_timestep_sampling("logit_normal", 6400, 0.0, 1.0, generator=seeded(4))
    timesteps = flow_model.scheduler.timesteps[(share * 1000).long()]
    assert stats.ks_2samp(corrupted.level.numpy(), timesteps.numpy()).pvalue > 1e-3
    # Shift 3: s / (1 - s) is three times that of the median 1 / 2.
    assert corrupted.level.median() == pytest.approx(750, abs=15)


def test_estimates_undo_the_corruption(flow_model, certain):
    corrupted = flow_model.corrupt(certain, seeded(1))
    latents = flow_model.scaling * (certain.chunk(2, 1)[0] - flow_model.shift)
    noise = corrupted.truth + latents
    found = flow_model.clean_estimate(corrupted, corrupted.truth), flow_model.noise_estimate(corrupted, corrupted.truth)
    torch.testing.assert_close(found[0], latents, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1], noise, rtol=1e-4, atol=1e-5)
    velocity = torch.randn(latents.shape, generator=seeded(2))
    clean, noise = flow_model.clean_estimate(corrupted, velocity), flow_model.noise_estimate(corrupted, velocity)
    share = (corrupted.level / 1000)[:, None, None, None]
    torch.testing.assert_close(noise - clean, velocity)
    torch.testing.assert_close((1 - share) * clean + share * noise, corrupted.noisy, rtol=1e-4, atol=1e-5)


def test_the_prediction_is_the_networks(flow_model, clean, table):
    corrupted = flow_model.corrupt(clean[:3], seeded(4))
    tokens, pooled = unpack_prompts(table[1:], flow_model.pooled)
    expected = flow_model.network(corrupted.noisy, tokens, pooled, corrupted.level).sample
    found = flow_model.predict(corrupted, table[1:])
    assert torch.equal(found, expected)
    assert found.requires_grad
    assert not flow_model.teach(corrupted, table[1:]).requires_grad
    teacher = flow_model.frozen()
    with torch.no_grad():
        flow_model.network.proj_out.bias.add_(1)
    assert torch.equal(teacher.predict(corrupted, table[1:]), expected)


def test_the_base_has_learned_to_denoise_under_captions(flow_model, clean, text_data, flow_folder):
    """Else no test of unlearning on it would mean anything."""
    captions = read_captioned(text_data / "train").captions[:64]
    prompts = torch.from_numpy(embed_prompts(flow_folder, captions, torch.device("cpu")))
    corrupted = flow_model.corrupt(clean, seeded(5))
    loss = corrupted.squared_error(flow_model.teach(corrupted, prompts)).mean()
    assert loss < 0.75 * corrupted.squared_error(torch.zeros_like(corrupted.truth)).mean()


# --------------------------------------------------------------------------------------------------- ESD's latents


class OnlyNoise(torch.nn.Module):
    """The perfect network of data that is all zero: x = s e has the velocity e, so that Euler keeps the noise."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def forward(self, hidden_states, encoder_hidden_states, pooled_projections, timestep) -> SimpleNamespace:
        assert len(hidden_states) == len(encoder_hidden_states) == len(pooled_projections) == len(timestep)
        self.asked.append(float(timestep[0]))
        return SimpleNamespace(sample=hidden_states / (timestep[:, None, None, None] / 1000))


def partly(model: StableDiffusion3, seed: int, **more) -> Corrupted:
    conditions = torch.zeros((2, *model.condition_shape))
    options = {"guidance": 3.0, "steps": 8, "as_released": False} | more
    return model.partly_sampled(conditions, conditions[:1], generator=seeded(seed), **options)


def test_the_network_is_asked_at_the_level_of_the_latents(flow_model):
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(flow_model.scheduler.config)
    scheduler.set_timesteps(8)
    levels = scheduler.timesteps.tolist()
    stops = Counter()
    for seed in range(200):
        flow_model.network = network = OnlyNoise()
        found = partly(flow_model, seed)
        (level,) = set(found.level.tolist())
        stops[level] += 1
        assert network.asked == levels[: levels.index(level)]
        generator = seeded(seed)
        torch.randint(0, 8, (), generator=generator)
        noise = torch.randn(found.noisy.shape, generator=generator)
        torch.testing.assert_close(found.noisy, level / 1000 * noise, rtol=1e-3, atol=1e-5)
    assert sorted(stops, reverse=True) == levels
    assert sum((count - 25) ** 2 / 25 for count in stops.values()) < 26  # chi square with 7: 1 in 2,000


def test_there_is_no_released_esd_of_a_flow(flow_model):
    with pytest.raises(LetheError, match=r"as_released: ESD's released code cannot be run on a StableDiffusion3"):
        partly(flow_model, 0, as_released=True)


# -------------------------------------------------------------------------------------- the real network's groups


@pytest.fixture(scope="module")
def real(flow_folder) -> StableDiffusion3:
    """Stable Diffusion 3 medium's transformer, without the memory for it."""
    with torch.device("meta"):
        network = SD3Transformer2DModel(
            sample_size=128,
            num_layers=24,
            num_attention_heads=24,
            joint_attention_dim=4096,
            caption_projection_dim=1536,
            pooled_projection_dim=2048,
            pos_embed_max_size=192,
        )
    return StableDiffusion3(network, flow_folder, "meta")


WIDTH, BLOCKS = 1536, 24


def group(model: StableDiffusion3, name: str) -> dict[str, torch.nn.Parameter]:
    chosen = trainable_weights(model, name)
    names = {id(weight): at for at, weight in model.network.named_parameters()}
    return {names[id(weight)]: weight for weight in chosen}


def test_all_are_the_two_billion_weights(real):
    # Blocks: modulation of two streams, attention, feed-forward of two streams; the last has no way out for the prompt.
    square, bias = WIDTH**2, WIDTH
    linear = square + bias
    stream = 6 * linear + 4 * linear + 8 * square + 5 * bias
    last = 2 * linear + 3 * linear
    outside = WIDTH * 64 + bias + 256 * WIDTH + bias + linear + 2048 * WIDTH + bias + linear + 4096 * WIDTH + bias
    outside += 2 * linear + 64 * WIDTH + 64
    expected = (2 * BLOCKS - 1) * stream + last + outside
    assert sum(map(torch.numel, group(real, "all").values())) == expected
    assert 2.0e9 < expected < 2.1e9
    assert real.latent_shape == (16, 128, 128)


def test_the_prompts_side_of_the_attention_is_a_group(real):
    prompt, kv, latents = (group(real, name) for name in ("xattn", "kv", "selfattn"))
    linear = WIDTH**2 + WIDTH
    # Queries, keys, values and output, but for the last block, from which the prompt does not go on.
    assert sum(map(torch.numel, prompt.values())) == (4 * BLOCKS - 1) * linear
    assert sum(map(torch.numel, kv.values())) == 2 * BLOCKS * linear
    assert kv.keys() < prompt.keys()
    assert sum(map(torch.numel, latents.values())) == 4 * BLOCKS * linear
    assert not prompt.keys() & latents.keys()


def test_esd_u_leaves_out_the_prompts_side_time_and_output(real):
    every, chosen, prompt = (group(real, name) for name in ("all", "noxattn", "xattn"))
    left_out = {name.split(".")[0] for name in every.keys() - chosen.keys() - prompt.keys()}
    assert left_out == {"time_text_embed", "norm_out", "proj_out"}
    assert not chosen.keys() & prompt.keys()
    assert any("ff_context" in name for name in chosen)


def test_normalised_queries_and_keys_belong_to_their_stream(flow_model):
    prompt, latents = group(flow_model, "xattn"), group(flow_model, "selfattn")
    assert any("norm_added_k" in name for name in prompt)
    assert any("attn.norm_k" in name for name in latents)
    assert not any("norm_added" in name for name in latents)


# ------------------------------------------------------------------------------------------------------- folders


def test_the_folder_is_whole_and_says_where_it_comes_from(flow_folder):
    found = sorted(str(path.relative_to(flow_folder)) for path in flow_folder.rglob("*") if path.is_file())
    assert found == sorted(model_files(FAMILY))
    record = read_provenance(flow_folder / weights_of(FAMILY))
    assert (record["stage"], record["source"], record["t5_tokens"]) == ("base", "shapes", 0)
    assert (flow_folder / "tokenizer" / "vocab.json").read_bytes() == (
        flow_folder / "tokenizer_2" / "vocab.json"
    ).read_bytes()


def test_a_saved_folder_keeps_the_rest_of_the_bases_and_its_number_of_tokens(flow_folder, flow_model, tmp_path):
    with torch.no_grad():
        flow_model.network.proj_out.bias.add_(1)
    flow_model.save(tmp_path / "model", {"stage": "unlearn"})
    for name in model_files(FAMILY):
        if not name.startswith("transformer/"):
            assert (tmp_path / "model" / name).read_bytes() == (flow_folder / name).read_bytes(), name
    assert read_provenance(tmp_path / "model" / weights_of(FAMILY)) == {"stage": "unlearn", "t5_tokens": 0}
    again = load_denoiser("text", tmp_path / "model")
    assert isinstance(again, StableDiffusion3)
    assert again.condition_shape == flow_model.condition_shape
    for name, weight in flow_model.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], weight)


@pytest.mark.parametrize(
    ("file", "changed", "problem"),
    [
        ("model_index.json", {"_class_name": "FluxPipeline"}, "a FluxPipeline, not a StableDiffusionPipeline or a"),
        ("scheduler/scheduler_config.json", {"use_dynamic_shifting": True}, "depend on the size of the image"),
    ],
)
def test_a_folder_of_another_kind_is_refused(flow_folder, tmp_path, file, changed, problem):
    shutil.copytree(flow_folder, tmp_path / "model")
    path = tmp_path / "model" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(LetheError, match=problem):
        load_denoiser("text", tmp_path / "model")


def test_one_kind_is_not_read_as_the_other(flow_folder, text_folder):
    with pytest.raises(LetheError, match="a StableDiffusionPipeline, not a StableDiffusion3Pipeline"):
        StableDiffusion3.load(text_folder)
