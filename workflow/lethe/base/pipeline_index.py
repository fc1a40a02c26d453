"""``model_index.json``: which class of diffusers or transformers reads each part of a pipeline's folder."""

from __future__ import annotations

from typing import Any

from diffusers import __version__ as diffusers_version

from lethe.model_files import Family
from lethe.models import PIPELINES

_PARTS: dict[Family, dict[str, tuple[str, str]]] = {
    "stable_diffusion": {
        "scheduler": ("diffusers", "PNDMScheduler"),
        "text_encoder": ("transformers", "CLIPTextModel"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "unet": ("diffusers", "UNet2DConditionModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    },
    "stable_diffusion_3": {
        "scheduler": ("diffusers", "FlowMatchEulerDiscreteScheduler"),
        "text_encoder": ("transformers", "CLIPTextModelWithProjection"),
        "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
        "tokenizer": ("transformers", "CLIPTokenizer"),
        "tokenizer_2": ("transformers", "CLIPTokenizer"),
        "transformer": ("diffusers", "SD3Transformer2DModel"),
        "vae": ("diffusers", "AutoencoderKL"),
    },
}
_ABSENT: dict[Family, tuple[str, ...]] = {
    "stable_diffusion": ("feature_extractor", "image_encoder", "safety_checker"),
    "stable_diffusion_3": ("feature_extractor", "image_encoder", "text_encoder_3", "tokenizer_3"),
}
_OPTIONS: dict[Family, dict[str, Any]] = {
    "stable_diffusion": {"requires_safety_checker": False},
    "stable_diffusion_3": {},
}


def pipeline_index(family: Family, scheduler: str | None = None) -> dict[str, Any]:
    """The index of a folder that has the parts of Lethe's models and no others; ``scheduler`` names its class where
    that is another than the usual one."""
    parts = {name: list(part) for name, part in _PARTS[family].items()}
    if scheduler is not None:
        parts["scheduler"] = ["diffusers", scheduler]
    return {
        "_class_name": PIPELINES[family],
        "_diffusers_version": diffusers_version,
        **_OPTIONS[family],
        **{part: [None, None] for part in _ABSENT[family]},
        **parts,
    }
