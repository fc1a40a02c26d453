"""What of the assets is there, and what cannot be had: asked before any job. Existence and sizes; nothing is hashed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lethe.assets import hub
from lethe.assets.catalogue import Asset, AssetFile
from lethe.assets.manifest import recorded
from lethe.assets.places import MANIFEST, Place
from lethe.assets.space import readable
from lethe.errors import LetheError
from lethe.settings.assets import AssetSettings


@dataclass(frozen=True)
class Lack:
    """A file that is not as it should be. ``reason`` says how; ``obstacle`` what keeps a job from fetching it, None
    where nothing does."""

    asset: str
    file: AssetFile
    place: Path
    reason: str
    obstacle: str | None


def lacks_of(name: str, asset: Asset, settings: AssetSettings) -> list[Lack]:
    """The files of an asset that are missing or wrong."""
    folder = Path(settings.folder) / name
    fetched = recorded(folder)
    lacks = []
    for file in asset.files:
        reason = _reason(file, folder / file.path, fetched.get(file.path, {}).get("sha256"))
        if reason is not None:
            obstacle = _obstacle(name, asset, file, settings)
            # The job that fetches runs where there is no manifest; it is not run again for what changed afterwards.
            if obstacle is None and (folder / MANIFEST).is_file():
                obstacle = "its manifest says that it was fetched, so no job fetches it again"
            lacks.append(Lack(name, file, folder / file.path, reason, obstacle))
    return lacks


def check_assets(places: Iterable[Place], settings: AssetSettings, preset: str) -> None:
    """Raise LetheError naming every file that jobs would ask for in vain: missing and not to be fetched, or wrong."""
    assets = {place.name: place.asset for place in places if place.asset is not None}
    lacks = [lack for name, asset in assets.items() for lack in lacks_of(name, asset, settings) if lack.obstacle]
    if not lacks:
        return
    lines = [f"preset {preset}: {len(lacks)} files that it needs are not there and cannot be fetched as things are"]
    for name in dict.fromkeys(lack.asset for lack in lacks):
        asset = assets[name]
        lines.append(f"  {name}: {asset.title}. Used by {asset.used_by}. Licence: {asset.licence}")
        for lack in lacks:
            if lack.asset == name:
                lines.append(f"    {lack.place} ({readable(lack.file.size)}): {lack.reason}")
                lines.append(f"      {lack.file.url}")
        lines += [f"    {obstacle}" for obstacle in dict.fromkeys(x.obstacle for x in lacks if x.asset == name)]
    raise LetheError(
        "\n".join(lines),
        f"run `make assets PRESET={preset}` where there is a network and bring the folder {settings.folder} here, or "
        "put the files there by hand",
    )


def _reason(file: AssetFile, place: Path, fetched: str | None) -> str | None:
    if not place.is_file():
        return "missing"
    size = place.stat().st_size
    if file.size is not None and size != file.size:
        return f"has {size} bytes instead of {file.size}"
    if file.sha256 is not None and fetched is not None and fetched != file.sha256:
        return f"was fetched with sha256 {fetched}, the catalogue now names {file.sha256}"
    return None


def _obstacle(name: str, asset: Asset, file: AssetFile, settings: AssetSettings) -> str | None:
    """What keeps a file from being fetched."""
    if settings.mirror is not None:
        source = Path(settings.mirror, name, file.path)
        if source.is_file() and file.size in (None, source.stat().st_size):
            return None
    if settings.offline:
        return "assets.offline is true" + (f", and {settings.mirror} has it not" if settings.mirror else "")
    if asset.gated and hub.token() is None:
        return f"it is gated: {hub.gate_message(hub.page_of(file.url))}"
    return None
