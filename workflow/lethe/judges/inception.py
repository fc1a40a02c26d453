"""Inception's features for FID and KID, from pytorch-fid's port of TensorFlow's network of 2015-12-05.

In front of it images are made larger and normalised. Two ways are in use, and distances across them mean nothing:

    tf1       EDM's, NVIDIA's and TTUR's: bilinear, output pixel i at source position i * size / 299 without half
              pixels, then (x - 128) / 128
    pytorch   pytorch-fid's: bilinear with half-pixel centres, then 2 x / 255 - 1
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import torchvision
from pytorch_fid.inception import FIDInceptionA, FIDInceptionC, FIDInceptionE_1, FIDInceptionE_2
from torch import Tensor, nn
from tqdm import tqdm

from lethe.errors import LetheError
from lethe.judges.pictures import in_batch, in_colour
from lethe.settings.given_judges import FrontEnd
from lethe.shards import Shard, whole

SIDE = 299
FEATURES = 2048
_REMEDY = "give pt_inception-2015-12-05-6726825d.pth, the asset inception"


def load_inception(weights: Path) -> nn.Module:
    """The network in evaluation mode: (B, 3, 299, 299) in [-1, 1] -> features (B, 2048). Nothing is fetched or run."""
    network = inception_network()
    try:
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise LetheError(f"{weights}: no such file", _REMEDY) from None
    except (RuntimeError, TypeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise LetheError(f"{weights}: not the weights of pytorch-fid's Inception ({reason})", _REMEDY) from None
    network.fc = nn.Identity()
    return network.eval()


def inception_network() -> nn.Module:
    """torchvision's Inception with the blocks in which TensorFlow's differs from it, its weights not set."""
    network = torchvision.models.inception_v3(weights=None, num_classes=1008, aux_logits=False, init_weights=False)
    for name, width, pooled in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        setattr(network, f"Mixed_{name}", FIDInceptionA(width, pool_features=pooled))
    for name, inner in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        setattr(network, f"Mixed_{name}", FIDInceptionC(768, channels_7x7=inner))
    network.Mixed_7b, network.Mixed_7c = FIDInceptionE_1(1280), FIDInceptionE_2(2048)
    return network


@torch.inference_mode()
def look_inception(
    network: nn.Module,
    images: Iterable[np.ndarray],
    front_ends: Sequence[FrontEnd],
    device: torch.device,
    batch: int,
    shard: Shard | None = None,
) -> dict[FrontEnd, np.ndarray]:
    """Features (N, 2048) float32 of uint8 images (N, C, H, W), which are a whole set or a ``shard`` of one, through
    each front end.

    With their shard the images may also come one by one: no more than a batch of them is then in memory.
    """
    shard = whole(len(images)) if shard is None else shard
    network, rest = network.to(device), iter(images)
    features = {name: np.empty((shard.images, FEATURES), np.float32) for name in front_ends}
    for part in tqdm(list(shard.batches(batch)), desc="Inception", unit="batch", disable=None):
        own = np.stack(list(itertools.islice(rest, part.rows.stop - part.rows.start)))
        shown = in_batch(in_colour(torch.from_numpy(own).to(device)), part)
        for name, rows in features.items():
            rows[part.rows] = network(FRONT_ENDS[name](shown))[part.own].cpu().numpy()
    return features


def pytorch_front_end(images: Tensor) -> Tensor:
    """uint8 (B, 3, H, W) -> (B, 3, 299, 299) as pytorch-fid makes it."""
    resized = nn.functional.interpolate(images.float() / 255, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return 2 * resized - 1


def tf1_front_end(images: Tensor) -> Tensor:
    """uint8 (B, 3, H, W) -> (B, 3, 299, 299) as TensorFlow 1 resizes without aligned corners."""
    levels = images.float()
    for axis in (-1, -2):
        size = levels.shape[axis]
        place = torch.arange(SIDE, device=images.device, dtype=torch.float32) * (size / SIDE)
        before = place.floor()
        share = (place - before).reshape(-1, *[1] * (-1 - axis))
        low = before.long().clamp(max=size - 1)
        below, above = (levels.index_select(axis, row) for row in (low, (low + 1).clamp(max=size - 1)))
        levels = below + (above - below) * share
    return (levels - 128) / 128


FRONT_ENDS: Mapping[FrontEnd, Callable[[Tensor], Tensor]] = {"tf1": tf1_front_end, "pytorch": pytorch_front_end}
