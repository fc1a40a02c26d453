"""Checkpoints of the original Stable Diffusion code (CompVis): one file of weights, under that code's names.

It has no configuration and no tokenizer: these are a diffusers folder's that the weights go with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import AutoencoderKL, ModelMixin, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from lethe.base.given import SCHEDULER, GivenModel
from lethe.base.given_parts import pipeline_folder
from lethe.errors import LetheError
from lethe.files import read_json, sha256_of
from lethe.model_files import CONFIG
from lethe.models import PIPELINES
from lethe.settings.given_base import CheckpointSettings
from lethe.unpickling.weights import read_weights_file, tensors_in

_NETWORK = "model.diffusion_model."
_AVERAGE = "model_ema."
_AUTOENCODER = "first_stage_model."
_ENCODER = "cond_stage_model.transformer."
Tensors = Mapping[str, Tensor]


def read_checkpoint(path: Path, settings: CheckpointSettings) -> GivenModel:
    """The parts of Stable Diffusion in the checkpoint at ``path``, float32; nothing in it is run."""
    if settings.configuration is None:
        raise LetheError(
            f"{path}: a checkpoint has neither configurations nor a tokenizer",
            "name a diffusers folder that it goes with: configuration (such as sd14)",
        )
    folder = Path(settings.configuration)
    pipeline_folder(folder, PIPELINES["stable_diffusion"])
    tensors = _tensors(path)
    network = _network(path, _chosen(path, tensors, settings.weights), folder / "unet", _convert_unet)
    autoencoder = _network(path, _under(tensors, _AUTOENCODER), folder / "vae", _convert_vae)
    return GivenModel(
        network=network,
        autoencoder=autoencoder,
        encoders={"": _encoder(path, tensors, folder / "text_encoder")},
        tokenizers={"": folder / "tokenizer"},
        scheduler=read_json(folder / SCHEDULER),
        files={path.name: sha256_of(path)},
    )


def is_checkpoint(path: Path) -> bool:
    """Whether a file of weights has the names of the original code."""
    return any(name.startswith(_NETWORK) for name in _all_tensors(path))


def _tensors(path: Path) -> Tensors:
    tensors = _all_tensors(path)
    if not any(name.startswith(_NETWORK) for name in tensors):
        raise LetheError(
            f"{path}: no weights under {_NETWORK}",
            "give a whole Stable Diffusion checkpoint; a folder of diffusers is given by its path",
        )
    return tensors


def _all_tensors(path: Path) -> Tensors:
    found = read_weights_file(path)
    # In a safetensors file every name is a tensor's.
    return tensors_in(found if path.suffix == ".safetensors" else found.get("state_dict", found))


def _under(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, under their whole names."""
    return {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _chosen(path: Path, tensors: Tensors, weights: Literal["ema", "live"]) -> Tensors:
    """The U-Net's weights: the averaged ones where they are wanted and there are two kinds.

    The original code keeps the average of ``model.a.b`` under ``model_ema.ab``.
    """
    live = _under(tensors, _NETWORK)
    if weights == "live" or not any(name.startswith(_AVERAGE) for name in tensors):
        return live
    places = {name: _AVERAGE + name.removeprefix("model.").replace(".", "") for name in live}
    for place in places.values():
        if place not in tensors:
            raise LetheError(f"{path}: has averaged weights, but not {place}", "choose weights: live")
    return {name: tensors[place] for name, place in places.items()}


def _convert_unet(tensors: Tensors, config: Mapping[str, Any]) -> Tensors:
    return convert_ldm_unet_checkpoint(dict(tensors), config)


def _convert_vae(tensors: Tensors, config: Mapping[str, Any]) -> Tensors:
    return convert_ldm_vae_checkpoint(dict(tensors), config)


def _network(
    path: Path, tensors: Tensors, folder: Path, convert: Callable[[Tensors, Mapping[str, Any]], Tensors]
) -> ModelMixin:
    """A network of diffusers: the configuration of ``folder``, these weights."""
    kinds = {kind.__name__: kind for kind in (UNet2DConditionModel, AutoencoderKL)}
    given = read_json(folder / CONFIG)
    kind = kinds.get(given.get("_class_name", ""))
    if kind is None:
        raise LetheError(f"{folder}: a {given.get('_class_name')}", "name the folder of a StableDiffusionPipeline")
    network = kind.from_config(given)
    try:
        converted = convert(tensors, network.config)
    except (KeyError, IndexError, AttributeError) as error:
        raise LetheError(f"{path}: its weights are not those of {folder} ({error})", _FITTING) from error
    return _filled(path, network, converted, folder)


_FITTING = "name the configuration that the checkpoint was made with"


def _encoder(path: Path, tensors: Tensors, folder: Path) -> CLIPTextModel:
    config = CLIPTextConfig.from_pretrained(str(folder), local_files_only=True)
    encoder = CLIPTextModel(config)
    prefix = "" if any(name.startswith("text_model.") for name in encoder.state_dict()) else "text_model."
    found = {name.removeprefix(_ENCODER + prefix): tensor for name, tensor in _under(tensors, _ENCODER).items()}
    found = {name: tensor for name, tensor in found.items() if not name.endswith("position_ids")}
    return _filled(path, encoder, found, folder)


def _filled(path: Path, module: Any, tensors: Tensors, folder: Path) -> Any:
    try:
        module.load_state_dict({name: tensor.to(torch.float32) for name, tensor in tensors.items()})
    except RuntimeError as error:
        fault = " ".join(str(error).split())[:300]
        raise LetheError(f"{path}: its weights are not those of {folder} ({fault})", _FITTING) from error
    return module.eval()
