"""The sample stage: image sets, drawn once from a model and shared by every judge and figure."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from tqdm import tqdm

from lethe.cli import provenance
from lethe.device import choose_device
from lethe.environment import allowed_threads
from lethe.files import write_arrays
from lethe.imported.marks import imported_from, told
from lethe.models.denoiser import Denoiser
from lethe.settings.common import Settings
from lethe.settings.options import from_options
from lethe.training import use_threads

Chosen = TypeVar("Chosen", bound=Settings)
Model = TypeVar("Model", bound=Denoiser)


def begin(
    load: Callable[[Path, torch.device], Model], settings: type[Chosen], arguments: argparse.Namespace
) -> tuple[Chosen, Model]:
    """The settings and the model of a sampling command."""
    chosen = from_options(settings, arguments)
    use_threads()
    return chosen, load(arguments.model, choose_device(arguments.device))


def write_images(
    model: Denoiser,
    settings: Any,
    arguments: argparse.Namespace,
    *,
    seeds: np.ndarray,
    conditions: torch.Tensor,
    columns: Mapping[str, np.ndarray],
    sampler: str,
    guidance: np.ndarray | None = None,
    **more: Any,
) -> None:
    """Draw one image for each seed and write them, with ``columns`` of the same length, as one shard. ``guidance`` (N,)
    is that of each image, None for the settings'."""
    own = {} if guidance is None else {"guidance": guidance}
    with tqdm(total=len(seeds), desc="sample", unit="image", disable=None) as bar:
        images = model.sample(seeds.tolist(), conditions, settings, bar.update, **own)
    threads = allowed_threads()
    precision = getattr(arguments, "precision", "float32")
    imported = imported_from(arguments.model)
    record = provenance(
        "sample",
        settings,
        arguments,
        shard=arguments.shard,
        sampler=f"{sampler}, kernel batch {settings.kernel_batch}, {model.device.type}, "
        f"{threads} thread{'s' if threads > 1 else ''}{f', {precision}' if precision != 'float32' else ''}"
        f"{f'; {told(imported)}' if imported else ''}",
        **more,
    )
    integers = {name: np.asarray(array, np.int64) for name, array in {"seeds": seeds, **columns}.items()}
    write_arrays(arguments.output, {"images": images.numpy(), **integers, **own}, record)


def system_seeds(count: int) -> np.ndarray:
    """Seeds (count,) int64 from the operating system, other ones each time: what a run without a seed has."""
    return np.frombuffer(os.urandom(4 * count), dtype=np.uint32).astype(np.int64)
