"""The network of another model, compared with that of the base, tensor by tensor."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from lethe.errors import LetheError
from lethe.unpickling.weights import read_weights_file, tensors_in

# A single file may hold the network under one of these, and its tensors under this beginning of their names.
_WRAPPERS = ("state_dict", "unet", "transformer")
_BEGINNINGS = ("unet.", "transformer.")
# What it may hold beside these, as Concept Ablation's files do that fine-tune the text encoder too.
_OTHER_PARTS = ("text_encoder", "text_encoder_2", "text_encoder_3", "vae")
_OF_ADAPTERS = ("lora", "hada", "lokr", "alpha")


class Overlay(NamedTuple):
    """All tensors of a network, float32, by name; how many were given, and how many differ from the base's."""

    tensors: dict[str, Tensor]
    given: int
    changed: int

    @property
    def counts(self) -> dict[str, int]:
        return {"tensors": len(self.tensors), "given": self.given, "changed": self.changed}


def read_weights(source: Path) -> dict[str, Tensor]:
    """The tensors of a file by name; nothing in it is run."""
    found = read_weights_file(source)
    while (inside := next((key for key in _WRAPPERS if isinstance(found.get(key), Mapping)), None)) is not None:
        if others := [part for part in _OTHER_PARTS if found.get(part)]:
            raise LetheError(
                f"{source}: beside the network's weights it holds those of {others[0]}, which would be left out",
                "give the folder of the whole pipeline (save_pretrained), which is measured with all its parts",
            )
        found = found[inside]
    tensors = tensors_in(found)
    if not tensors:
        raise LetheError(f"{source}: no weights in it", "give a state dict of the network, or a folder")
    for beginning in _BEGINNINGS:
        if all(name.startswith(beginning) for name in tensors):
            return {name.removeprefix(beginning): tensor for name, tensor in tensors.items()}
    return tensors


def laid_over(source: Path, found: Mapping[str, Tensor], base: Path, partial: bool = False) -> Overlay:
    """The network whose tensors are ``found``, beside the base's in the file ``base``. LetheError unless it has just
    the base's names and shapes (with ``partial``, no others), finite numbers, and none in another kind than floats."""
    tensors, changed = {}, 0
    with safe_open(str(base), framework="pt") as stream:
        names = list(stream.keys())
        _check_names(source, found.keys(), names, partial)
        for name in names:
            own = stream.get_tensor(name)
            theirs = found.get(name)
            tensors[name] = own if theirs is None else _checked(source, name, theirs, own)
            changed += not torch.equal(tensors[name], own)
    return Overlay(tensors, len(found), changed)


def check_configuration(source: Path, found: Mapping[str, Any], base: Mapping[str, Any]) -> None:
    """LetheError where two networks of one class and the same tensors would reckon with them differently."""
    # As in a file: there a default that is a tuple is a list.
    found, base = (json.loads(json.dumps(dict(one))) for one in (found, base))
    for key in sorted(found.keys() | base.keys()):
        if not key.startswith("_") and found.get(key) != base.get(key):
            raise LetheError(
                f"{source}: its configuration has {key} {found.get(key)}, the base's has {base.get(key)}",
                "give a model that was unlearned from the study's base",
            )


def _check_names(source: Path, found: Any, names: list[str], partial: bool) -> None:
    known, there = set(names), set(found)
    for name in sorted(there - known):
        adapts = any(word in name.lower() for word in _OF_ADAPTERS)
        raise LetheError(
            f"{source}: a weight {name}, which the network of the base has not",
            "an adapter such as LoRA is to be fused into its base first (fuse_lora, then save_pretrained)"
            if adapts
            else "give a model that was unlearned from the study's base, its weights under diffusers' names",
        )
    missing = sorted(known - there)
    if missing and not partial:
        raise LetheError(
            f"{source}: {len(missing)} of the base's {len(known)} weights are missing, such as {missing[0]}",
            "give the whole network; if only the others were changed, say so in the row: settings: {partial: true}",
        )


def _checked(source: Path, name: str, tensor: Tensor, own: Tensor) -> Tensor:
    if tensor.shape != own.shape:
        raise LetheError(
            f"{source}: the weight {name} is {tuple(tensor.shape)}, that of the base {tuple(own.shape)}",
            "give a model that was unlearned from the study's base",
        )
    if not tensor.is_floating_point():
        raise LetheError(f"{source}: the weight {name} is of {tensor.dtype}, no float", "give it before quantisation")
    tensor = tensor.to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        raise LetheError(f"{source}: the weight {name} has numbers that are not finite", "give a model that is whole")
    return tensor.contiguous()
