"""Half precision and gradient checkpointing: what they change, and what they do not."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from stages import run

import lethe.models.latent
import lethe.unlearn.__main__
from lethe.errors import LetheError
from lethe.files import read_provenance
from lethe.methods.method import Batch
from lethe.model_files import weights_of
from lethe.models import family_of, load_denoiser
from lethe.objectives import denoise
from lethe.sets import read_sets
from lethe.settings.text_sampling import TextSamplingSettings
from lethe.unlearn.sides import Side

pytest_plugins = ["text_models"]

FAMILIES = ("text", "flow")


@pytest.fixture(params=FAMILIES)
def base(request) -> Path:
    return request.getfixturevalue(f"{request.param}_folder")


@pytest.fixture
def study(request, base) -> Path:
    return request.getfixturevalue("text_study" if "text_base" in str(base) else "flow_study")


def gradients(model, study) -> list[torch.Tensor]:
    """Of the denoising loss on four examples."""
    sets = read_sets(study / "diversified", study / "embeddings")
    side = Side(model, torch.from_numpy(sets.table), sets.retain_clean, sets.retain_conditions)
    generator = torch.Generator().manual_seed(0)
    batch = Batch(generator=generator, **side.rows(np.arange(4)))
    loss = denoise(model, batch, None)
    loss.backward()
    assert loss.dtype == torch.float32
    return [weight.grad for weight in model.network.parameters()]


def test_gradients_of_half_precision_are_float32_and_near(base, study):
    exact = gradients(load_denoiser("text", base), study)
    model = load_denoiser("text", base, precision="bfloat16")
    found = gradients(model, study)
    assert {part.dtype for part in (*found, *model.network.parameters())} == {torch.float32}
    flat, expected = (torch.cat([part.flatten() for part in parts]) for parts in (found, exact))
    assert not torch.equal(flat, expected)
    assert torch.cosine_similarity(flat, expected, 0) > 0.99
    assert flat.norm() == pytest.approx(float(expected.norm()), rel=0.05)


def test_a_network_that_only_predicts_is_half_as_big_and_the_same_to_the_bit(base):
    model = load_denoiser("text", base, precision="bfloat16")
    frozen = model.frozen()
    inputs = torch.randn(2, *model.latent_shape), torch.tensor([30, 900]), torch.randn(2, *model.condition_shape)
    with torch.no_grad():
        assert torch.equal(model._ask(*inputs), frozen._ask(*inputs))
        assert not torch.equal(model._ask(*inputs), load_denoiser("text", base)._ask(*inputs))
    sizes = [sum(weight.nbytes for weight in each.network.parameters()) for each in (model, frozen)]
    assert sizes[1] < 0.55 * sizes[0]
    assert {weight.dtype for weight in model.network.parameters()} == {torch.float32}


def test_images_of_half_precision_are_near(base, study):
    settings = TextSamplingSettings(
        steps=6, kernel_batch=2, guidance=3, sampler="pndm" if "text_base" in str(base) else "euler"
    )
    table = torch.from_numpy(read_sets(study / "diversified", study / "embeddings").table)[:3]
    exact = load_denoiser("text", base).sample([1, 2], table, settings)
    model = load_denoiser("text", base, precision="bfloat16")
    images = model.sample([1, 2], table, settings)
    model.only_predict()
    assert torch.equal(model.sample([1, 2], table, settings), images)
    difference = (images.int() - exact.int()).abs()
    assert 0 < difference.float().mean() < 6
    assert difference.max() < 80


def kept_bytes(model, study) -> int:
    """What the forward pass keeps for the backward, but for the weights."""
    weights = {weight.data_ptr() for weight in model.network.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        gradients(model, study)
    return sum(kept.values())


def test_checkpointing_keeps_less_and_changes_nothing(base, study):
    plain, checkpointed = (load_denoiser("text", base) for _ in range(2))
    checkpointed.network.enable_gradient_checkpointing()
    expected, found = gradients(plain, study), gradients(checkpointed, study)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert kept_bytes(checkpointed, study) < 0.7 * kept_bytes(plain, study)


def unlearned(folder, base, study, method, words) -> tuple[dict, dict]:
    strategy, more = "diversified", ""
    if method == "doco_release":
        strategy, more = "anchored", "--discriminator-layers 1 --discriminator-width 8 --warm-up 0"
    run(
        lethe.unlearn.__main__,
        f"text {method} {more} --base {base} --sets {study}/{strategy} --embeddings {study}/embeddings "
        f"--model {folder}/model --trajectory {folder}/t --conflict {folder}/c --cost {folder}/cost "
        f"--steps 3 --batch 2 --device cpu {words}",
    )
    path = folder / "model" / weights_of(family_of("text", base))
    return load_file(path), read_provenance(path)


@pytest.mark.parametrize("method", ["rgd", "salun", "esd", "doco_release"])
def test_unlearning_in_half_precision(base, study, tmp_path, method):
    plain, record = unlearned(tmp_path / "plain", base, study, method, "")
    assert (record["precision"], record["checkpointing"]) == ("float32", False)
    same, record = unlearned(tmp_path / "checkpointed", base, study, method, "--checkpointing")
    assert record["checkpointing"] is True
    assert all(torch.equal(part, same[name]) for name, part in plain.items())
    half, record = unlearned(tmp_path / "half", base, study, method, "--precision bfloat16 --checkpointing")
    assert record["precision"] == "bfloat16"
    assert {part.dtype for part in half.values()} == {torch.float32}
    assert any(not torch.equal(part, half[name]) for name, part in plain.items())
    assert all(torch.allclose(part, half[name], atol=1e-3) for name, part in plain.items())


def test_each_image_can_have_a_guidance_of_its_own(base, study):
    settings = TextSamplingSettings(
        steps=4, kernel_batch=2, guidance=9, sampler="pndm" if "text_base" in str(base) else "euler"
    )
    table = torch.from_numpy(read_sets(study / "diversified", study / "embeddings").table)[:4]
    model, own = load_denoiser("text", base), np.array([1.0, 7.5, 3.1])
    images = model.sample([5, 6, 7], table, settings, guidance=own)
    for place, guidance in enumerate(own):
        alone = settings.model_copy(update={"guidance": float(guidance)})
        assert torch.equal(model.sample([5, 6, 7], table, alone)[place], images[place])
    assert not torch.equal(model.sample([5, 6, 7], table, settings), images)
    with pytest.raises(LetheError, match="2 numbers of guidance for 3 images"):
        model.sample([5, 6, 7], table, settings, guidance=own[:2])


@pytest.mark.parametrize(("pixels", "batch", "sizes"), [(1, 6, [1]), (600, 6, [2]), (1100, 6, [3]), (10**6, 6, [6])])
def test_the_autoencoder_works_in_parts_of_one_size(text_model, monkeypatch, pixels, batch, sizes):
    """A part that is shorter than the others could give its images other bytes."""
    latents = torch.randn(batch, *text_model.latent_shape)
    with torch.no_grad():
        whole = text_model.decode(latents)
        monkeypatch.setattr(lethe.models.latent, "_PIXELS_AT_A_TIME", pixels)
        seen: list[int] = []
        text_model.autoencoder().decoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
        torch.testing.assert_close(text_model.decode(latents), whole, rtol=1e-3, atol=1e-4)
    assert [size for size, _ in itertools.groupby(seen)] == sizes
    assert sum(seen) == batch
    images = torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8)
    parts = text_model.encode(images)
    monkeypatch.setattr(lethe.models.latent, "_PIXELS_AT_A_TIME", 10**9)
    torch.testing.assert_close(parts, text_model.encode(images), rtol=1e-3, atol=1e-4)
