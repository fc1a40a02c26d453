"""The manifest beside an asset's files: what was fetched, file by file. No time and no host in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lethe.assets.catalogue import Asset
from lethe.assets.places import MANIFEST
from lethe.files import read_json, write_json


def write_manifest(folder: Path, name: str, asset: Asset, found: dict[str, tuple[int, str]]) -> None:
    """``found`` has the size and the sha256 of each file, by its path."""
    files = [
        {"path": file.path, "url": file.url, "size": found[file.path][0], "sha256": found[file.path][1]}
        for file in asset.files
    ]
    manifest = {"asset": name, "title": asset.title, "licence": asset.licence, "revision": asset.revision}
    write_json(folder / MANIFEST, {**manifest, "files": files})


def recorded(folder: Path) -> dict[str, dict[str, Any]]:
    """What the manifest in ``folder`` says of each file, by its path; nothing where there is no manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    manifest = read_json(path)
    return {file["path"]: file for file in manifest.get("files", [])} if isinstance(manifest, dict) else {}
