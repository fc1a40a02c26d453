"""A given model of text becomes a folder of ours: the same files as of a base that is trained here, float32."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, ModelMixin
from transformers import PreTrainedModel

from lethe.base.given_parts import (
    Weights,
    checksums,
    find_weights,
    pipeline_folder,
    read_encoder,
    read_part,
    write_given_tokenizer,
)
from lethe.base.pipeline_index import pipeline_index
from lethe.cli import add_provenance
from lethe.errors import LetheError
from lethe.files import read_json, write_json
from lethe.model_files import FOLDERS, Family
from lethe.models import PIPELINES
from lethe.models.folder import write_network, write_text_encoder
from lethe.models.latent import LatentModel

SCHEDULER = Path("scheduler") / "scheduler_config.json"


@dataclass(frozen=True)
class GivenModel:
    """The parts of a model that a pipeline has: its network and autoencoder, its text encoders by the end of their
    folders' names, where each one's tokenizer lies, the scheduler's configuration, and checksums of what was read."""

    network: ModelMixin
    autoencoder: AutoencoderKL
    encoders: dict[str, PreTrainedModel]
    tokenizers: dict[str, Path]
    scheduler: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)


def read_pipeline(
    source: Path, family: Family, network: type[ModelMixin], encoder: type[PreTrainedModel], ends: tuple[str, ...]
) -> GivenModel:
    """The parts of a pipeline's folder; what else it has, such as a safety checker, is left aside."""
    pipeline_folder(source, PIPELINES[family])
    part = FOLDERS[family].rstrip("/")
    weights: dict[str, Weights] = {name: find_weights(source / name, "diffusers") for name in (part, "vae")}
    weights |= {f"text_encoder{end}": find_weights(source / f"text_encoder{end}", "transformers") for end in ends}
    return GivenModel(
        network=read_part(source / part, network),
        autoencoder=read_part(source / "vae", AutoencoderKL),
        encoders={end: read_encoder(source / f"text_encoder{end}", encoder) for end in ends},
        tokenizers={end: source / f"tokenizer{end}" for end in ends},
        scheduler=read_json(source / SCHEDULER),
        files=checksums(source, weights),
    )


def write_model(
    given: GivenModel, folder: Path, family: Family, denoiser: type[LatentModel], record: dict[str, Any]
) -> None:
    """Write the folder; LetheError, and no index, where its parts do not fit together or are of another kind."""
    shape = given.network.config
    channels = given.autoencoder.config.latent_channels
    if shape.in_channels != channels or shape.out_channels != channels:
        raise LetheError(
            f"the network takes {shape.in_channels} channels and gives {shape.out_channels}, the autoencoder's latents "
            f"have {channels}",
            "give a model that draws whole images from text alone (neither for inpainting nor for editing)",
        )
    if not isinstance(shape.sample_size, int):
        raise LetheError(
            f"the network's sample_size is {shape.sample_size}: latents are to be square, of one size",
            "set it in the config.json of the network",
        )
    record = {**record, "given": given.files}
    write_network(folder / "vae", given.autoencoder, record)
    for end, encoder in given.encoders.items():
        write_text_encoder(folder / f"text_encoder{end}", encoder, record)
        positions = int(encoder.config.max_position_embeddings)
        write_given_tokenizer(given.tokenizers[end], folder / f"tokenizer{end}", positions)
    write_json(folder / SCHEDULER, given.scheduler)
    write_network(folder / denoiser.part, given.network, record)
    denoiser(given.network, folder)  # refuses what it cannot train or draw from
    write_json(folder / "model_index.json", pipeline_index(family, given.scheduler.get("_class_name")))


def parser_of(
    family: Family, text: str | None, source: str, add: Callable[[argparse.ArgumentParser], None] = lambda parser: None
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m lethe.base given_{family}", description=text, allow_abbrev=False)
    parser.add_argument("--source", type=Path, required=True, help=source)
    parser.add_argument("--model", type=Path, required=True, help=f"{PIPELINES[family]} folder to write")
    add(parser)
    add_provenance(parser)
    return parser
