"""Memory counted without running anything: against the published sizes, against a real network, and in its table."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import SD3Transformer2DModel, UNet2DConditionModel
from given_models import TRANSFORMER, UNET

from lethe import memory
from lethe.architectures import ARCHITECTURES, Architecture
from lethe.costs.networks import PUBLISHED
from lethe.errors import LetheError
from lethe.memory import GIB, count, peak_bytes
from lethe.methods import method_named, method_names
from lethe.methods.method import Method

DOCUMENT = Path(__file__).parents[2] / "docs" / "memory.md"
SMALL = {
    "small": Architecture("Small", "stable_diffusion", UNET | {"sample_size": 16}, 77),
    "small3": Architecture("Small 3", "stable_diffusion_3", TRANSFORMER | {"sample_size": 16}, 20),
}


def test_the_published_networks_have_their_published_sizes():
    assert count("sd14", "all", "float32", True, 1).weights == 859_520_964
    assert count("sd3_medium", "all", "float32", True, 1).weights == pytest.approx(2.03e9, rel=2e-3)
    # Custom Diffusion's count of cross-attention's keys and values in Stable Diffusion 1.
    assert count("sd14", "kv", "float32", True, 1).trainable == 19_169_280


@pytest.fixture
def small(monkeypatch) -> None:
    monkeypatch.setattr(memory, "ARCHITECTURES", ARCHITECTURES | SMALL)


def really_kept(name: str, batch: int, precision: str) -> int:
    """Bytes that a real forward pass on the CPU leaves for the backward."""
    config = SMALL[name].config
    noisy = torch.randn(batch, 4, 16, 16)
    if name == "small":
        network = UNet2DConditionModel.from_config(config).train()
        inputs = {"timestep": torch.zeros(batch).long(), "encoder_hidden_states": torch.randn(batch, 77, 16)}
    else:
        network = SD3Transformer2DModel.from_config(config).train()
        inputs = {
            "timestep": torch.zeros(batch),
            "encoder_hidden_states": torch.randn(batch, 20, 48),
            "pooled_projections": torch.randn(batch, 40),
        }
    weights = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    half = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16", cache_enabled=False)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), half:
        network(noisy, **inputs)
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("batch", [1, 3])
def test_activations_are_those_of_a_real_network(small, name, batch):
    counted = count(name, "all", "float32", False, batch)
    assert counted.activations == pytest.approx(really_kept(name, batch, "float32"), rel=0.05)


@pytest.mark.parametrize("name", SMALL)
def test_activations_of_half_precision_are_near_those_of_a_real_network(small, name):
    """A CPU normalises in bfloat16 where a GPU does in float32: the GPU's, which are counted, are more."""
    real, counted = really_kept(name, 4, "bfloat16"), count(name, "all", "bfloat16", False, 4).activations
    assert real <= counted < 1.6 * real
    assert counted < count(name, "all", "float32", False, 4).activations


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_checkpointing_keeps_less(small, precision):
    for name in SMALL:
        plain, checkpointed = (count(name, "all", precision, each, 4).activations for each in (False, True))
        assert checkpointed < 0.7 * plain


def test_the_parts_are_those_of_the_method(small):
    weights = count("small", "all", "float32", False, 1).weights
    parts = peak_bytes("small", "rgd", "float32", False)
    assert {name: size / (4 * weights) for name, size in parts.items() if name != "activations"} == {
        "weights": 1,
        "gradients": 2,
        "moments": 2,
        "teacher": 0,
        "mask": 0,
    }
    assert parts["activations"] == count("small", "all", "float32", False, 8).activations
    esd = peak_bytes("small", "esd", "float32", False)
    assert (esd["gradients"], esd["teacher"]) == (4 * weights, 4 * weights)
    assert peak_bytes("small", "esd", "bfloat16", False)["teacher"] == pytest.approx(2 * weights, rel=0.1)
    doco = peak_bytes("small", "doco_release", "float32", False)
    assert doco["moments"] == 8 * count("small", "kv", "float32", False, 1).trainable < weights
    salun = memory.training_bytes("small", method_named("salun").recipe("text"), "float32", False, None)
    assert salun["mask"] == weights
    assert sum(peak_bytes("small", "salun", "float32", False).values()) >= sum(salun.values())
    twice = peak_bytes("small", "rgd", "float32", False, batch=16)
    assert twice["activations"] == pytest.approx(2 * parts["activations"], rel=0.02)


@pytest.mark.parametrize("name", ["sd14", "sd3_medium"])
def test_the_plan_of_a_preset_reckons_with_the_same(name):
    """Counted there in another way: what is alive at the peak of a step, for one more example."""
    known = PUBLISHED[ARCHITECTURES[name].family].network
    for checkpointing, size in ((False, known.step_bytes), (True, known.checkpointed_bytes)):
        assert count(name, "all", "float32", checkpointing, 8).activations / 8 == pytest.approx(size, rel=0.08)


def test_what_is_not_there_has_no_memory():
    assert peak_bytes("sd14", "base", "float32", False) == {}
    with pytest.raises(LetheError, match="did you mean 'sd14'"):
        peak_bytes("sd41", "rgd", "float32", False)
    with pytest.raises(LetheError, match="there is no method"):
        peak_bytes("sd14", "rgdd", "float32", False)


def test_rgd_on_stable_diffusion_fits_a_card_of_24_gib_only_with_checkpointing():
    sums = {each: sum(peak_bytes("sd14", "rgd", "bfloat16", each).values()) for each in (False, True)}
    assert sums[True] + 1.5 * GIB < 24 * GIB < sums[False]


def test_the_document_is_in_step():
    text = DOCUMENT.read_text()
    for method in method_names():
        found = method_named(method)
        if isinstance(found, Method) and not isinstance(found.text, str):
            assert text.count(f"\n| {found.card.title} | {found.text.settings().batch} |") == len(ARCHITECTURES), method
    assert memory._INTRODUCTION in text
    assert memory._rows("sd14", "rgd")[0] in text
