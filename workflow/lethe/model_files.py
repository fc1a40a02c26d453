"""Which files a model folder has, for the workflow and for the stages: no torch here."""

from __future__ import annotations

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"

FOLDERS = {"class": "", "text": "unet/"}
"""Where in the folder the network that is to forget lies."""

PIPELINE_PARTS = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    f"vae/{CONFIG}",
    f"vae/{WEIGHTS}",
)
"""What a StableDiffusionPipeline folder has beside its U-Net."""


def model_files(kind: str) -> list[str]:
    """All files of a model of a study of this kind, but for its card."""
    network = [f"{FOLDERS[kind]}{CONFIG}", f"{FOLDERS[kind]}{WEIGHTS}"]
    return network + (list(PIPELINE_PARTS) if kind == "text" else [])


def weights_of(kind: str) -> str:
    """The weights that a method changes."""
    return f"{FOLDERS[kind]}{WEIGHTS}"
