"""Model folders in the format of diffusers: ``config.json`` + ``diffusion_pytorch_model.safetensors``.

The metadata of the weights carries Lethe's provenance, so that a folder says by itself what it is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from diffusers import ModelMixin
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lethe.errors import LetheError
from lethe.files import order_metadata, write_json, written_whole
from lethe.model_files import CONFIG, WEIGHTS

if TYPE_CHECKING:
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    TextEncoder = CLIPTextModel | CLIPTextModelWithProjection

Network = TypeVar("Network", bound=ModelMixin)


def write_network(
    folder: Path, network: ModelMixin, provenance: dict[str, Any], weights: dict[str, Tensor] | None = None
) -> None:
    """Write ``network`` (or it with other ``weights``, such as an average) and its provenance."""
    config = json.loads(network.to_json_string())
    config.pop("_name_or_path", None)  # diffusers notes where it read a network; the bytes would depend on the place
    _write(folder, WEIGHTS, config, network.state_dict() if weights is None else weights, provenance)


def write_text_encoder(folder: Path, encoder: TextEncoder, provenance: dict[str, Any]) -> None:
    """Write a text encoder as transformers does, under the names that published ones have: all but the projection's
    begin with ``text_model.``"""
    encoder.config.architectures = [type(encoder).__name__]
    config = json.loads(encoder.config.to_json_string())
    for noted in ("_name_or_path", "dtype"):  # of where and how it was read: all that is written is float32
        config.pop(noted, None)
    weights = {
        name if name.startswith("text_projection.") else f"text_model.{name.removeprefix('text_model.')}": part
        for name, part in encoder.state_dict().items()
    }
    _write(folder, "model.safetensors", config, weights, provenance)


def _write(
    folder: Path, name: str, config: dict[str, Any], weights: dict[str, Tensor], provenance: dict[str, Any]
) -> None:
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in weights.items()}
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise LetheError(f"{folder}: weight {key} is not finite, nothing is saved", "lower the learning rate")
    write_json(folder / CONFIG, config)
    with written_whole(folder / name) as temporary:
        # "format": diffusers refuses safetensors that do not name the framework.
        save_file(tensors, temporary, metadata={"format": "pt", "lethe": json.dumps(provenance, sort_keys=True)})
        order_metadata(temporary)


def read_network(folder: Path, kind: type[Network]) -> tuple[Network, dict[str, Any]]:
    """Load a network of class ``kind`` (nothing is fetched, nothing is unpickled) and its provenance.

    Weights and configuration must name the same tensors: diffusers would draw a missing one at random. A folder that
    Lethe did not write has an empty provenance.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise LetheError(f"{folder / name}: no such file", "give a folder that diffusers or Lethe wrote")
    try:
        network, found = kind.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False, output_loading_info=True
        )
        with safe_open(str(folder / WEIGHTS), framework="pt") as stream:
            metadata = stream.metadata() or {}
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise LetheError(f"{folder}: not a readable {kind.__name__} folder ({error})", "make it again") from error
    for name in (*found["missing_keys"], *found["unexpected_keys"]):
        raise LetheError(f"{folder}: {CONFIG} and {WEIGHTS} do not agree about the weight {name}", "make it again")
    return network, json.loads(metadata.get("lethe", "{}"))
