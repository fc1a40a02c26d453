"""``python -m lethe.imported stable_diffusion`` takes a Stable Diffusion that others have unlearned: the folder of a
pipeline, that of its U-Net, a state dict of the U-Net, or a checkpoint of the original code."""

from __future__ import annotations

import argparse
from pathlib import Path

from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel

from lethe.base.checkpoint import is_checkpoint, read_checkpoint
from lethe.base.given import GivenModel
from lethe.imported.latent import Importer, import_model
from lethe.imported.latent import parser_of as latent_parser
from lethe.models.stable_diffusion import StableDiffusion
from lethe.settings.given_base import CheckpointSettings
from lethe.settings.imported import ImportSettings


def _checkpoint(source: Path, base: Path, settings: ImportSettings) -> GivenModel | None:
    """The configurations, and the tokenizer, are the base's."""
    if not is_checkpoint(source):
        return None
    return read_checkpoint(source, CheckpointSettings(weights=settings.weights, configuration=str(base)))


_IMPORTER = Importer("stable_diffusion", UNet2DConditionModel, CLIPTextModel, ("",), StableDiffusion, _checkpoint)


def main(arguments: argparse.Namespace) -> None:
    import_model(arguments, _IMPORTER)


def parser() -> argparse.ArgumentParser:
    source = "folder of a pipeline or of a U-Net, a file of its weights, or a CompVis checkpoint"
    return latent_parser("stable_diffusion", __doc__, source)
