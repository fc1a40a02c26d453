"""``python -m lethe.base given_stable_diffusion_3`` takes a published Stable Diffusion 3, or one of the user's own, for
the base: a folder of diffusers, with T5 or without. T5 is left where it is: only prompts are embedded with it."""

from __future__ import annotations

import argparse
from pathlib import Path

from diffusers import SD3Transformer2DModel
from transformers import CLIPTextModelWithProjection

from lethe.base.given import parser_of as given_parser
from lethe.base.given import read_pipeline, write_model
from lethe.base.given_parts import find_weights
from lethe.cli import provenance
from lethe.files import read_provenance
from lethe.model_files import Family
from lethe.models.prompts3 import PIPELINE_TOKENS
from lethe.models.stable_diffusion3 import StableDiffusion3
from lethe.settings.method import NoSettings

_FAMILY: Family = "stable_diffusion_3"


def main(arguments: argparse.Namespace) -> None:
    given = read_pipeline(arguments.source, _FAMILY, SD3Transformer2DModel, CLIPTextModelWithProjection, ("", "_2"))
    record = provenance("base", NoSettings(), arguments, t5_tokens=_t5_tokens(arguments.source))
    write_model(given, arguments.model, _FAMILY, StableDiffusion3, record)


def _t5_tokens(source: Path) -> int:
    """How many tokens of T5 the network is used to: the pipeline's default, unless Lethe trained it otherwise."""
    weights = find_weights(source / "transformer", "diffusers")
    record = read_provenance(weights.files[0]) if weights.safetensors else {}
    return int(record.get("t5_tokens", PIPELINE_TOKENS))


def parser() -> argparse.ArgumentParser:
    return given_parser(_FAMILY, __doc__, "folder of a StableDiffusion3Pipeline")
