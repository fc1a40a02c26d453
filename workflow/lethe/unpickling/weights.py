"""Files of weights of any kind, read without running anything in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from lethe.errors import LetheError
from lethe.unpickling.torch_files import read_torch_file


def read_weights_file(path: Path) -> Mapping[Any, Any]:
    """What a safetensors file or one of ``torch.save`` holds by name; of the latter all of it, wrappers too."""
    if path.suffix != ".safetensors":
        return read_torch_file(path)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise LetheError(f"{path}: not a readable safetensors file ({error})", "fetch it again") from error


def tensors_in(found: Mapping[Any, Any]) -> dict[str, Tensor]:
    """What of it are weights."""
    return {str(name): tensor for name, tensor in found.items() if isinstance(tensor, Tensor)}
