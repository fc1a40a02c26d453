"""Prompts to embeddings: the three text encoders of a StableDiffusion3Pipeline folder, of which T5 may be absent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoTokenizer, CLIPTextModelWithProjection, CLIPTokenizer, T5EncoderModel

from lethe.errors import LetheError
from lethe.files import read_json, read_provenance
from lethe.model_files import CONFIG, WEIGHTS
from lethe.models.packed_prompts import pack_prompts
from lethe.models.text_encoder import read_text_encoder, token_ids
from lethe.settings.precision import Precision

# How many the pipeline takes where its caller says nothing.
PIPELINE_TOKENS = 256


def t5_tokens(folder: Path) -> int:
    """Tokens of T5, whose embeddings are zeros where a folder has no T5.

    256, the pipeline's default, unless the network was trained otherwise, which its weights then say.
    """
    return int(read_provenance(folder / "transformer" / WEIGHTS).get("t5_tokens", PIPELINE_TOKENS))


@torch.inference_mode()
def embed_prompts(
    folder: Path,
    prompts: Sequence[str],
    device: torch.device,
    batch: int = 64,
    t5: Path | None = None,
    precision: Precision = "float32",
    may_be_cut: Collection[str] = (),
) -> np.ndarray:
    """Packed embeddings (N, tokens + rows, width) float32, as in StableDiffusion3Pipeline.

    The states before the last layer of both CLIPs side by side, filled up with zeros to the joint width, then T5's
    last ones; in the extra rows the pooled projections of both CLIPs (see :mod:`lethe.models.packed_prompts`). ``t5``
    is the folder that ``tokenizer_3`` and ``text_encoder_3`` are in; without it, they are looked for in ``folder``, and
    where it has none, the tokens of T5 are left out: :class:`lethe.models.stable_diffusion3.StableDiffusion3` puts
    zeros in their place. ``precision`` is that of T5, which has ten times the weights of the others. Of ``may_be_cut``
    too long a prompt is cut.
    """
    clip = [_clip(folder, number, prompts, device, batch, may_be_cut) for number in ("", "2")]
    states, pooled = (torch.cat(parts, -1) for parts in zip(*clip, strict=True))
    width = int(read_json(folder / "transformer" / CONFIG)["joint_attention_dim"])
    states = torch.nn.functional.pad(states, (0, width - states.shape[-1]))
    if t5 is None and read_json(folder / "model_index.json").get("text_encoder_3", [None, None])[1] is not None:
        t5 = folder
    if t5 is not None:
        more = _t5(t5, t5_tokens(folder), prompts, width, device, batch, precision, may_be_cut)
        states = torch.cat([states, more], 1)
    return pack_prompts(states, pooled).numpy()


def _clip(
    folder: Path, number: str, prompts: Sequence[str], device: torch.device, batch: int, may_be_cut: Collection[str]
) -> tuple[Tensor, Tensor]:
    """States (N, tokens, width) before the last layer, and the pooled projections (N, pooled)."""
    tokenizer, encoder = read_text_encoder(folder, number, CLIPTokenizer, CLIPTextModelWithProjection)
    encoder = encoder.to(device)
    ids = token_ids(tokenizer, prompts, may_be_cut=may_be_cut)
    parts = [encoder(part.to(device), output_hidden_states=True) for part in ids.split(batch)]
    states = torch.cat([part.hidden_states[-2].float().cpu() for part in parts])
    return states, torch.cat([part.text_embeds.float().cpu() for part in parts])


def _t5(
    folder: Path,
    length: int,
    prompts: Sequence[str],
    width: int,
    device: torch.device,
    batch: int,
    precision: Precision,
    may_be_cut: Collection[str],
) -> Tensor:
    """Its last states (N, length, width)."""
    tokenizer, encoder = read_text_encoder(folder, "3", AutoTokenizer, T5EncoderModel, getattr(torch, precision))
    if encoder.config.d_model != width:
        raise LetheError(
            f"{folder}: a T5 of width {encoder.config.d_model}, but the model takes {width}", "give the model's own T5"
        )
    encoder = encoder.to(device)
    ids = token_ids(tokenizer, prompts, length, may_be_cut)
    return torch.cat([encoder(part.to(device))[0].float().cpu() for part in ids.split(batch)])
