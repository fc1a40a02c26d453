"""Reading the parts of a diffusers folder that others made, whatever its layout, and writing them in ours.

Weights are read from .safetensors or, without running anything in them, from .bin, in one file or in several, in
float32 or as the variant ``fp16``. What Lethe writes is float32 in safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from diffusers import ModelMixin
from safetensors import SafetensorError
from transformers import CLIPTokenizer, PreTrainedModel

from lethe.errors import LetheError
from lethe.files import read_json, sha256_of
from lethe.model_files import CONFIG
from lethe.models.tokenizer import write_tokenizer_files

Network = TypeVar("Network", bound=ModelMixin)
Encoder = TypeVar("Encoder", bound=PreTrainedModel)

_STEMS = {"diffusers": ("diffusion_pytorch_model",) * 2, "transformers": ("model", "pytorch_model")}
# Old files of the text encoder hold the numbers of its positions, which are no weights.
_NO_WEIGHT = "position_ids"
_TRIED = "A café's 3 cats,\n<painted> -- by Ünknown!! 漢字 \U0001f600"


class Weights(NamedTuple):
    """Where the weights of a part lie: their files, and what the libraries are told to find them."""

    files: tuple[Path, ...]
    variant: str | None
    safetensors: bool


def pipeline_folder(folder: Path, pipeline: str) -> dict[str, Any]:
    """The index of a folder of ``pipeline``; LetheError for anything else."""
    if folder.is_dir() and not (folder / "model_index.json").is_file():
        snapshots = sorted((folder / "snapshots").glob("*/model_index.json"))
        raise LetheError(
            f"{folder}: no model_index.json in it",
            f"give {snapshots[-1].parent}" if snapshots else f"give the folder of a {pipeline}",
        )
    index = read_json(folder / "model_index.json")
    if index.get("_class_name") != pipeline:
        raise LetheError(
            f"{folder}: a {index.get('_class_name')}, not a {pipeline}", "give such a folder, or name another pipeline"
        )
    return index


def find_weights(folder: Path, library: str) -> Weights:
    """The weights in a part's folder: float32 before fp16, safetensors before .bin."""
    for variant in (None, "fp16"):
        for stem, ending in zip(_STEMS[library], ("safetensors", "bin"), strict=True):
            middle = f".{variant}" if variant else ""
            single, index = folder / f"{stem}{middle}.{ending}", folder / f"{stem}.{ending}.index{middle}.json"
            if single.is_file():
                return Weights((single,), variant, ending == "safetensors")
            if index.is_file():
                files = tuple(folder / name for name in sorted(set(read_json(index)["weight_map"].values())))
                for file in files:
                    if not file.is_file():
                        raise LetheError(f"{file}: no such file, but {index.name} names it", "fetch the model again")
                return Weights(files, variant, ending == "safetensors")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    raise LetheError(
        f"{folder}: no weights that can be read; there is {', '.join(names) or 'nothing'}",
        f"give a folder with {_STEMS[library][0]}.safetensors",
    )


def read_part(folder: Path, kind: type[Network]) -> Network:
    """A network of diffusers, in float32."""
    found = read_json(folder / CONFIG).get("_class_name")
    if found != kind.__name__:
        raise LetheError(f"{folder}: a {found}, not a {kind.__name__}", "give a model with such a part")
    return _loaded(folder, kind, find_weights(folder, "diffusers"), low_cpu_mem_usage=False, torch_dtype=torch.float32)


def read_encoder(folder: Path, kind: type[Encoder]) -> Encoder:
    """A text encoder of transformers, in float32, whichever of their names its weights have."""
    return _loaded(folder, kind, find_weights(folder, "transformers"), dtype=torch.float32)


def _loaded(folder: Path, kind: Any, weights: Weights, **how: Any) -> Any:
    try:
        part, found = kind.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=weights.safetensors,
            variant=weights.variant,
            output_loading_info=True,
            **how,
        )
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, json.JSONDecodeError) as error:
        fault = " ".join(str(error).split())[:300]
        raise LetheError(
            f"{folder}: not a readable {kind.__name__} ({fault})", "fetch it again, or give another"
        ) from error
    for what, fault in (("missing_keys", "lacks"), ("unexpected_keys", "has no place for")):
        for name in sorted(found[what]):
            if not name.endswith(_NO_WEIGHT):  # else: drawn at random, or left aside without a word
                raise LetheError(f"{folder}: the {kind.__name__} {fault} the weight {name}", "give a whole model")
    return part.eval()


def checksums(folder: Path, files: Mapping[str, Weights]) -> dict[str, str]:
    """sha256 of the weights that parts were read from, by their place in ``folder``."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path) for weights in files.values() for path in weights.files
    }


def write_given_tokenizer(source: Path, folder: Path, positions: int) -> None:
    """Write a CLIP tokenizer's four files from those of ``source``: vocab.json and merges.txt, or tokenizer.json alone.

    ``positions`` are those of its text encoder, the longest prompt where the tokenizer does not say.
    """
    try:
        given = CLIPTokenizer.from_pretrained(str(source), local_files_only=True)
        model = json.loads(given.backend_tokenizer.to_str())["model"]
    except Exception as error:  # the tokenizers library raises nothing more special
        raise LetheError(f"{source}: not a readable CLIP tokenizer ({error})", "give a whole model") from error
    vocabulary: dict[str, int] = model["vocab"]
    merges = [tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in model["merges"]]
    added = sorted(set(given.get_added_vocab()) - set(vocabulary))
    if added:
        raise LetheError(f"{source}: words of its own beyond CLIP's, such as {added[0]}", "give a model without them")
    special = {role: getattr(given, role) for role in ("bos_token", "eos_token", "pad_token", "unk_token")}
    length = min(int(given.model_max_length), positions)
    ordered = dict(sorted(vocabulary.items(), key=lambda entry: entry[1]))
    write_tokenizer_files(folder, ordered, merges, special, length)
    written = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    ids = [words(_TRIED, padding="max_length", max_length=200).input_ids for words in (given, written)]
    if ids[0] != ids[1]:
        raise LetheError(f"{source}: a tokenizer that its vocabulary and merges do not make up", "give another model")
