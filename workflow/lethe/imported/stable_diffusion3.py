"""``python -m lethe.imported stable_diffusion_3`` takes a Stable Diffusion 3 that others have unlearned: the folder of
a pipeline, that of its transformer, or a state dict of it. T5, where the study has it, is the study's."""

from __future__ import annotations

import argparse

from diffusers import SD3Transformer2DModel
from transformers import CLIPTextModelWithProjection

from lethe.imported.latent import Importer, import_model
from lethe.imported.latent import parser_of as latent_parser
from lethe.models.stable_diffusion3 import StableDiffusion3

_IMPORTER = Importer(
    "stable_diffusion_3", SD3Transformer2DModel, CLIPTextModelWithProjection, ("", "_2"), StableDiffusion3
)


def main(arguments: argparse.Namespace) -> None:
    import_model(arguments, _IMPORTER)


def parser() -> argparse.ArgumentParser:
    source = "folder of a pipeline or of a transformer, or a file of its weights"
    return latent_parser("stable_diffusion_3", __doc__, source)
