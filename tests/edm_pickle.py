"""A writer of EDM's checkpoint format, for our own network: pickles as NVIDIA's training writes them."""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from lethe.models.ddpmpp import Block, DDPMpp

SOURCE = "raise SystemExit('this source was run')"
SIZES = {"sample_size": 8, "in_channels": 3, "num_class_embeds": 10, "augment_dim": 9, "width": 8, "layers": 1}
SIZES |= {"multipliers": [1, 2], "attention": [4]}


def small_network(seed: int = 0, **sizes: Any) -> DDPMpp:
    """A tiny DDPM++ with random weights everywhere: zeros would hide what they multiply."""
    torch.manual_seed(seed)
    network = DDPMpp(**{**SIZES, **sizes})
    with torch.no_grad():
        for module in network.modules():
            for name, weight in module.named_parameters(recurse=False):
                weight.normal_(std=0.3 if weight.dim() == 1 else 0.7 / weight[0].numel() ** 0.5)
                if isinstance(module, nn.GroupNorm) and name == "weight":
                    weight.add_(1)
    return network.eval()


class Persistent:
    """An object of a class that carries its own source."""

    def __init__(self, kind: str, source: str, state: Any) -> None:
        self.kind, self.state = kind, state
        self.source = source

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {"type": "class", "version": 6, "module_src": self.source, "class_name": self.kind, "state": self.state}
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


def checkpoint_of(network: DDPMpp, source: str = SOURCE, **wrapper: Any) -> dict[str, Any]:
    """What such a file holds, ready to be changed and written; ``wrapper`` are attributes of EDMPrecond."""
    config = network.config
    attributes = {
        "img_resolution": config.sample_size,
        "img_channels": config.in_channels,
        "label_dim": config.num_class_embeds,
        "use_fp16": False,
        "sigma_min": 0,
        "sigma_max": float("inf"),
        "sigma_data": 0.5,
        "_init_args": (),
        "_init_kwargs": {"model_type": "SongUNet", "dropout": config.dropout},
    }
    ema = _node("EDMPrecond", source, {**attributes, **wrapper}, modules={"model": _unet(network, source)})
    loss = Persistent("EDMLoss", source, {"P_mean": -1.2, "P_std": 1.2, "sigma_data": 0.5})
    return {"ema": ema, "loss_fn": loss, "augment_pipe": None, "dataset_kwargs": {"path": "cifar10-32x32.zip"}}


def _node(
    kind: str,
    source: str,
    attributes: Mapping[str, Any],
    parameters: Mapping[str, Any] | None = None,
    buffers: Mapping[str, Any] | None = None,
    modules: Mapping[str, Any] | None = None,
) -> Persistent:
    state = {
        "training": False,
        "_parameters": dict(parameters or {}),
        "_buffers": dict(buffers or {}),
        "_non_persistent_buffers_set": set(),
        "_backward_hooks": OrderedDict(),
        "_modules": dict(modules or {}),
        **attributes,
    }
    return Persistent(kind, source, state)


def _unet(network: DDPMpp, source: str) -> Persistent:
    half = network.config.width
    embedding = _node("PositionalEmbedding", source, {"num_channels": half, "max_positions": 10000, "endpoint": True})
    parts = {name: _part(child, source) for name, child in network.named_children()}
    attributes = {name: None for name in ("map_label", "map_augment") if name not in parts}
    return _node("SongUNet", source, {"label_dropout": 0, **attributes}, modules={"map_noise": embedding, **parts})


def _part(module: nn.Module, source: str, resample: str | None = None) -> Any:
    parameters = dict(module.named_parameters(recurse=False))
    if isinstance(module, nn.GroupNorm):
        return _node("GroupNorm", source, {"num_groups": module.num_groups, "eps": module.eps}, parameters)
    if isinstance(module, nn.Linear):
        return _node(
            "Linear", source, {"in_features": module.in_features}, parameters | {"bias": parameters.get("bias")}
        )
    if isinstance(module, nn.Conv2d):
        attributes = {"up": resample == "up", "down": resample == "down", "fused_resample": False}
        filters = {"resample_filter": torch.full((1, 1, 2, 2), 0.25) if resample else None}
        return _node("Conv2d", source, attributes, parameters, filters)
    if isinstance(module, Block):
        parts = {
            name: _part(child, source, module.resample if name in ("conv0", "skip") else None)
            for name, child in module.named_children()
        }
        attributes = {
            "num_heads": int(module.attention),
            "dropout": module.dropout,
            "skip_scale": np.sqrt(0.5),
            "adaptive_scale": False,
        }
        return _node("UNetBlock", source, attributes, modules=parts)
    container = nn.ModuleDict()  # torch's own: the files have it so
    container.__dict__["_modules"] = {name: _part(child, source) for name, child in module.named_children()}
    return container


def node_at(checkpoint: dict[str, Any], name: str) -> Persistent:
    """A module of ``ema`` by its dotted name ("": ema itself), to be changed."""
    node = checkpoint["ema"]
    for part in name.split(".") if name else ():
        node = (node.state if isinstance(node, Persistent) else node.__dict__)["_modules"][part]
    return node


@contextlib.contextmanager
def _names() -> Iterator[None]:
    """The module that pickle asks for the function by its name, while a file is written."""
    package, module = types.ModuleType("torch_utils"), types.ModuleType("torch_utils.persistence")

    def _reconstruct_persistent_obj(meta: Any) -> Any:
        raise AssertionError("the official reader was called")

    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj
    sys.modules |= {package.__name__: package, module.__name__: module}
    try:
        yield
    finally:
        del sys.modules[package.__name__], sys.modules[module.__name__]


def pickled(value: Any, protocol: int = 4) -> bytes:
    with _names():
        return pickle.dumps(value, protocol=protocol)


def write_edm(
    path: Path,
    network: DDPMpp,
    change: Callable[[dict[str, Any]], object] = lambda checkpoint: None,
    protocol: int = 4,
    **more: Any,
) -> Path:
    """A checkpoint of ``network``; ``change`` may spoil it before."""
    checkpoint = checkpoint_of(network, **more)
    change(checkpoint)
    path.write_bytes(pickled(checkpoint, protocol))
    return path


def storage_blob(elements: torch.Tensor) -> bytes:
    """The bytes that a pickled storage consists of."""
    storage = elements.__reduce_ex__(2)[1][0]
    return storage.__reduce__()[1][0]
