"""Where an asset lies: named from the catalogue, or a file or folder of the user's own given by its path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lethe.assets.catalogue import Asset, read_catalogue
from lethe.errors import LetheError, nearest
from lethe.settings.assets import AssetSettings

MANIFEST = "manifest.json"
"""Written beside an asset's files once all are there and checked: what jobs that need the asset wait for."""


@dataclass(frozen=True)
class Place:
    """Something given: ``path`` is what commands are told, ``inputs`` the files that a rule waits for, ``mark`` what a
    result made from it has in its fingerprint. ``asset`` is None for what is the user's own."""

    path: str
    inputs: tuple[str, ...]
    mark: str
    name: str
    asset: Asset | None


def place_of(given: str, settings: AssetSettings, is_needed: bool = True) -> Place:
    """``given`` is a name of the catalogue, or a path: it has a slash in it, or begins with a dot. LetheError for an
    unknown name and, where it ``is_needed``, for a path that is not there."""
    if "/" in given or given.startswith("."):
        if is_needed and not Path(given).exists():
            whole = "" if Path(given).is_absolute() else f" ({Path(given).resolve()})"
            raise LetheError(
                f"{given}: no such file or folder{whole}", "correct the path, or name an asset of the catalogue"
            )
        return Place(given, (given,), f"own {given}", given, None)
    catalogue = read_catalogue(settings.catalogue)
    if given not in catalogue:
        raise LetheError(
            f"there is no asset '{given}'",
            f"{nearest(given, catalogue)}, or give a path of your own with a slash in it, as ./{given}",
        )
    asset, folder = catalogue[given], f"{settings.folder}/{given}"
    path = folder if asset.is_folder else f"{folder}/{asset.files[0].path}"
    marks = [asset.revision or "", *(f"{file.path} {file.sha256 or file.url}" for file in asset.files)]
    return Place(path, (f"{folder}/{MANIFEST}",), " ".join(marks).strip(), given, asset)
