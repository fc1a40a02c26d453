"""The DDPM++ of EDM against a recomputation of its definition in float64, without torch's layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from edm_pickle import SIZES, small_network

from lethe.models.ddpmpp import DDPMpp
from lethe.models.folder import read_network, write_network


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


class ByHand:
    """F(x; c, y, a) of the weights ``w``, one image at a time, (C, H, W)."""

    def __init__(self, network: DDPMpp) -> None:
        self.w = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}
        self.config = network.config

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        groups = np.split(x, min(32, len(x) // 4))  # as many channels in each
        even = [(group - group.mean()) / np.sqrt(group.var() + 1e-6) for group in groups]
        return np.concatenate(even) * self.w[f"{name}.weight"][:, None, None] + self.w[f"{name}.bias"][:, None, None]

    def conv(self, name: str, x: np.ndarray) -> np.ndarray:
        weight, (_, height, width) = self.w[f"{name}.weight"], x.shape
        reach = weight.shape[-1] // 2
        padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)))
        total = np.zeros((len(weight), height, width))
        for row in range(weight.shape[2]):
            for column in range(weight.shape[3]):
                seen = padded[:, row : row + height, column : column + width]
                total += np.einsum("oi,ihw->ohw", weight[:, :, row, column], seen)
        return total + self.w[f"{name}.bias"][:, None, None]

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return self.w[f"{name}.weight"] @ x + self.w.get(f"{name}.bias", 0)

    def block(self, name: str, x: np.ndarray, e: np.ndarray) -> np.ndarray:
        def resampled(y: np.ndarray) -> np.ndarray:
            if name.endswith("_down"):
                return (y[:, ::2, ::2] + y[:, 1::2, ::2] + y[:, ::2, 1::2] + y[:, 1::2, 1::2]) / 4
            return np.kron(y, np.ones((1, 2, 2))) if name.endswith("_up") else y

        h = self.conv(f"{name}.conv0", resampled(silu(self.norm(f"{name}.norm0", x))))
        h = h + self.linear(f"{name}.affine", e)[:, None, None]
        h = self.conv(f"{name}.conv1", silu(self.norm(f"{name}.norm1", h)))
        s = self.conv(f"{name}.skip", resampled(x)) if f"{name}.skip.weight" in self.w else x
        x = (s + h) / np.sqrt(2)
        if f"{name}.qkv.weight" not in self.w:
            return x
        seen = self.conv(f"{name}.qkv", self.norm(f"{name}.norm2", x)).reshape(3 * len(x), -1)
        query, key, value = seen[0::3], seen[1::3], seen[2::3]
        found = np.zeros_like(value)
        for place in range(found.shape[1]):
            weights = np.exp(query[:, place] @ key / np.sqrt(len(x)))
            found[:, place] = value @ (weights / weights.sum())
        return (x + self.conv(f"{name}.proj", found.reshape(x.shape))) / np.sqrt(2)

    def __call__(self, x: np.ndarray, c: float, y: int | None, a: np.ndarray | None) -> np.ndarray:
        config = self.config
        frequencies = [10000 ** (-i / (config.width // 2 - 1)) for i in range(config.width // 2)]
        n = np.array([np.sin(c * f) for f in frequencies] + [np.cos(c * f) for f in frequencies])
        if y is not None:
            n = n + self.linear("map_label", np.sqrt(config.num_class_embeds) * np.eye(config.num_class_embeds)[y])
        if a is not None:
            n = n + self.linear("map_augment", a)
        e = silu(self.linear("map_layer1", silu(self.linear("map_layer0", n))))

        levels = [config.sample_size // 2**level for level in range(len(config.multipliers))]
        x = self.conv(f"enc.{levels[0]}x{levels[0]}_conv", x)
        pushed = [x]
        for size in levels:
            names = [] if size == levels[0] else [f"enc.{size}x{size}_down"]
            for name in names + [f"enc.{size}x{size}_block{j}" for j in range(config.layers)]:
                x = self.block(name, x, e)
                pushed.append(x)
        for size in reversed(levels):
            ends = ["in0", "in1"] if size == levels[-1] else ["up"]
            for end in ends:
                x = self.block(f"dec.{size}x{size}_{end}", x, e)
            for j in range(config.layers + 1):
                x = self.block(f"dec.{size}x{size}_block{j}", np.concatenate([x, pushed.pop()]), e)
        assert not pushed
        last = f"dec.{levels[0]}x{levels[0]}_aux"
        return self.conv(f"{last}_conv", silu(self.norm(f"{last}_norm", x)))


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"layers": 2, "multipliers": [2, 2, 2], "sample_size": 16, "attention": [8]},
        {"multipliers": [2, 1, 3], "attention": [8, 2], "in_channels": 1, "embedding_multiplier": 2},
        {"num_class_embeds": 0, "augment_dim": 0, "attention": []},
        {"width": 12, "multipliers": [3], "layers": 3},
    ],
    ids=["small", "three levels", "two attentions", "no labels", "one level"],
)
def test_the_network_is_what_its_definition_says(sizes):
    network = small_network(**sizes).double()
    by_hand, generator = ByHand(network), torch.Generator().manual_seed(1)
    shape = (network.config.in_channels, network.config.sample_size, network.config.sample_size)
    x = torch.randn(3, *shape, generator=generator, dtype=torch.float64)
    noise = torch.tensor([-1.5, 0.1, 1.1], dtype=torch.float64)
    classes = torch.tensor([0, 3, 9]) if network.config.num_class_embeds else None
    told = [None, torch.randn(3, 9, generator=generator, dtype=torch.float64)] if network.config.augment_dim else [None]
    for augmentation in told:
        with torch.no_grad():
            found = network(x, noise, class_labels=classes, augment_labels=augmentation).sample
        for row in range(3):
            expected = by_hand(
                x[row].numpy(),
                float(noise[row]),
                None if classes is None else int(classes[row]),
                None if augmentation is None else augmentation[row].numpy(),
            )
            np.testing.assert_allclose(found[row], expected, rtol=0, atol=1e-11)
        assert found.abs().max() > 0.5  # nothing is hidden by small weights


def test_the_network_of_cifar_has_edms_weights():
    with torch.device("meta"):
        network = DDPMpp(sample_size=32, in_channels=3, num_class_embeds=10, augment_dim=9)
    shapes = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    assert (len(shapes), sum(weight.numel() for weight in network.parameters())) == (419, 55_735_299)
    for name, shape in {
        "map_label.weight": (128, 10),
        "map_augment.weight": (128, 9),
        "map_layer0.weight": (512, 128),
        "enc.32x32_conv.weight": (128, 3, 3, 3),
        "enc.32x32_block0.conv0.weight": (256, 128, 3, 3),
        "enc.16x16_down.skip.weight": (256, 256, 1, 1),
        "enc.16x16_block0.qkv.weight": (768, 256, 1, 1),
        "dec.8x8_in0.proj.weight": (256, 256, 1, 1),
        "dec.16x16_block4.qkv.bias": (768,),
        "dec.32x32_block4.norm0.weight": (384,),
        "dec.32x32_aux_conv.weight": (3, 256, 3, 3),
    }.items():
        assert shapes[name] == shape, name
    attentions = [name.rpartition(".qkv")[0] for name in shapes if name.endswith("qkv.weight")]
    assert attentions == [*(f"enc.16x16_block{j}" for j in range(4)), "dec.8x8_in0", "dec.16x16_block4"]
    assert not any("bias" in name for name in shapes if name.startswith("map_augment"))


def test_dropout_is_active_in_training_alone():
    network = small_network(dropout=0.5)
    asked = torch.ones(2, 3, 8, 8), torch.zeros(2), torch.tensor([1, 2])
    with torch.no_grad():
        still, again = (network(*asked).sample for _ in range(2))
        network.train()
        torch.manual_seed(0)
        one = network(*asked).sample
        other = network(*asked).sample
        torch.manual_seed(0)
        same = network(*asked).sample
    assert torch.equal(still, again)
    assert not torch.equal(one, other)
    assert torch.equal(one, same)


def test_a_folder_gives_the_network_back(tmp_path):
    network = small_network()
    write_network(tmp_path, network, {"stage": "test"})
    again, provenance = read_network(tmp_path, DDPMpp)
    assert provenance == {"stage": "test"}
    assert {key: again.config[key] for key in SIZES} == SIZES
    assert list(again.state_dict()) == list(network.state_dict())
    assert all(torch.equal(again.state_dict()[name], weight) for name, weight in network.state_dict().items())
