"""In which of the forms that can be imported a model lies at a path. No torch: the workflow asks before any job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lethe.errors import LetheError
from lethe.files import read_json
from lethe.model_files import CONFIG, FOLDERS, Family
from lethe.models import PIPELINES

Form = Literal["pipeline", "network", "weights", "edm"]
"""The folder of a whole pipeline, that of its network alone, a file of weights (a state dict, or a checkpoint of the
original Stable Diffusion code), or a pickle of EDM."""

NETWORKS: dict[Family, tuple[str, ...]] = {
    "edm": ("UNet2DModel", "DDPMpp"),
    "stable_diffusion": ("UNet2DConditionModel",),
    "stable_diffusion_3": ("SD3Transformer2DModel",),
}
"""What the network that is to forget is called in config.json."""

_ENDINGS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_READ = (*_ENDINGS, ".json", ".txt")


def form_of(source: Path, family: Family) -> Form:
    """LetheError where it is no model, or one of another family than the study's."""
    if not source.exists():
        raise LetheError(f"{source}: no such file or folder", "correct the path")
    if source.is_file():
        return _form_of_file(source, family)
    if (source / "model_index.json").is_file():
        found = read_json(source / "model_index.json").get("_class_name")
        if family == "edm" or found != PIPELINES[family]:
            raise LetheError(
                f"{source}: a {found}, but the study's models are of {_named(family)}", "give one of these"
            )
        return "pipeline"
    if (source / CONFIG).is_file():
        found = read_json(source / CONFIG).get("_class_name")
        if found not in NETWORKS[family]:
            raise LetheError(
                f"{source}: a {found}, but the study's models are of {_named(family)}", "give one of these"
            )
        return "network"
    raise LetheError(f"{source}: neither model_index.json nor {CONFIG} in it, so no model", _remedy(source, family))


def files_of(source: Path) -> tuple[str, ...]:
    """What a model may be read from: a job that imports it waits for these."""
    return (str(source),) if source.is_file() else tuple(sorted(map(str, _files_in(source))))


def _files_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix in _READ and path.is_file())


def _form_of_file(source: Path, family: Family) -> Form:
    if family == "edm" and source.suffix == ".pkl":
        return "edm"
    if source.suffix not in _ENDINGS:
        endings = (*_ENDINGS, ".pkl") if family == "edm" else _ENDINGS
        raise LetheError(f"{source}: not a file of weights", f"give a folder, or a file ending in {', '.join(endings)}")
    return "weights"


def _named(family: Family) -> str:
    """What its folders hold, for a message."""
    names = " or ".join(NETWORKS[family])
    return names if family == "edm" else f"{PIPELINES[family]} ({names})"


def _remedy(folder: Path, family: Family) -> str:
    inside = [
        path
        for path in (folder / FOLDERS[family].rstrip("/"), *sorted(folder.glob("snapshots/*")))
        if any((path / name).is_file() for name in ("model_index.json", CONFIG))
    ]
    files = sorted(path for path in folder.iterdir() if path.suffix in _ENDINGS)
    found = [*inside, *files]
    return f"give {found[-1]}" if found else f"give the folder of {_named(family)}, or a file of its weights"
