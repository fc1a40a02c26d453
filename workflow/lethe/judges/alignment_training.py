"""How a small open_clip model is trained on pictures and captions, and how well it tells captions apart."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from torch import Tensor, nn

from lethe.data import CaptionedImages
from lethe.errors import LetheError
from lethe.judges.alignment import Alignment, untrained
from lethe.judges.contrasts import contrasts
from lethe.judges.fitting import fit
from lethe.judges.pictures import pixels, shifted, softened
from lethe.randomness import BatchStream, derived_seed, step_generator
from lethe.settings.judge import AlignmentSettings

_LARGEST_LOGIT_SCALE = math.log(100)  # as in CLIP (Radford et al. 2021)


def architecture(settings: AlignmentSettings, size: int) -> dict[str, Any]:
    """open_clip's configuration of a model for pictures of ``size`` pixels."""
    image, text = settings.image, settings.text
    if size % image.patch:
        raise LetheError(
            f"pictures of {size} pixels cannot be cut into patches of {image.patch}", "change the patch of the judge"
        )
    return {
        "embed_dim": settings.embedding,
        "vision_cfg": {
            "image_size": size,
            "patch_size": image.patch,
            "width": image.width,
            "layers": image.layers,
            "head_width": image.width // image.heads,
            "mlp_ratio": 2.0,
        },
        "text_cfg": {
            "context_length": text.length,
            "vocab_size": open_clip.tokenizer.SimpleTokenizer().vocab_size,
            "width": text.width,
            "layers": text.layers,
            "heads": text.heads,
            "mlp_ratio": 2.0,
        },
    }


def train_alignment(data: CaptionedImages, settings: AlignmentSettings, device: torch.device) -> Alignment:
    """Train contrastively (Radford et al. 2021) on ``data``, pictures moved by up to one pixel and softened.

    Equal captions would be each other's wrong answers, so a batch has each caption once.
    """
    torch.manual_seed(derived_seed(settings.seed, "initialisation"))
    with tempfile.TemporaryDirectory() as folder:
        alignment = untrained(architecture(settings, data.images.shape[-1]), Path(folder))
    model = alignment.model.to(device).train()
    images = pixels(data.images)
    captions, caption_of = np.unique(data.captions, return_inverse=True)
    batches = BatchStream(len(images), settings.batch, settings.seed, "alignment")
    contrastive = open_clip.ClipLoss()

    with _known_tokens_only(model, alignment.tokens(captions.tolist())) as tokens:

        def loss_of(number: int) -> Tensor:
            generator = step_generator(settings.seed, number)
            rows = batches(number)
            rows = rows[np.sort(np.unique(caption_of[rows], return_index=True)[1])]
            seen = softened(shifted(images[torch.from_numpy(rows)], generator, "edge"), generator)
            said = tokens[torch.from_numpy(caption_of[rows])]
            with torch.no_grad():
                model.logit_scale.clamp_(0, _LARGEST_LOGIT_SCALE)
            return contrastive(*model(normalised(model, seen.to(device)), said.to(device)))

        weights = [weight for weight in model.parameters() if weight.ndim >= 2]
        others = [weight for weight in model.parameters() if weight.ndim < 2]
        fit(
            model,
            loss_of,
            steps=settings.steps,
            peak=settings.learning_rate,
            weight_decay=0.05,
            name="alignment judge",
            parameters=[{"params": weights}, {"params": others, "weight_decay": 0.0}],
        )
    model.eval()
    return alignment


def normalised(model: nn.Module, images: Tensor) -> Tensor:
    """Images of the model's own size in [-1, 1] as its evaluation transform gives them."""
    mean, std = (
        torch.tensor(values, device=images.device)[:, None, None]
        for values in (model.visual.image_mean, model.visual.image_std)
    )
    return ((images + 1) / 2 - mean) / std


@contextlib.contextmanager
def _known_tokens_only(model: nn.Module, tokens: Tensor) -> Iterator[Tensor]:
    """Train the embeddings of those tokens alone that occur, which are few of 49,408; gives ``tokens`` renumbered.

    The order stays, since CLIP reads a text out at its largest token, the end.
    """
    whole = model.token_embedding
    known = torch.unique(tokens)
    small = nn.Embedding(len(known), whole.embedding_dim).to(whole.weight.device)
    with torch.no_grad():
        small.weight.copy_(whole.weight[known])
    model.token_embedding = small
    try:
        yield torch.searchsorted(known, tokens)
    finally:
        model.token_embedding = whole
        with torch.no_grad():
            whole.weight[known] = small.weight


def contrast_accuracy(
    alignment: Alignment, data: CaptionedImages, seed: int, device: torch.device
) -> dict[str, dict[str, float]]:
    """For each attribute, the share of pictures that are nearer to their caption than to one with another class of it,
    by how much on average, and the number of pictures."""
    pairs = contrasts(data.labels, np.random.default_rng(derived_seed(seed, "contrasts")))
    seen = alignment.embed_pictures(alignment.pictures(data.images), device)[[pair.row for pair in pairs]]
    right = (seen * alignment.embed_texts([pair.right for pair in pairs], device)).sum(1)
    wrong = (seen * alignment.embed_texts([pair.wrong for pair in pairs], device)).sum(1)
    margin = (right - wrong).cpu().numpy()
    heads = np.array([pair.head for pair in pairs])
    return {
        head: {
            "accuracy": float((margin[heads == head] > 0).mean()),
            "margin": float(margin[heads == head].mean()),
            "n": int((heads == head).sum()),
        }
        for head in data.heads
    }
