"""A CLIP tokenizer for a small world: the byte-pair encoding of its captions, in the files that CLIPTokenizer reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from transformers import CLIPTokenizer

from lethe.files import write_json, write_text

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
Pair = tuple[str, str]


def write_tokenizer(folder: Path, texts: Iterable[str], length: int) -> CLIPTokenizer:
    """Learn merges until every word of ``texts`` is one token; write vocab.json, merges.txt and the configuration.

    The vocabulary has CLIP's order: 256 bytes, 256 bytes that end a word, the merges, begin, end. ``length`` is the
    number of tokens of a prompt, begin and end among them (77 in Stable Diffusion).
    """
    from tokenizers import pre_tokenizers

    clip = CLIPTokenizer(vocab=None, merges=None).backend_tokenizer
    words = {word for text in texts for word in text.lower().split()}
    pieces = {
        piece for word in words for piece, _ in clip.pre_tokenizer.pre_tokenize_str(clip.normalizer.normalize_str(word))
    }
    merges = learned_merges(pieces)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet), *map("".join, merges), BEGIN, END]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    special = {"bos_token": BEGIN, "eos_token": END, "pad_token": END, "unk_token": END}
    write_tokenizer_files(folder, vocabulary, merges, special, length)
    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def write_tokenizer_files(
    folder: Path, vocabulary: Mapping[str, int], merges: Iterable[Pair], special: Mapping[str, str], length: int
) -> None:
    """The four files of a CLIPTokenizer; ``special`` are its special tokens by role, ``length`` the longest prompt."""
    write_json(folder / "vocab.json", dict(vocabulary))
    write_text(folder / "merges.txt", "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges))
    write_json(folder / "special_tokens_map.json", dict(special))
    write_json(
        folder / "tokenizer_config.json",
        {
            "add_prefix_space": False,
            **special,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": length,
            "tokenizer_class": "CLIPTokenizer",
        },
    )


def learned_merges(words: Iterable[str]) -> list[Pair]:
    """Byte-pair encoding (Sennrich et al. 2016) of ``words``, each counted once, until each is one token.

    Of pairs that are equally frequent the first in the alphabet is merged: a function of the words alone, which the
    trainer of the tokenizers library is not.
    """
    split = [[*word[:-1], word[-1] + "</w>"] for word in sorted(set(words))]
    merges: list[Pair] = []
    while counts := Counter(pair for parts in split for pair in pairwise(parts)):
        merges.append(min(counts, key=lambda pair: (-counts[pair], pair)))
        split = [_merged(parts, merges[-1]) for parts in split]
    return merges


def _merged(parts: list[str], pair: Pair) -> list[str]:
    result: list[str] = []
    place = 0
    while place < len(parts):
        found = tuple(parts[place : place + 2]) == pair
        result.append("".join(pair) if found else parts[place])
        place += 2 if found else 1
    return result
