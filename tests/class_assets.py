"""Small files in the real formats of what a study of CIFAR-10 needs: the archive, CLIP, Inception, stored moments."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import CLIPConfig, CLIPModel

from lethe.files import write_json
from lethe.judges.inception import inception_network
from lethe.models.tokenizer import write_tokenizer

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CLASSES = ("plane", "car", *NAMES[2:])


def pictures(labels: Sequence[int], seed: int) -> np.ndarray:
    """Images (N, 3, 32, 32) uint8 that can be told apart by their class: two bright bands of ten, in grain."""
    generator = np.random.default_rng(seed)
    images = generator.integers(0, 90, (len(labels), 3, 32, 32))
    for image, label in zip(images, labels, strict=True):
        image[label % 3, 3 * label : 3 * label + 4, :] += 150
        image[(label + 1) % 3, :, 3 * label : 3 * label + 4] += 100
    return images.clip(0, 255).astype(np.uint8)


def batches(per_batch: int, seed: int = 0) -> dict[str, dict[str, Any]]:
    """What the archive holds, by name: the classes in turn in every batch, shuffled."""
    found: dict[str, dict[str, Any]] = {
        "batches.meta": {"num_cases_per_batch": per_batch, "label_names": list(NAMES), "num_vis": 3072}
    }
    for number, name in enumerate((*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")):
        order = np.random.default_rng(seed + number).permutation(per_batch)
        labels = ((order + per_batch * number) % 10).tolist()
        pixels = pictures(labels, seed + 100 + number).reshape(per_batch, -1)
        files = [f"{NAMES[label]}_s_{index:06d}.png" for index, label in enumerate(labels)]
        found[name] = {"batch_label": name, "labels": labels, "data": pixels, "filenames": files}
    return found


def write_archive(path: Path, contents: Mapping[str, dict[str, Any]]) -> Path:
    """A ``cifar-10-python.tar.gz``: each entry pickled, in the folder that the published one has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, values in contents.items():
            data = pickle.dumps(values, protocol=2)
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def write_clip(folder: Path, weights: str = "model.safetensors", image_size: int = 48) -> Path:
    """A random CLIP as the hub has it: configuration, weights, tokenizer and image processor."""
    sentences = [f"a photo of a {name}" for name in (*CLASSES, "random noise")]
    tokenizer = write_tokenizer(folder, sentences, length=16)
    towers = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    tokens = {"vocab_size": len(tokenizer), "max_position_embeddings": 16}
    special = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = CLIPConfig(
        text_config=towers | tokens | special,
        vision_config=towers | {"image_size": image_size, "patch_size": 16},
        projection_dim=12,
    )
    torch.manual_seed(0)
    model = CLIPModel(config)
    model.save_pretrained(folder)
    if weights == "pytorch_model.bin":
        (folder / "model.safetensors").unlink()
        # The published file is older than its library: it also has what is no weight any more.
        numbers = {"text": 16, "vision": model.vision_model.embeddings.num_positions}
        places = {f"{name}_model.embeddings.position_ids": torch.arange(count)[None] for name, count in numbers.items()}
        torch.save(dict(model.state_dict()) | places, folder / weights)
    write_json(
        folder / "preprocessor_config.json",
        {
            "crop_size": image_size,
            "do_center_crop": True,
            "do_normalize": True,
            "do_resize": True,
            "feature_extractor_type": "CLIPFeatureExtractor",
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
            "resample": 3,
            "size": image_size,
        },
    )
    return folder


def inception_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights with the names and shapes of pytorch-fid's file, such that its features differ by image."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, tensor in inception_network().state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue  # the published file is older than they are
        if tensor.ndim > 1:
            scale = (2 / tensor[0].numel()) ** 0.5
            weights[name] = torch.randn(tensor.shape, generator=generator) * scale
        else:
            weights[name] = torch.ones_like(tensor) if name.endswith(("weight", "var")) else torch.zeros_like(tensor)
    return weights


def write_inception(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(inception_weights(seed), path)
    return path


def write_moments(path: Path, features: np.ndarray, **more: str) -> Path:
    """Moments of features (N, d), as EDM stores them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wide = features.astype(np.float64)
    np.savez(path, mu=wide.mean(0), sigma=np.cov(wide, rowvar=False), **more)
    return path
