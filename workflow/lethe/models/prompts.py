"""Prompts to embeddings: the tokenizer and the text encoder of a StableDiffusionPipeline folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from lethe.errors import LetheError


def token_ids(tokenizer: CLIPTokenizer, prompts: Sequence[str]) -> torch.Tensor:
    """Ids (N, tokens) int64, padded to the model's length; a prompt that is too long is refused, never cut."""
    length = tokenizer.model_max_length
    ids = tokenizer(list(prompts), padding="max_length", max_length=length).input_ids
    for prompt, row in zip(prompts, ids, strict=True):
        if len(row) > length:
            raise LetheError(f"the prompt '{prompt}' has {len(row)} tokens, more than {length}", "shorten it")
    return torch.tensor(ids)


@torch.inference_mode()
def embed_prompts(folder: Path, prompts: Sequence[str], device: torch.device, batch: int = 64) -> np.ndarray:
    """Embeddings (N, tokens, width) float32: the text encoder's last hidden state, as in StableDiffusionPipeline."""
    try:
        tokenizer = CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), local_files_only=True)
        encoder, found = CLIPTextModel.from_pretrained(
            str(folder / "text_encoder"), local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # the tokenizers library raises nothing more special
        raise LetheError(
            f"{folder}: no readable tokenizer and text encoder ({error})", "give a whole model folder"
        ) from error
    if found["missing_keys"]:  # transformers would draw them at random
        raise LetheError(
            f"{folder}: the text encoder lacks the weight {min(found['missing_keys'])}", "give a whole model folder"
        )
    encoder = encoder.to(device).eval()
    ids = token_ids(tokenizer, prompts)
    parts = [encoder(part.to(device)).last_hidden_state.float().cpu() for part in ids.split(batch)]
    return torch.cat(parts).numpy()
