"""Which files a model folder has, for the workflow and for the stages: no torch here."""

from __future__ import annotations

from typing import Literal

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"

Family = Literal["edm", "stable_diffusion", "stable_diffusion_3"]
"""What a model is: EDM's pixels of classes, or one of the two kinds of latent model of text."""

FOLDERS: dict[Family, str] = {"edm": "", "stable_diffusion": "unet/", "stable_diffusion_3": "transformer/"}
"""Where in the folder the network that is to forget lies."""

_TOKENIZER = ("merges.txt", "special_tokens_map.json", "tokenizer_config.json", "vocab.json")
_ENCODER = (CONFIG, "model.safetensors")
_COMMON = ("model_index.json", "scheduler/scheduler_config.json", f"vae/{CONFIG}", f"vae/{WEIGHTS}")


def _texts(end: str) -> tuple[str, ...]:
    """The files of a tokenizer and of its text encoder, whose folders' names end so."""
    return (*(f"text_encoder{end}/{name}" for name in _ENCODER), *(f"tokenizer{end}/{name}" for name in _TOKENIZER))


PARTS: dict[Family, tuple[str, ...]] = {
    "edm": (),
    "stable_diffusion": (*_COMMON, *_texts("")),
    "stable_diffusion_3": (*_COMMON, *_texts(""), *_texts("_2")),
}
"""What the folder has beside that network, where the workflow has made it."""


def model_files(family: Family) -> list[str]:
    """All files of a model of this family, but for its card."""
    return [f"{FOLDERS[family]}{CONFIG}", weights_of(family), *PARTS[family]]


def weights_of(family: Family) -> str:
    """The weights that a method changes."""
    return f"{FOLDERS[family]}{WEIGHTS}"
