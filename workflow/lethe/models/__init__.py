"""Networks behind the Denoiser protocol, and the folders that they are kept in."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING

from lethe.errors import LetheError
from lethe.files import read_json

if TYPE_CHECKING:
    import torch

    from lethe.methods.method import Kind
    from lethe.model_files import Family
    from lethe.models.denoiser import Denoiser
    from lethe.settings.precision import Precision

DENOISERS: dict[Family, tuple[str, str]] = {
    "edm": ("lethe.models.edm", "EDM"),
    "stable_diffusion": ("lethe.models.stable_diffusion", "StableDiffusion"),
    "stable_diffusion_3": ("lethe.models.stable_diffusion3", "StableDiffusion3"),
}
"""Module and class of each family's Denoiser: named, not imported: a result depends on its own family's only."""

EMBEDDERS: dict[Family, str] = {
    "stable_diffusion": "lethe.models.prompts",
    "stable_diffusion_3": "lethe.models.prompts3",
}
"""Module of ``embed_prompts`` for each family that has prompts."""

PIPELINES: dict[Family, str] = {
    "stable_diffusion": "StableDiffusionPipeline",
    "stable_diffusion_3": "StableDiffusion3Pipeline",
}
"""The class of diffusers that a family's folders name; a model of classes has none."""


def family_of(kind: Kind, folder: Path) -> Family:
    """The family of the model in ``folder``, which a study of this kind has."""
    if kind == "class":
        return "edm"
    found = read_json(folder / "model_index.json").get("_class_name")
    for family, pipeline in PIPELINES.items():
        if found == pipeline:
            return family
    raise LetheError(f"{folder}: a {found}, not a {' or a '.join(PIPELINES.values())}", "give such a folder")


def load_denoiser(
    kind: Kind, folder: Path, device: torch.device | str = "cpu", precision: Precision = "float32"
) -> Denoiser:
    """The model in ``folder``, which a study of this kind has; a model of classes always runs in float32."""
    module, name = DENOISERS[family_of(kind, folder)]
    load = getattr(importlib.import_module(module), name).load
    return load(folder, device) if kind == "class" else load(folder, device, precision)
