"""A classifier made of CLIP and one sentence a class: RGD's judge of classes, with "a photo of a random noise" as the
class of what is none of them (Ko et al. 2024, section 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm
from transformers import CLIPModel, CLIPTokenizer

from lethe.errors import LetheError
from lethe.files import sha256_of
from lethe.judges.clip_images import ClipTransform, read_transform
from lethe.judges.pictures import in_batch, in_colour
from lethe.shards import Shard, whole

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
_REMEDY = "give a folder of CLIP as the hub has it, such as the asset clip_b32"


@dataclass(frozen=True)
class ZeroShot:
    """CLIP, its view of images, and the tokens (K, length) of the sentences; ``sha256`` is of the weights."""

    model: CLIPModel
    transform: ClipTransform
    tokens: dict[str, Tensor]
    sha256: str


def load_zero_shot(folder: Path, sentences: Sequence[str], device: torch.device) -> ZeroShot:
    """Read CLIP from a folder of the hub's format: nothing is fetched, and a pickle of weights is not run."""
    weights = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise LetheError(f"{folder}: it has neither {' nor '.join(_WEIGHTS)}", _REMEDY)
    try:
        model, found = CLIPModel.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=weights.name == _WEIGHTS[0],
            weights_only=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
        tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # the library has no exception of its own for a folder that it cannot read
        raise LetheError(f"{folder}: not a readable folder of CLIP ({error})", _REMEDY) from error
    if found["missing_keys"]:  # the library would draw it at random
        raise LetheError(f"{weights}: it has no weight {min(found['missing_keys'])}", _REMEDY)
    tokens = tokenizer(list(sentences), padding=True, return_tensors="pt")
    length, longest = tokens["input_ids"].shape[1], model.config.text_config.max_position_embeddings
    if length > longest:
        raise LetheError(f"a sentence has {length} tokens, where CLIP takes {longest}", "shorten zero_shot.prompt")
    transform = read_transform(folder / "preprocessor_config.json", model.config.vision_config.image_size)
    on_device = {name: part.to(device) for name, part in tokens.items()}
    return ZeroShot(model.to(device).eval(), transform, on_device, sha256_of(weights))


@torch.inference_mode()
def look_zero_shot(
    judge: ZeroShot, images: np.ndarray, batch: int, *, embeddings: bool = False, shard: Shard | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Logits of the sentences (N, K) of uint8 images (N, C, H, W), which are a whole set or a ``shard`` of one; on
    request also their ``embeddings`` (N, d), each of length 1. Both float32."""
    device = judge.tokens["input_ids"].device
    logits, embedded = [], []
    parts = list((shard or whole(len(images))).batches(batch))
    for part in tqdm(parts, desc="zero-shot CLIP", unit="batch", disable=None):
        shown = in_batch(in_colour(torch.from_numpy(images[part.rows]).to(device)), part)
        seen = judge.model(pixel_values=judge.transform(shown), **judge.tokens)
        logits.append(seen.logits_per_image[part.own].cpu())
        if embeddings:
            embedded.append(seen.image_embeds[part.own].cpu())
    return torch.cat(logits).numpy(), torch.cat(embedded).numpy() if embeddings else None
