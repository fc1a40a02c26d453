"""The small detector of the workflow: its network, its training, and its export to ONNX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from lethe.data import CaptionedImages
from lethe.errors import LetheError, nearest
from lethe.files import written_whole
from lethe.judges.detector import detections
from lethe.judges.fitting import fit
from lethe.judges.pictures import noise_like, pixels, softened
from lethe.randomness import BatchStream, derived_seed, step_generator
from lethe.settings.judge import DetectorSettings

STRIDE = 4  # two of the convolutions halve the picture
_OPSET, _IR_VERSION = 17, 8


class DetectorNetwork(nn.Module):
    """Images (B, 3, S, S) in [0, 1] -> (B, 4 + P, G), see :mod:`lethe.judges.detector`; G = (S / 4) squared cells.

    A cell may place the centre of its box up to one cell away from its own.
    """

    def __init__(self, size: int, width: int, parts: int) -> None:
        super().__init__()
        channels, strides = [3, width, 2 * width, 2 * width, 2 * width], [1, 2, 2, 1]
        layers: list[nn.Module] = []
        for before, after, stride in zip(channels, channels[1:], strides, strict=False):
            layers += [nn.Conv2d(before, after, 3, stride, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels[-1], 4 + parts, 1))
        # To begin with nothing is found anywhere, which is nearly right (Lin et al. 2017, section 4.1).
        nn.init.constant_(self.layers[-1].bias[4:], -3.0)
        self.size, self.parts = size, parts
        cells = size // STRIDE
        row, column = (place.flatten() for place in torch.meshgrid(*[torch.arange(cells)] * 2, indexing="ij"))
        scale, offset = torch.ones(4 + parts, cells**2), torch.zeros(4 + parts, cells**2)
        scale[:2], scale[2:4] = 2 * STRIDE, size
        offset[:2] = (torch.stack([column, row]) - 0.5) * STRIDE
        self.register_buffer("scale", scale)
        self.register_buffer("offset", offset)

    def raw(self, images: Tensor) -> Tensor:
        """The output before its last step, the sigmoid and the step to pixels."""
        return self.layers(images).flatten(2)

    def forward(self, images: Tensor) -> Tensor:
        return self.raw(images).sigmoid() * self.scale + self.offset


def named_parts(data: CaptionedImages, settings: DetectorSettings) -> tuple[np.ndarray, tuple[str, ...]]:
    """The part (N,) int64 that each image shows, -1 for none, and the names of the parts: ``STRIPED_CIRCLE``."""
    head, _, concept = settings.concept.partition("=")
    for name in (head, settings.parts):
        if name not in data.heads:
            raise LetheError(f"the images have no attribute '{name}'", nearest(name, data.heads))
    if concept not in data.heads[head]:
        raise LetheError(f"the attribute '{head}' has no class '{concept}'", nearest(concept, data.heads[head]))
    labels = dict(zip(data.heads, data.labels.T, strict=True))
    shown = labels[head] == data.heads[head].index(concept)
    names = tuple(f"{concept}_{part}".upper().replace(" ", "_") for part in data.heads[settings.parts])
    return np.where(shown, labels[settings.parts], -1), names


def train_detector(
    data: CaptionedImages, settings: DetectorSettings, device: torch.device
) -> tuple[DetectorNetwork, tuple[str, ...]]:
    """Train on ``data`` and on noise-like images, which show nothing; gives the network and the names of its parts.

    As in anchor-free detectors (Tian et al. 2019), every cell whose centre is less than a cell's side from the
    object's, along both axes, is to find it: one of them always is, wherever the object lies.
    """
    size = data.images.shape[-1]
    if data.images.shape[-2] != size or size % STRIDE:
        raise LetheError(
            f"pictures of {data.images.shape[-2]} x {size} pixels", f"the detector takes squares, multiples of {STRIDE}"
        )
    torch.manual_seed(derived_seed(settings.seed, "initialisation"))
    shown, names = named_parts(data, settings)
    network = DetectorNetwork(size, settings.width, len(names)).to(device).train()
    images, part, boxes = pixels(data.images), torch.from_numpy(shown), torch.from_numpy(data.boxes)
    noise_count = min(max(1, round(settings.noise_share * settings.batch)), settings.batch - 1)
    batches = BatchStream(len(images), settings.batch - noise_count, settings.seed, "detector")
    models_for_noise = BatchStream(len(images), noise_count, settings.seed, "noise-like")

    def loss_of(number: int) -> Tensor:
        generator = step_generator(settings.seed, number)
        rows = torch.from_numpy(batches(number))
        noise = noise_like(images[torch.from_numpy(models_for_noise(number))], generator)
        batch = torch.cat([softened(images[rows], generator), noise])
        nothing = torch.full((noise_count,), -1)
        wanted = torch.cat([part[rows], nothing]), torch.cat([boxes[rows], torch.zeros(noise_count, 4)])
        return _loss(network, network.raw((batch.to(device) + 1) / 2), *(each.to(device) for each in wanted))

    fit(network, loss_of, steps=settings.steps, peak=settings.learning_rate, weight_decay=0.02, name="detector")
    return network.eval(), names


def _loss(network: DetectorNetwork, raw: Tensor, part: Tensor, boxes: Tensor) -> Tensor:
    """Binary cross-entropy of all scores, and the distance of the boxes of the cells that are to find one."""
    centre, extent = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    of_cells = network.offset[:2] + STRIDE
    near = ((of_cells - centre[:, :, None]).abs() < STRIDE).all(1) & (part >= 0)[:, None]
    wanted = near[:, None] & (torch.arange(network.parts, device=raw.device) == part[:, None])[:, :, None]
    count = near.sum().clamp(min=1)
    found = nn.functional.binary_cross_entropy_with_logits(raw[:, 4:], wanted.to(raw.dtype), reduction="sum") / count
    placed = raw[:, :4].sigmoid() * network.scale[:4] + network.offset[:4]
    distance = (placed - torch.cat([centre, extent], dim=1)[:, :, None]).abs().sum(1)
    return found + (distance * near).sum() / count / STRIDE


@torch.inference_mode()
def held_out_rates(
    network: DetectorNetwork, data: CaptionedImages, settings: DetectorSettings, device: torch.device
) -> dict[str, float]:
    """How good the network is on held-out images, above a score of 0.5: ``recall``, the share of those with the concept
    in which it is found as the right part and no other; ``false_alarms``, the share of the others in which anything is;
    the same for noise-like images made from all."""
    shown, _ = named_parts(data, settings)
    noise = noise_like(
        pixels(data.images), torch.Generator().manual_seed(derived_seed(settings.seed, "held-out noise"))
    )
    found, in_noise = (_detected(network, (each + 1) / 2, device) for each in (pixels(data.images), noise))
    has = shown >= 0
    right = np.array([parts == {part} for parts, part in zip(found, shown.tolist(), strict=True)])
    return {
        "recall": float(right[has].mean()),
        "false_alarms": float(np.array([bool(parts) for parts in found])[~has].mean()),
        "noise_like": float(np.mean([bool(parts) for parts in in_noise])),
        "n": len(shown),
    }


def _detected(network: DetectorNetwork, images: Tensor, device: torch.device) -> list[set[int]]:
    """The parts found in each image with a score above 0.5."""
    size = network.size
    output = torch.cat([network(block.to(device)).cpu() for block in images.split(256)]).numpy()
    found = detections(output, scale=1.0, height=size, width=size)
    return [set(found.part[(found.image == image) & (found.score > 0.5)].tolist()) for image in range(len(images))]


def save_detector(path: Path, network: DetectorNetwork, names: tuple[str, ...], provenance: dict[str, Any]) -> None:
    """Write the network in evaluation mode as ONNX, with batches of any size."""
    model = helper.make_model(_graph(network), opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="lethe")
    model.ir_version = _IR_VERSION
    metadata = {
        "names": str(dict(enumerate(names))),
        "imgsz": str([network.size, network.size]),
        "lethe": json.dumps(provenance, sort_keys=True),
    }
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    with written_whole(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def _graph(network: DetectorNetwork) -> onnx.GraphProto:
    nodes, weights, last = [], [], "images"

    def constant(name: str, tensor: Tensor) -> str:
        weights.append(numpy_helper.from_array(tensor.detach().cpu().numpy(), name))
        return name

    def add(kind: str, *inputs: str, output: str = "", **attributes: Any) -> None:
        nonlocal last
        last, before = output or f"{kind}{len(nodes)}", last
        nodes.append(helper.make_node(kind, [before, *inputs], [last], **attributes))

    for number, layer in enumerate(network.layers):
        if isinstance(layer, nn.Conv2d):
            names = [constant(f"{number}.{name}", tensor) for name, tensor in layer.named_parameters()]
            add("Conv", *names, strides=layer.stride, pads=[*layer.padding] * 2, kernel_shape=layer.kernel_size)
        elif isinstance(layer, nn.BatchNorm2d):
            tensors = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
            names = [constant(f"{number}.{place}", tensor) for place, tensor in enumerate(tensors)]
            add("BatchNormalization", *names, epsilon=layer.eps)
        else:
            add("Relu")
    rows, cells = network.scale.shape
    add("Reshape", constant("shape", torch.tensor([0, rows, cells])))
    add("Sigmoid")
    add("Mul", constant("scale", network.scale))
    add("Add", constant("offset", network.offset), output="output0")
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, network.size, network.size])
    made = helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["batch", rows, cells])
    return helper.make_graph(nodes, "detector", [given], [made], weights)
