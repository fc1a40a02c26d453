"""Networks behind the Denoiser protocol, and the folders that they are kept in."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from lethe.methods.method import Kind
    from lethe.models.denoiser import Denoiser

DENOISERS = {"class": ("lethe.models.edm", "EDM"), "text": ("lethe.models.stable_diffusion", "StableDiffusion")}
"""Module and class of the Denoiser for each kind of study: named, not imported: each kind depends on its own."""


def load_denoiser(kind: Kind, folder: Path, device: torch.device | str = "cpu") -> Denoiser:
    """The model in ``folder``, as a study of this kind has it."""
    module, name = DENOISERS[kind]
    return getattr(importlib.import_module(module), name).load(folder, device)
