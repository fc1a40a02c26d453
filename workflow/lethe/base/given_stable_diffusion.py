"""``python -m lethe.base given_stable_diffusion`` takes a published Stable Diffusion, or one of the user's own, for the
base: a folder of diffusers, or a checkpoint of the original code."""

from __future__ import annotations

import argparse

from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel

from lethe.base.checkpoint import read_checkpoint
from lethe.base.given import parser_of as given_parser
from lethe.base.given import read_pipeline, write_model
from lethe.cli import provenance
from lethe.errors import LetheError
from lethe.model_files import Family
from lethe.models.stable_diffusion import StableDiffusion
from lethe.settings.given_base import CheckpointSettings
from lethe.settings.options import add_options, from_options

_FAMILY: Family = "stable_diffusion"


def main(arguments: argparse.Namespace) -> None:
    settings = from_options(CheckpointSettings, arguments)
    if not arguments.source.exists():
        raise LetheError(f"{arguments.source}: no such file or folder", "correct the path")
    if arguments.source.is_file():
        given = read_checkpoint(arguments.source, settings)
    elif settings.configuration is not None:
        raise LetheError(
            f"{arguments.source}: a folder has its own configurations; it is not read with {settings.configuration}",
            "leave configuration out",
        )
    else:
        given = read_pipeline(arguments.source, _FAMILY, UNet2DConditionModel, CLIPTextModel, ("",))
    write_model(given, arguments.model, _FAMILY, StableDiffusion, provenance("base", settings, arguments))


def parser() -> argparse.ArgumentParser:
    source = "folder of a StableDiffusionPipeline, or a CompVis checkpoint (.ckpt, .safetensors)"
    return given_parser(_FAMILY, __doc__, source, lambda parser: add_options(parser, CheckpointSettings))
