"""Model folders in the format of diffusers: ``config.json`` + ``diffusion_pytorch_model.safetensors``.

The metadata of the weights carries Lethe's provenance, so that a folder says by itself what it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import ModelMixin
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lethe.errors import LetheError
from lethe.files import order_metadata, write_json, written_whole

Network = TypeVar("Network", bound=ModelMixin)

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"


def write_network(
    folder: Path, network: ModelMixin, provenance: dict[str, Any], weights: dict[str, Tensor] | None = None
) -> None:
    """Write ``network`` (or it with other ``weights``, such as an average) and its provenance."""
    state = network.state_dict() if weights is None else weights
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise LetheError(f"{folder}: weight {name} is not finite, nothing is saved", "lower the learning rate")
    config = json.loads(network.to_json_string())
    config.pop("_name_or_path", None)  # diffusers notes where it read a network; the bytes would depend on the place
    write_json(folder / CONFIG, config)
    with written_whole(folder / WEIGHTS) as temporary:
        # "format": diffusers refuses safetensors that do not name the framework.
        save_file(tensors, temporary, metadata={"format": "pt", "lethe": json.dumps(provenance, sort_keys=True)})
        order_metadata(temporary)


def read_network(folder: Path, kind: type[Network]) -> tuple[Network, dict[str, Any]]:
    """Load a network of class ``kind`` (nothing is fetched, nothing is unpickled) and its provenance.

    Weights and configuration must name the same tensors: diffusers would draw a missing one at random.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise LetheError(f"{folder / name}: no such file", "give a model folder that Lethe wrote")
    try:
        network, found = kind.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False, output_loading_info=True
        )
        with safe_open(str(folder / WEIGHTS), framework="pt") as stream:
            metadata = stream.metadata() or {}
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise LetheError(f"{folder}: not a readable {kind.__name__} folder ({error})", "make it again") from error
    if "lethe" not in metadata:
        raise LetheError(
            f"{folder / WEIGHTS}: its metadata has no 'lethe' entry", "give a model folder that Lethe wrote"
        )
    for name in (*found["missing_keys"], *found["unexpected_keys"]):
        raise LetheError(f"{folder}: {CONFIG} and {WEIGHTS} do not agree about the weight {name}", "make it again")
    return network, json.loads(metadata["lethe"])
