"""Bases that are given: whatever the layout of a published model, the folder that comes of it is the same model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusion3Pipeline, StableDiffusionPipeline
from given_models import (
    NAMES_OF_2022,
    WORDS,
    as_bin,
    as_fp16,
    as_hub_snapshot,
    as_shards,
    checkpoint_of,
    published_stable_diffusion,
    published_stable_diffusion_3,
    published_t5,
    write_json,
)
from safetensors.torch import load_file, save_file
from stages import run
from transformers import CLIPTokenizer

import lethe.base.given_stable_diffusion
import lethe.base.given_stable_diffusion3
import lethe.sets.text
from lethe.errors import LetheError
from lethe.files import read_arrays, read_provenance, sha256_of
from lethe.model_files import model_files
from lethe.models import prompts, prompts3
from lethe.models.packed_prompts import unpack_prompts
from lethe.models.stable_diffusion import StableDiffusion
from lethe.models.stable_diffusion3 import StableDiffusion3
from lethe.prompts import prompt_rows, write_prompts
from lethe.settings.text_sampling import TextSamplingSettings

pytest_plugins = ["text_models"]

CPU = torch.device("cpu")
UNET, VAE = (f"{part}/diffusion_pytorch_model.safetensors" for part in ("unet", "vae"))
TEXT = "text_encoder/model.safetensors"


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return published_stable_diffusion(tmp_path_factory.mktemp("sd14") / "sd14")


@pytest.fixture
def source(tmp_path, published) -> Path:
    """A copy to be changed."""
    return Path(shutil.copytree(published, tmp_path / "source"))


@pytest.fixture(scope="module")
def published3(tmp_path_factory) -> Path:
    return published_stable_diffusion_3(tmp_path_factory.mktemp("sd3") / "sd3_medium")


def given(source: Path, folder: Path, words: str = "") -> Path:
    run(lethe.base.given_stable_diffusion, f"--source {source} --model {folder} {words}")
    return folder


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    """All weights of a folder of ours, by file and name."""
    files = (UNET, VAE, TEXT)
    return {f"{file}:{name}": part for file in files for name, part in load_file(folder / file).items()}


def assert_same_model(one: Path, other: Path) -> None:
    first, second = weights_of(one), weights_of(other)
    assert first.keys() == second.keys()
    for name, part in first.items():
        assert part.dtype == torch.float32
        assert torch.equal(part, second[name]), name
    for name in model_files("stable_diffusion"):
        if name.endswith((".json", ".txt")):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name


def drawn_by_diffusers(folder: Path, guidance: float = 7.5) -> list:
    pipeline = StableDiffusionPipeline.from_pretrained(
        str(folder), local_files_only=True, safety_checker=None, feature_extractor=None
    )
    pipeline.set_progress_bar_config(disable=True)
    generator = [torch.Generator().manual_seed(seed) for seed in range(2)]
    return pipeline(WORDS, num_inference_steps=5, generator=generator, guidance_scale=guidance).images


# ------------------------------------------------------------------------------------------------------- diffusers


def test_a_published_model_is_the_same_model_in_our_files(published, tmp_path):
    folder = given(published, tmp_path / "model")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == sorted(model_files("stable_diffusion"))
    assert [image.tobytes() for image in drawn_by_diffusers(folder)] == [
        image.tobytes() for image in drawn_by_diffusers(published)
    ]
    # The same by our own sampler, from our own embeddings.
    model = StableDiffusion.load(folder)
    table = torch.from_numpy(prompts.embed_prompts(folder, ["", *WORDS], CPU))
    assert table.shape[1:] == model.condition_shape == (77, 16)
    images = model.sample([0, 1], table, TextSamplingSettings(steps=5, kernel_batch=2))
    expected = torch.stack([_pixels(image) for image in drawn_by_diffusers(published)])
    assert (images.int() - expected.int()).abs().max() <= 1
    assert images.float().std() > 1


def _pixels(image) -> torch.Tensor:
    return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(*image.size, 3).permute(2, 0, 1)


def test_what_was_read_is_in_the_provenance(published, tmp_path):
    folder = given(published, tmp_path / "model", "--fingerprint abc")
    record = read_provenance(folder / UNET)
    assert record["given"] == {file: sha256_of(published / file) for file in (UNET, VAE, TEXT)}
    assert (record["stage"], record["fingerprint"]) == ("base", "abc")
    first = {path: (folder / path).read_bytes() for path in model_files("stable_diffusion")}
    again = given(published, tmp_path / "again", "--fingerprint abc")
    assert {path: (again / path).read_bytes() for path in first} == first


def _as_bin(source: Path) -> None:
    as_bin(source / UNET, "diffusion_pytorch_model.bin")
    as_bin(source / VAE, "diffusion_pytorch_model.bin")
    as_bin(source / TEXT, "pytorch_model.bin")


def _in_shards(source: Path) -> None:
    as_shards(source / UNET, 3)
    as_shards(source / TEXT, 2)


def _with_fp16_beside(source: Path) -> None:
    """The variant is not taken where there is float32."""
    for file in (UNET, VAE, TEXT):
        shutil.copyfile(source / file, source / "kept")
        as_fp16(source / file)
        shutil.copyfile(source / "kept", source / file)
    (source / UNET).with_name("diffusion_pytorch_model.non_ema.safetensors").write_bytes(b"never read")


def _tokenizer_json_alone(source: Path) -> None:
    """As transformers 5 saves it."""
    tokenizer = CLIPTokenizer.from_pretrained(str(source / "tokenizer"))
    shutil.rmtree(source / "tokenizer")
    tokenizer.save_pretrained(source / "tokenizer")
    assert not (source / "tokenizer" / "merges.txt").exists()


def _with_tokenizer_json(source: Path) -> None:
    tokenizer = CLIPTokenizer.from_pretrained(str(source / "tokenizer"))
    tokenizer.backend_tokenizer.save(str(source / "tokenizer" / "tokenizer.json"))


def _names_of_today(source: Path) -> None:
    weights = load_file(source / VAE)
    for new, old in NAMES_OF_2022.items():
        weights = {name.replace(old, new): part for name, part in weights.items()}
    save_file(weights, source / VAE, metadata={"format": "pt"})
    text = {name.removeprefix("text_model."): part for name, part in load_file(source / TEXT).items()}
    del text["embeddings.position_ids"]
    save_file(text, source / TEXT, metadata={"format": "pt"})


@pytest.mark.parametrize(
    "layout",
    [_as_bin, _in_shards, _with_fp16_beside, _tokenizer_json_alone, _with_tokenizer_json, _names_of_today],
    ids=lambda layout: layout.__name__.strip("_"),
)
def test_the_layout_of_the_folder_makes_no_difference(published, source, tmp_path, layout):
    layout(source)
    assert_same_model(given(source, tmp_path / "model"), given(published, tmp_path / "plain"))


def test_a_snapshot_of_the_hubs_cache_is_read_through_its_links(published, tmp_path):
    snapshot = as_hub_snapshot(published, tmp_path / "hub")
    folder = given(snapshot, tmp_path / "model")
    assert_same_model(folder, given(published, tmp_path / "plain"))
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    repository = snapshot.parents[1]
    with pytest.raises(LetheError, match=f"no model_index.json in it\n  remedy: give {snapshot}"):
        given(repository, tmp_path / "other")


@pytest.mark.parametrize("shards", [1, 2])
def test_of_half_precision_alone_the_numbers_are_kept(source, published, tmp_path, shards):
    for file in (UNET, VAE, TEXT):
        if shards > 1 and file != VAE:
            halves = {
                name: part.half() if part.is_floating_point() else part
                for name, part in load_file(source / file).items()
            }
            save_file(halves, source / file, metadata={"format": "pt"})
            as_shards(source / file, shards, ".fp16")
        else:
            as_fp16(source / file)
    found, exact = weights_of(given(source, tmp_path / "model")), weights_of(given(published, tmp_path / "plain"))
    for name, part in found.items():
        assert part.dtype == torch.float32
        assert torch.equal(part, exact[name].half().float()), name


def test_a_merged_lora_is_a_folder_like_any_other(source, published, tmp_path):
    """W + B A in the cross-attention, saved by diffusers as a user would."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        str(source), safety_checker=None, feature_extractor=None, requires_safety_checker=False
    )
    torch.manual_seed(5)
    changed = [name for name, _ in pipeline.unet.named_parameters() if "attn2.to_" in name and "weight" in name]
    for name in changed:
        weight = pipeline.unet.get_parameter(name)
        weight.data += 0.5 * torch.randn(len(weight), 2) @ torch.randn(2, weight.shape[1])
    pipeline.save_pretrained(tmp_path / "merged")
    folder = given(tmp_path / "merged", tmp_path / "model")
    network = load_file(folder / UNET)
    plain = load_file(given(published, tmp_path / "plain") / UNET)
    assert all(torch.equal(network[name], pipeline.unet.get_parameter(name)) for name in network)
    assert {name for name in network if not torch.equal(network[name], plain[name])} == set(changed)
    assert [image.tobytes() for image in drawn_by_diffusers(folder)] == [
        image.tobytes() for image in drawn_by_diffusers(tmp_path / "merged")
    ]


def edited(path: Path, **changes: object) -> None:
    write_json(path, json.loads(path.read_text()) | changes)


def without(path: Path, name: str) -> None:
    weights = load_file(path)
    del weights[name]
    save_file(weights, path, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: edited(s / "model_index.json", _class_name="FluxPipeline"), "a FluxPipeline, not a StableDiffusion"),
        (lambda s: (s / UNET).unlink(), "no weights that can be read; there is config.json"),
        (lambda s: (s / UNET).write_bytes(b"no"), "not a readable UNet2DConditionModel"),
        (lambda s: edited(s / "unet" / "config.json", _class_name="UNet2DModel"), "a UNet2DModel, not a UNet2DCond"),
        (lambda s: edited(s / "unet" / "config.json", layers_per_block=1), "UNet2DConditionModel .*size mismatch"),
        (lambda s: without(s / UNET, "conv_out.bias"), "lacks the weight conv_out.bias"),
        (lambda s: without(s / TEXT, "text_model.final_layer_norm.bias"), "lacks the weight .*final_layer_norm.bias"),
        (lambda s: edited(s / "unet" / "config.json", sample_size=None), "sample_size is None"),
        (
            lambda s: edited(s / "scheduler" / "scheduler_config.json", prediction_type="v_prediction"),
            "predicts v_prediction, not the noise",
        ),
        (lambda s: shutil.rmtree(s / "tokenizer"), "not a readable CLIP tokenizer"),
    ],
)
def test_what_is_no_whole_model_is_refused(source, tmp_path, damage, message):
    damage(source)
    with pytest.raises(LetheError, match=message):
        given(source, tmp_path / "model")
    assert not (tmp_path / "model" / "model_index.json").exists()


def test_a_folder_needs_no_configuration(published, tmp_path):
    with pytest.raises(LetheError, match=r"a folder has its own configurations.*\n.*leave configuration out"):
        given(published, tmp_path / "model", f"--configuration {published}")
    with pytest.raises(LetheError, match="nowhere: no such file or folder"):
        given(tmp_path / "nowhere", tmp_path / "model")


def test_an_inpainting_model_is_refused(source, tmp_path):
    weights = load_file(source / UNET)
    weights["conv_in.weight"] = torch.randn(8, 9, 3, 3)
    save_file(weights, source / UNET, metadata={"format": "pt"})
    edited(source / "unet" / "config.json", in_channels=9)
    with pytest.raises(LetheError, match="takes 9 channels and gives 4, the autoencoder's latents have 4"):
        given(source, tmp_path / "model")


def test_an_index_that_names_a_missing_shard_is_refused(source, tmp_path):
    as_shards(source / UNET, 2)
    next((source / "unet").glob("*00001-of*")).unlink()
    with pytest.raises(LetheError, match=r"00001-of-00002\.safetensors: no such file"):
        given(source, tmp_path / "model")


# ---------------------------------------------------------------------------------------------------- checkpoints


@pytest.mark.parametrize("ending", [".ckpt", ".safetensors"])
@pytest.mark.parametrize(("average", "weights", "scale"), [(None, "ema", 1), (0.5, "ema", 0.5), (0.5, "live", 1)])
def test_a_checkpoint_of_the_original_code_is_the_same_model(published, tmp_path, ending, average, weights, scale):
    path = tmp_path / f"sd-v1-4{ending}"
    checkpoint = checkpoint_of(published, average)
    if ending == ".ckpt":
        torch.save(checkpoint, path)
    else:
        save_file({name: part.contiguous() for name, part in checkpoint["state_dict"].items()}, path)
    made = given(path, tmp_path / "model", f"--configuration {published} --weights {weights}")
    plain = given(published, tmp_path / "plain")
    found, expected = weights_of(made), weights_of(plain)
    assert found.keys() == expected.keys()
    for name, part in found.items():
        assert torch.equal(part, expected[name] * (scale if name.startswith(UNET) else 1)), name
    assert read_provenance(made / UNET)["given"] == {path.name: sha256_of(path)}
    if scale == 1:
        assert_same_model(made, plain)
        assert [image.tobytes() for image in drawn_by_diffusers(made)] == [
            image.tobytes() for image in drawn_by_diffusers(published)
        ]


def test_what_a_checkpoint_lacks_is_named(published, tmp_path):
    path = tmp_path / "model.ckpt"
    checkpoint = checkpoint_of(published, 0.5)
    torch.save(checkpoint, path)
    with pytest.raises(LetheError, match=r"neither configurations nor a tokenizer\n.*configuration"):
        given(path, tmp_path / "model")
    state = checkpoint["state_dict"]
    del state["model_ema.diffusion_modelout2bias"]
    torch.save(checkpoint, path)
    with pytest.raises(LetheError, match=r"not model_ema.diffusion_modelout2bias\n.*weights: live"):
        given(path, tmp_path / "model", f"--configuration {published}")
    del state["first_stage_model.decoder.mid.attn_1.q.weight"]
    torch.save(checkpoint, path)
    with pytest.raises(LetheError, match=r"its weights are not those of .*decoder.mid_block.attentions.0.to_q.weight"):
        given(path, tmp_path / "model", f"--configuration {published} --weights live")
    torch.save({"weights": torch.zeros(3)}, path)
    with pytest.raises(LetheError, match=r"no weights under model.diffusion_model"):
        given(path, tmp_path / "model", f"--configuration {published}")


# -------------------------------------------------------------------------------------------- Stable Diffusion 3


def given3(source: Path, folder: Path) -> Path:
    run(lethe.base.given_stable_diffusion3, f"--source {source} --model {folder}")
    return folder


def test_stable_diffusion_3_without_t5_draws_what_its_pipeline_draws(published3, tmp_path):
    folder = given3(published3, tmp_path / "model")
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == sorted(model_files("stable_diffusion_3"))
    model = StableDiffusion3.load(folder)
    assert (model.scaling, model.shift, model.scheduler.config.shift) == (1.5305, 0.0609, 3.0)
    table = torch.from_numpy(prompts3.embed_prompts(folder, ["", *WORDS], CPU))
    assert table.shape[1:] == (77 + 1, 48)  # without the 256 zeros that stand in T5's place
    assert model.condition_shape == (77 + 256 + 1, 48)
    images = model.sample([0, 1], table, TextSamplingSettings(sampler="euler", steps=4, guidance=7.0, kernel_batch=2))
    absent = {"text_encoder_3": None, "tokenizer_3": None}
    pipeline = StableDiffusion3Pipeline.from_pretrained(str(published3), local_files_only=True, **absent)
    pipeline.set_progress_bar_config(disable=True)
    generator = [torch.Generator().manual_seed(seed) for seed in range(2)]
    drawn = pipeline(WORDS, num_inference_steps=4, guidance_scale=7.0, generator=generator, height=64, width=64).images
    expected = torch.stack([_pixels(image) for image in drawn])
    assert (images.int() - expected.int()).abs().max() <= 1
    assert images.float().std() > 1
    second = CLIPTokenizer.from_pretrained(str(folder / "tokenizer_2"))
    assert second.pad_token == "!"


def test_t5_is_used_for_prompts_and_not_copied(published3, tmp_path, concept):
    folder, t5 = given3(published3, tmp_path / "model"), published_t5(tmp_path / "t5")
    rows = prompt_rows(concept)
    write_prompts(tmp_path / "prompts.csv", rows)
    words = f"embed --model {folder} --prompts {tmp_path}/prompts.csv --target x --concept-prompt nude --device cpu"
    run(lethe.sets.text, f"{words} --output {tmp_path}/without")
    run(lethe.sets.text, f"{words} --output {tmp_path}/with --t5 {t5}")
    without, table = (torch.from_numpy(read_arrays(tmp_path / name)[0]["table"]) for name in ("without", "with"))
    model = StableDiffusion3.load(folder)
    assert (without.shape[1:], table.shape[1:]) == (model.condition_shapes[1], model.condition_shape)
    tokens, pooled = unpack_prompts(table, model.pooled)
    short, same = unpack_prompts(without, model.pooled)
    assert torch.equal(tokens[:, :77], short)
    assert torch.equal(pooled, same)
    pipeline = StableDiffusion3Pipeline.from_pretrained(
        str(folder),
        text_encoder_3=prompts3.read_text_encoder(t5, "3", prompts3.AutoTokenizer, prompts3.T5EncoderModel)[1],
        tokenizer_3=prompts3.AutoTokenizer.from_pretrained(str(t5 / "tokenizer_3")),
    )
    with torch.no_grad():
        said = [row.prompt for row in rows[:2]]
        expected = pipeline.encode_prompt(said, None, None, do_classifier_free_guidance=False)[0]
    torch.testing.assert_close(tokens[2:4], expected, rtol=1e-4, atol=1e-5)  # behind the empty prompt and the concept's
    assert not list(folder.glob("*_3"))
    with pytest.raises(LetheError, match="a T5 of width 32, but the model takes 48"):
        run(lethe.sets.text, f"{words} --output {tmp_path}/no --t5 {published_t5(tmp_path / 'other', 32)}")


def test_t5_for_a_model_without_one_is_refused(published, tmp_path, concept):
    folder = given(published, tmp_path / "model")
    write_prompts(tmp_path / "prompts.csv", prompt_rows(concept))
    with pytest.raises(LetheError, match="a StableDiffusionPipeline has no T5"):
        run(
            lethe.sets.text,
            f"embed --model {folder} --prompts {tmp_path}/prompts.csv --target x --concept-prompt nude --device cpu "
            f"--t5 {tmp_path} --output {tmp_path}/out",
        )


def test_a_base_that_lethe_trained_with_no_tokens_of_t5_stays_so(tmp_path, flow_folder):
    folder = given3(flow_folder, tmp_path / "model")
    assert StableDiffusion3.load(folder).t5_tokens == 0
