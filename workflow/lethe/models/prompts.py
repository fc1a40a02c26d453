"""Prompts to embeddings: the tokenizer and the text encoder of a StableDiffusionPipeline folder."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTextModel, CLIPTokenizer

from lethe.models.text_encoder import read_text_encoder, token_ids


@torch.inference_mode()
def embed_prompts(
    folder: Path, prompts: Sequence[str], device: torch.device, batch: int = 64, may_be_cut: Collection[str] = ()
) -> np.ndarray:
    """Embeddings (N, tokens, width) float32: the text encoder's last hidden state, as in StableDiffusionPipeline. Of
    ``may_be_cut`` too long a prompt is cut."""
    tokenizer, encoder = read_text_encoder(folder, "", CLIPTokenizer, CLIPTextModel)
    ids = token_ids(tokenizer, prompts, may_be_cut=may_be_cut)
    encoder = encoder.to(device)
    parts = [encoder(part.to(device)).last_hidden_state.float().cpu() for part in ids.split(batch)]
    return torch.cat(parts).numpy()
