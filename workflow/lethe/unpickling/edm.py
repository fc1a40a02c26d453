"""EDM's published checkpoints (Karras et al. 2022): what is in them, checked, without running the source they carry."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lethe.errors import LetheError
from lethe.files import sha256_of
from lethe.settings.network import PreconditioningSettings
from lethe.unpickling.core import RefusedError, refusing
from lethe.unpickling.persistence import Node, read_persistent

# What each kind of module must say of itself, where it says it: nothing else can be said by our network.
_MUST_BE: dict[str, dict[str, Any]] = {
    "EDMPrecond": {"use_fp16": False, "sigma_min": 0, "sigma_max": math.inf},
    "SongUNet": {"label_dropout": 0},
    "PositionalEmbedding": {"endpoint": True, "max_positions": 10000},
    "UNetBlock": {"adaptive_scale": False, "skip_scale": math.sqrt(0.5)},
    "GroupNorm": {"eps": 1e-6},
    "Conv2d": {"fused_resample": False},
    "Linear": {},
    "ModuleDict": {},
}
_ANOTHER = "give a DDPM++ checkpoint of EDM, as edm-cifar10-32x32-cond-vp.pkl"


@dataclass(frozen=True)
class EDMCheckpoint:
    """A DDPM++ network in EDM's preconditioning, with where it comes from.

    ``network`` are the arguments of :class:`lethe.models.ddpmpp.DDPMpp`, ``tensors`` its weights by name. ``asked``
    counts what the pickle asked for, ``sources`` has the sha256 of the source text that each class carried.
    """

    network: dict[str, Any]
    preconditioning: PreconditioningSettings
    tensors: dict[str, Tensor]
    sha256: str
    asked: dict[str, int]
    sources: dict[str, str]


def read_edm(path: str | Path) -> EDMCheckpoint:
    """Read the averaged weights (``ema``) of a checkpoint; LetheError names what no DDPM++ of EDM has."""
    with refusing(path):
        values, asked = read_persistent(Path(path))
        ema = values.get("ema")
        if not isinstance(ema, Node):
            raise RefusedError("it has no network called ema")
        for name, node in ema.modules():
            _check(path, name or "ema", node)
        network, tensors = _network_of(path, ema)
        return EDMCheckpoint(
            network,
            _preconditioning_of(path, ema, values.get("loss_fn")),
            tensors,
            sha256_of(path),
            asked,
            {node.kind: node.source for _, node in ema.modules() if node.source},
        )


def _check(path: str | Path, name: str, node: Node) -> None:
    if node.kind not in _MUST_BE:
        raise LetheError(f"{path}: {name} is a {node.kind}, which no DDPM++ has", _ANOTHER)
    wanted = dict(_MUST_BE[node.kind])
    if node.kind == "UNetBlock":
        wanted["num_heads"] = 1 if "qkv" in node.children else 0
    if node.kind == "GroupNorm" and "weight" in node.tensors:
        channels = len(node.tensors["weight"])
        wanted["num_groups"] = min(32, channels // 4)
    for key, value in wanted.items():
        found = node.attributes.get(key, value)
        if not (isinstance(found, int | float) and math.isclose(found, value, abs_tol=1e-12)):
            raise LetheError(f"{path}: {name}.{key} is {found!r}, not {value!r}", _ANOTHER)
    resampling = node.tensors.get("resample_filter")
    if resampling is not None and (resampling.shape != (1, 1, 2, 2) or not bool((resampling == 0.25).all())):
        raise LetheError(f"{path}: {name}.resample_filter is not the mean of 2 x 2 pixels", _ANOTHER)


def _network_of(path: str | Path, ema: Node) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The network's arguments, which follow from the names and shapes of its weights; and these."""
    model = ema.children.get("model")
    if ema.kind != "EDMPrecond" or model is None or model.kind != "SongUNet":
        raise LetheError(f"{path}: its network is no SongUNet in EDMPrecond", _ANOTHER)
    tensors = {name: part for name, part in model.all_tensors().items() if not name.endswith("resample_filter")}

    def shape(name: str) -> tuple[int, ...]:
        if name not in tensors:
            raise LetheError(f"{path}: there is no weight model.{name}", _ANOTHER)
        return tuple(tensors[name].shape)

    places = [re.fullmatch(r"enc\.(\d+)x\1_block(\d+)\.conv0\.weight", name) for name in tensors]
    found = sorted({(-int(place[1]), int(place[2])) for place in places if place})
    sizes = sorted({-size for size, _ in found}, reverse=True)
    layers = 1 + max((block for _, block in found), default=0)
    if not sizes or len(found) != len(sizes) * layers:
        raise LetheError(f"{path}: its network has no encoder with as many blocks in each resolution", _ANOTHER)
    stem = shape(f"enc.{sizes[0]}x{sizes[0]}_conv.weight")
    width = stem[0]
    network = {
        "sample_size": sizes[0],
        "in_channels": stem[1],
        "num_class_embeds": shape("map_label.weight")[1] if "map_label.weight" in tensors else 0,
        "augment_dim": shape("map_augment.weight")[1] if "map_augment.weight" in tensors else 0,
        "width": width,
        "multipliers": [shape(f"enc.{size}x{size}_block0.conv0.weight")[0] // width for size in sizes],
        "embedding_multiplier": shape("map_layer0.weight")[0] // width,
        "layers": layers,
        "attention": [size for size in sizes if f"enc.{size}x{size}_block0.qkv.weight" in tensors],
        "dropout": _dropout_of(path, model),
    }
    said = {"img_resolution": "sample_size", "img_channels": "in_channels", "label_dim": "num_class_embeds"}
    for key, ours in said.items():
        if ema.attributes.get(key, network[ours]) != network[ours]:
            raise LetheError(
                f"{path}: {key} is {ema.attributes[key]!r}, but the weights are for {network[ours]}", _ANOTHER
            )
    return network, tensors


def _dropout_of(path: str | Path, model: Node) -> float:
    found = {node.attributes.get("dropout") for _, node in model.modules() if node.kind == "UNetBlock"}
    (dropout,) = found if len(found) == 1 else (None,)
    if not (isinstance(dropout, int | float) and 0 <= dropout < 1):
        raise LetheError(f"{path}: the dropout of its blocks is {sorted(map(str, found))}", _ANOTHER)
    return float(dropout)


def _preconditioning_of(path: str | Path, ema: Node, loss: Any) -> PreconditioningSettings:
    """sigma_data of the network; P_mean and P_std of the training, where the file has its loss, else EDM's."""
    data = ema.attributes.get("sigma_data")
    if not (isinstance(data, int | float) and data > 0):
        raise LetheError(f"{path}: sigma_data is {data!r}", _ANOTHER)
    said = loss.attributes if isinstance(loss, Node) and loss.kind == "EDMLoss" else {}
    names = {"P_mean": "p_mean", "P_std": "p_std"}
    return PreconditioningSettings(
        sigma_data=data, **{ours: float(said[key]) for key, ours in names.items() if key in said}
    )
