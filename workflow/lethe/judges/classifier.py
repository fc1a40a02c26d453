"""A convolutional classifier of one or more attributes, each with one class more: images that are none of them.

The paper judges with zero-shot CLIP and eleven prompts, the eleventh being "random noise", because an ordinary
classifier sends the noise that unlearned models draw to some class. Here the class of such images is learned from
:func:`lethe.judges.pictures.noise_like`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lethe.errors import LetheError
from lethe.files import order_metadata, written_whole
from lethe.judges.pictures import in_batch, pixels
from lethe.judges.residual import residual_body
from lethe.shards import Shard, whole


class Classifier(nn.Module):
    """Images (B, C, H, W) in [-1, 1] -> features (B, features) and logits (B, sum of classes + 1 over the heads).

    ``heads`` gives the number of classes of each head; its logits are the classes, then "none of them".
    ``architecture`` is one of :class:`lethe.settings.judge.JudgeSettings`.
    """

    def __init__(
        self, channels: int, width: int, features: int, heads: Mapping[str, int], architecture: str = "small"
    ) -> None:
        super().__init__()
        self.heads = dict(heads)
        # Heads as pairs: the order of the keys would be lost in a file's metadata.
        sizes = [list(head) for head in self.heads.items()]
        self.shape = {"channels": channels, "width": width, "features": features, "heads": sizes}
        if architecture == "resnet":
            self.shape["architecture"] = architecture
        self.body = (residual_body if architecture == "resnet" else small_body)(channels, width, features)
        self.head = nn.Linear(features, sum(self._sizes()))

    def _sizes(self) -> list[int]:
        return [classes + 1 for classes in self.heads.values()]

    def by_head(self, logits: Tensor) -> dict[str, Tensor]:
        """The logits (B, classes + 1) of each head."""
        return dict(zip(self.heads, logits.split(self._sizes(), dim=1), strict=True))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(images)
        return features, self.head(features)


def small_body(channels: int, width: int, features: int) -> nn.Sequential:
    """Three convolutions: images (B, channels, H, W) -> features (B, features)."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 3, padding=1, stride=2),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.Conv2d(2 * width, 2 * width, 3, padding=1),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(2 * width * 16, features),
        nn.ReLU(),
    )


@torch.inference_mode()
def look(
    classifier: Classifier, images: np.ndarray, device: torch.device, batch: int = 512, shard: Shard | None = None
) -> tuple[Tensor, Tensor]:
    """Features (N, d) and logits of all heads (N, L), float32, of uint8 images (N, C, H, W), which are a whole set or a
    ``shard`` of one."""
    classifier = classifier.to(device)
    outputs = []
    for part in (shard or whole(len(images))).batches(batch):
        seen = classifier(in_batch(pixels(images[part.rows]).to(device), part))
        outputs.append([output[part.own].cpu() for output in seen])
    features, logits = (torch.cat(parts) for parts in zip(*outputs, strict=True))
    return features, logits


def predicted(classifier: Classifier, logits: Tensor) -> np.ndarray:
    """The class of each head (N, A) int64; -1 where an image is none of them."""
    found = [own.argmax(1) for own in classifier.by_head(logits).values()]
    none = torch.tensor(list(classifier.heads.values()))
    classes = torch.stack(found, dim=1)
    return torch.where(classes == none, -1, classes).numpy()


def save_classifier(path: Path, classifier: Classifier, provenance: dict[str, Any]) -> None:
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in classifier.state_dict().items()}
    metadata = {"format": "pt", "lethe": json.dumps({**provenance, "shape": classifier.shape}, sort_keys=True)}
    with written_whole(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)
        order_metadata(temporary)


def load_classifier(path: Path) -> tuple[Classifier, dict[str, Any]]:
    """Read what :func:`save_classifier` wrote: the classifier in evaluation mode, and its provenance."""
    if not path.is_file():
        raise LetheError(f"{path}: no such judge", "train it first: python -m lethe.judge")
    try:
        with safe_open(str(path), framework="pt") as stream:
            provenance = json.loads((stream.metadata() or {}).get("lethe", "{}"))
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118 - not a mapping
        shape = provenance["shape"]
        classifier = Classifier(**shape | {"heads": dict(shape["heads"])})
        classifier.load_state_dict(tensors)
    except (SafetensorError, KeyError, TypeError, RuntimeError) as error:
        raise LetheError(f"{path}: not a judge that Lethe wrote ({error})", "train it again") from None
    return classifier.eval(), provenance
