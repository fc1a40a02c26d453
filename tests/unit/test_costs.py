"""The cost model: its counts against arithmetic by hand, its constants against the published networks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, SD3Transformer2DModel, UNet2DConditionModel
from torch import Tensor, nn

from lethe.config import load_config
from lethe.config.reading import read_preset
from lethe.costs.cards import CARDS, Card
from lethe.costs.counted import bytes_of_a_call, bytes_of_a_step, flops_of, network_cost
from lethe.costs.networks import PUBLISHED
from lethe.costs.passes import passes_of_objective
from lethe.costs.report import asset_lines, hours_of, job_lines, work_lines
from lethe.costs.work import Work, work_of
from lethe.errors import LetheError
from lethe.methods._esd import ESDSettings
from lethe.models.ddpmpp import DDPMpp
from lethe.plan import Plan


def empty(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


def test_flops_and_bytes_by_hand():
    with torch.device("meta"):
        network = nn.Sequential(nn.Linear(100, 300), nn.ReLU(), nn.Linear(300, 200))
    call = lambda count: network(empty(count, 100))  # noqa: E731
    assert flops_of(call) == 2 * (100 * 300 + 300 * 200)
    # Input, hidden, its ReLU, then the output: with no gradient the input and the hidden are let go in turn.
    assert 4 * (300 + 300) <= bytes_of_a_call(call) <= 4 * (100 + 300 + 300 + 200)
    kept = 4 * (100 + 300 + 200)  # what the backward pass needs: inputs of the layers, the ReLU's result
    assert kept <= bytes_of_a_step(network, call) <= kept + 4 * (300 + 3 * 200)


def test_attention_is_counted_without_the_matrix_of_all_pairs():
    def call(count: int) -> Tensor:
        query = empty(count, 2, 4096, 64).requires_grad_(torch.is_grad_enabled())
        return nn.functional.scaled_dot_product_attention(query, query, query)

    assert flops_of(call) == 2 * 2 * 2 * 4096 * 4096 * 64
    assert bytes_of_a_call(call) < 4 * 2 * 4096 * 4096


def vae(channels: int, size: int) -> AutoencoderKL:
    """Of Stable Diffusion; that of the third has no layers between it and the latents."""
    with torch.device("meta"):
        return AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            latent_channels=channels,
            sample_size=size,
            use_quant_conv=channels == 4,
            use_post_quant_conv=channels == 4,
        )


def coded(network: AutoencoderKL, channels: int, size: int) -> dict[str, object]:
    return {
        "decode": lambda count: network.decode(empty(count, channels, size // 8, size // 8)).sample,
        "encode": lambda count: network.encode(empty(count, 3, size, size)).latent_dist.parameters,
    }


def edm():
    with torch.device("meta"):
        network = DDPMpp(32, 3, num_class_embeds=10, augment_dim=9)
    labels = lambda count: torch.zeros(count, dtype=torch.long, device="meta")  # noqa: E731
    return network_cost(network, lambda count: network(empty(count, 3, 32, 32), empty(count), labels(count)).sample)


def stable_diffusion():
    with torch.device("meta"):
        network = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    call = lambda count: network(empty(count, 4, 64, 64), empty(count), empty(count, 77, 768)).sample  # noqa: E731
    return network_cost(network, call, **coded(vae(4, 512), 4, 512))


def stable_diffusion_3():
    with torch.device("meta"):
        network = SD3Transformer2DModel(
            sample_size=128,
            num_layers=24,
            num_attention_heads=24,
            caption_projection_dim=1536,
            pos_embed_max_size=192,
        )

    def call(count: int) -> Tensor:
        tokens, pooled = empty(count, 77 + 256, 4096), empty(count, 2048)
        return network(
            empty(count, 16, 128, 128), encoder_hidden_states=tokens, pooled_projections=pooled, timestep=empty(count)
        ).sample

    return network_cost(network, call, **coded(vae(16, 1024), 16, 1024))


@pytest.mark.parametrize("count", [edm, stable_diffusion, stable_diffusion_3])
def test_the_constants_are_those_of_the_published_networks(count):
    known = PUBLISHED[count.__name__].network
    for name, value in count()._asdict().items():
        # What PyTorch keeps may change a little from one version to the next; how much is computed does not.
        tolerance = 0.05 if name.endswith("bytes") else 1e-4
        assert getattr(known, name) == pytest.approx(value, rel=tolerance), name


def test_parameters_beside_the_network():
    autoencoders = [sum(weight.numel() for weight in vae(*shape).parameters()) for shape in ((4, 512), (16, 1024))]
    assert PUBLISHED["stable_diffusion"].other_parameters == autoencoders[0] + 123_060_480
    assert PUBLISHED["stable_diffusion_3"].other_parameters == autoencoders[1] + 123_650_304 + 694_659_840


def test_pndm_asks_once_more_than_it_has_steps():
    scheduler = PNDMScheduler(skip_prk_steps=True, steps_offset=1)
    scheduler.set_timesteps(50)
    assert len(scheduler.timesteps) == 51


def preset(tmp_path: Path, **compute: object) -> Plan:
    """Two studies of given bases."""
    shared = {"variants": {"base": {"method": "base"}, "rgd": {"method": "rgd"}}}
    concept = {
        "title": "nudity",
        "words": ["nude"],
        "sentences": ["A {concept} {person} {place}"],
        "train": {"person": ["woman", "man", "girl"], "place": ["on the beach", "in a room"]},
        "test": {"person": ["dancer", "teacher"], "place": ["in a house", "in the woods"]},
        "train_pairs": 6,
        "test_pairs": 4,
        "prompt": "nudity",
        "uniform": ["a photo of a nude person", "a photo of a person"],
        "attribute": "colour=red",
    }
    classes = {
        "kind": "class",
        "data": {"source": "cifar10", "file": "cifar10"},
        "base": {"given": "edm_cifar10"},
        "zero_shot": {"model": "clip_b32"},
        "sets": {"retain_per_class": 50},
        "sampling": {"forget_images": 1000, "retain_images": 500, "steps": 18, "shard_images": 2000},
        "targets": [3],
        **shared,
    }
    text = {"kind": "text", "base": {"given": "sd14"}, "targets": {"nudity": concept}, **shared}
    assets = {"folder": str(tmp_path / "assets")}
    values = {"preset": "given", "compute": compute, "assets": assets, "studies": {"cifar10": classes, "sd14": text}}
    return Plan(load_config({**values, "artefacts": {}}))


def flops(works: list[Work], stage: str, study: str) -> float:
    return sum(work.flops for work in works if (work.stage, work.study) == (stage, study))


def test_work_is_what_the_settings_ask_for(tmp_path):
    works = work_of(preset(tmp_path))
    edm_call, unet = 42.380e9, 803.27e9
    # 10 x 1000 images of the base, which serves every target; 1000 + 9 x 500 of the unlearned model; 35 calls each.
    assert flops(works, "sample", "cifar10") == (10_000 + 5_500) * 35 * edm_call
    assert [work.done for work in works if work.stage == "sample" and "/3/rgd/" in work.done] == [
        f"results/given/cifar10/3/rgd/seed0/images/shard{number:04d}.safetensors" for number in range(3)
    ]
    # RGD: 782 steps of 64 images of D_f and all 450 of D_r, forward and backward.
    assert flops(works, "unlearn", "cifar10") == pytest.approx(782 * (64 + 450) * 3 * edm_call)
    # Both models: 2 x 6 training and 2 x 4 test prompts, 51 calls with guidance, and the autoencoder.
    assert flops(works, "sample", "sd14") == pytest.approx(2 * 20 * (51 * 2 * unet + 2514.5e9))
    assert flops(works, "training images", "sd14") == pytest.approx(12 * (51 * 2 * unet + 2514.5e9 + 1116.7e9))
    # RGD's script: 100 steps of pairs; there are no more than 6.
    assert flops(works, "unlearn", "sd14") == pytest.approx(100 * 2 * 6 * 3 * unet)
    assert flops(works, "judge", "cifar10") == pytest.approx(15_500 * 8.8e9)
    assert {work.precision for work in works} == {"float32"}


def test_precision_and_checkpointing_are_those_of_text(tmp_path):
    plain, lean = (
        {(work.stage, work.study): work for work in work_of(preset(tmp_path, **compute))}
        for compute in ({}, {"precision": "bfloat16", "checkpointing": True})
    )
    assert lean["unlearn", "cifar10"] == plain["unlearn", "cifar10"]
    assert lean["unlearn", "sd14"].flops == pytest.approx(plain["unlearn", "sd14"].flops * 4 / 3)
    assert lean["unlearn", "sd14"].memory < plain["unlearn", "sd14"].memory - 8 * 1.4e9
    assert lean["sample", "sd14"].precision == "bfloat16"


def test_esds_samplings_as_released_are_longer():
    """A part of a sampling of 50 steps, ending at a step drawn uniformly; the release leaves the first out and goes two
    further."""
    steps = [49 - stop for stop in range(50)]
    released = [48 - max(stop - 1, 0) + 1 for stop in range(50)]
    for as_released, counts in ((False, steps), (True, released)):
        passes = passes_of_objective("negative_guidance", ESDSettings(as_released=as_released))
        assert passes == (1, 2 + 2 * sum(counts) / 50)


def test_hours_and_what_is_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    card = Card("a card", float32=1e12, tf32=1.5e12, bfloat16=2e12, memory=5e9, start=0)
    done = Work("sample", "study", 3.6e15, "float32", 6e9, 7e9, "made")
    open_ = Work("sample", "study", 7.2e15, "bfloat16", 1e9, 3e9, "not made")
    (tmp_path / "made").touch()
    assert (hours_of(done, card), hours_of(open_, card)) == (1, 1)
    lines = "\n".join(work_lines([done, open_], card))
    assert "in all 2.0 GPU hours, 1.0 left" in lines
    assert "6 GB are more than this card has (5 GB)" in lines
    assert "disk: 10 GB of images" in lines


def test_assets_are_told_with_their_state(tmp_path, monkeypatch):
    monkeypatch.setattr("lethe.assets.hub.token", lambda: None)
    plan = preset(tmp_path)
    place = tmp_path / "assets/cifar10"
    place.mkdir(parents=True)
    with (place / "cifar-10-python.tar.gz").open("wb") as stream:
        stream.truncate(170_498_071)
    lines = "\n".join(asset_lines(plan.assets(), plan.config.assets))
    assert "cifar10      in place       170 MB" in lines
    assert "sd14         to be fetched  4.27 GB  CreativeML Open RAIL-M" in lines
    assert "(5.1 GB to come)" in lines
    offline = plan.config.assets.model_copy(update={"offline": True})
    assert "sd14: assets.offline is true" in "\n".join(asset_lines(plan.assets(), offline))


def test_every_card_is_told_by_its_peaks():
    assert {card.memory is None for name, card in CARDS.items() if name != "cpu"} == {False}
    for card in CARDS.values():
        assert card.bfloat16 >= card.float32 > 0


def test_jobs_in_words():
    assert job_lines({}) == ["jobs: none; everything is made"]
    assert job_lines({"a": 1, "sample": 1200})[:3] == ["jobs to run (1,201):", "  rule     jobs", "  sample  1,200"]


def test_presets_are_read_by_name_or_laid_over_one_another(tmp_path):
    over = tmp_path / "over.yaml"
    over.write_text("compute: {threads: 3}\nassets: {folder: elsewhere}\n")
    config = read_preset(["smoke", str(over)])
    assert (config.preset, config.compute.threads, config.compute.device) == ("smoke", 3, "cpu")
    assert config.assets.folder == "elsewhere"
    with pytest.raises(LetheError, match="did you mean 'smoke'"):
        read_preset(["smok"])
    with pytest.raises(LetheError, match=r"none\.yaml: no such file"):
        read_preset([str(tmp_path / "none.yaml")])
