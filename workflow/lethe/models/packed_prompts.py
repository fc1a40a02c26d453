"""A prompt of Stable Diffusion 3 as one tensor: its tokens' embeddings, then its pooled projection in extra rows."""

from __future__ import annotations

import torch
from torch import Tensor


def pooled_rows(pooled: int, width: int) -> int:
    """Rows of ``width`` numbers that a pooled projection of ``pooled`` numbers takes."""
    return -(-pooled // width)


def pack_prompts(tokens: Tensor, pooled: Tensor) -> Tensor:
    """(B, tokens, width) and (B, pooled) -> (B, tokens + rows, width); the last row is filled up with zeros."""
    width = tokens.shape[-1]
    rows = pooled_rows(pooled.shape[-1], width)
    filled = torch.nn.functional.pad(pooled, (0, rows * width - pooled.shape[-1]))
    return torch.cat([tokens, filled.unflatten(-1, (rows, width))], dim=-2)


def unpack_prompts(packed: Tensor, pooled: int) -> tuple[Tensor, Tensor]:
    """Undo :func:`pack_prompts`; ``pooled`` is the length of the pooled projection."""
    rows = pooled_rows(pooled, packed.shape[-1])
    return packed[..., :-rows, :], packed[..., -rows:, :].flatten(-2)[..., :pooled]
