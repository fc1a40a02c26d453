"""Reading a tokenizer and a text encoder of a pipeline's folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from transformers import CLIPTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from lethe.errors import LetheError

Encoder = TypeVar("Encoder", bound=PreTrainedModel)
Tokenizer = TypeVar("Tokenizer", bound=PreTrainedTokenizerBase)


def read_text_encoder(
    folder: Path,
    number: str,
    tokenizer: type[Tokenizer],
    encoder: type[Encoder],
    dtype: torch.dtype = torch.float32,
) -> tuple[Tokenizer, Encoder]:
    """``tokenizer`` and ``text_encoder`` in a pipeline's folder; ``number`` ends their names where it has several.

    The encoder is read as ``dtype``, however it is stored.
    """
    end = f"_{number}" if number else ""
    try:
        words = tokenizer.from_pretrained(str(folder / f"tokenizer{end}"), local_files_only=True)
        network, found = encoder.from_pretrained(
            str(folder / f"text_encoder{end}"), local_files_only=True, output_loading_info=True, dtype=dtype
        )
    except Exception as error:  # the tokenizers library raises nothing more special
        raise LetheError(
            f"{folder}: no readable tokenizer{end} and text_encoder{end} ({error})", "give a whole model folder"
        ) from error
    if found["missing_keys"]:  # transformers would draw them at random
        raise LetheError(
            f"{folder}: text_encoder{end} lacks the weight {min(found['missing_keys'])}", "give a whole model folder"
        )
    return words, network.eval()


def token_ids(
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    length: int | None = None,
    may_be_cut: Collection[str] = (),
) -> torch.Tensor:
    """Ids (N, tokens) int64, padded to ``length`` (else the tokenizer's own). A longer prompt is refused, unless it is
    one of ``may_be_cut``: of that the first tokens and the end token are taken, as diffusers' pipelines do."""
    length = length or tokenizer.model_max_length
    ids = tokenizer(list(prompts), padding="max_length", max_length=length).input_ids
    for place, prompt in enumerate(prompts):
        if len(ids[place]) > length:
            if prompt not in may_be_cut:
                raise LetheError(
                    f"the prompt '{prompt}' has {len(ids[place])} tokens, more than {length}", "shorten it"
                )
            ids[place] = tokenizer(prompt, truncation=True, max_length=length).input_ids
    return torch.tensor(ids)


def too_long(folder: Path, prompts: Iterable[str]) -> set[str]:
    """The prompts with more tokens than the (first) text encoder of a pipeline's folder reads."""
    tokenizer = CLIPTokenizer.from_pretrained(str(folder / "tokenizer"), local_files_only=True)
    return {prompt for prompt in prompts if len(tokenizer(prompt).input_ids) > tokenizer.model_max_length}
