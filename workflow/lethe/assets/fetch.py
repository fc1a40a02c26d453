"""One asset: each of its files kept where it is right, else copied from the mirror, else downloaded; then a manifest.

Where the catalogue knows no sha256, what came first is trusted and recorded, and anything else refused from then on.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from lethe.assets.catalogue import Asset, AssetFile
from lethe.assets.download import download
from lethe.assets.manifest import recorded, write_manifest
from lethe.assets.places import MANIFEST
from lethe.assets.space import check_space, readable
from lethe.errors import LetheError
from lethe.files import sha256_of, temporary_beside
from lethe.settings.assets import AssetSettings


def fetch(name: str, asset: Asset, settings: AssetSettings, first_wait: float = 1.0) -> None:
    """Put all files of an asset into their places, and write its manifest. ``first_wait``: see :func:`download`."""
    folder = Path(settings.folder) / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder, name):
            _fetch(name, asset, settings, folder, first_wait)
    except OSError as error:
        raise LetheError(f"{folder}: {error.strerror or error}", "correct assets.folder, or its permissions") from None


def _fetch(name: str, asset: Asset, settings: AssetSettings, folder: Path, first_wait: float) -> None:
    trusted = {path: file["sha256"] for path, file in recorded(folder).items()}
    wanted = [
        file if file.sha256 else file.model_copy(update={"sha256": trusted.get(file.path)}) for file in asset.files
    ]
    found: dict[str, tuple[int, str]] = {}
    for file in wanted:
        if (sum_ := _right(file, folder / file.path)) is not None:
            found[file.path] = ((folder / file.path).stat().st_size, sum_)
            print(f"{name}: {file.path} is in place")
    missing = [file for file in wanted if file.path not in found]
    begun = (temporary_beside(folder / file.path) for file in missing)
    there = sum(part.stat().st_size for part in begun if part.exists())
    check_space(folder, sum(file.size or 0 for file in missing) - there, name)
    for file in missing:
        place = folder / file.path
        sum_ = _from_mirror(name, file, place, settings)
        if sum_ is None:
            if settings.offline:
                raise LetheError(
                    f"{place}: missing or wrong, not in a mirror, and assets.offline forbids the network",
                    f"get {file.url} where there is a network and put it there",
                )
            resumable = file.sha256 is not None or asset.revision is not None
            sum_ = download(file, place, asset.gated, resumable, first_wait)
            print(f"{name}: {file.path} downloaded, {readable(place.stat().st_size)}, sha256 {sum_}")
        found[file.path] = place.stat().st_size, sum_
    write_manifest(folder, name, asset, found)


def _right(file: AssetFile, place: Path) -> str | None:
    """The sha256 of what lies at ``place``, if that is the file; None where it is missing or wrong."""
    if not place.is_file():
        return None
    size = place.stat().st_size
    if file.size is not None and size != file.size:
        print(f"{place}: {size} bytes instead of {file.size}; it is replaced")
        return None
    found = sha256_of(place)
    if file.sha256 is not None and found != file.sha256:
        print(f"{place}: sha256 {found} instead of {file.sha256}; it is replaced")
        return None
    return found


def _from_mirror(name: str, file: AssetFile, place: Path, settings: AssetSettings) -> str | None:
    """Copy the file from the mirror; its sha256, or None where the mirror has it not."""
    source = Path(settings.mirror or "", name, file.path)
    if settings.mirror is None or not source.is_file():
        return None
    part = temporary_beside(place)
    part.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, part)
    if (found := _right(file, part)) is None:
        part.unlink()
        raise LetheError(
            f"{source}: not the file that the catalogue names: sha256 {sha256_of(source)}, expected "
            f"{file.sha256 or 'any'}, of {readable(file.size)}",
            "mend the mirror, or leave the file out of it",
        )
    part.replace(place)
    print(f"{name}: {file.path} copied from {source}")
    return found


@contextlib.contextmanager
def _alone(folder: Path, name: str) -> Iterator[None]:
    """Hold the asset's lock, which ends with the process, however that ends."""
    with (folder / f".{MANIFEST}.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{name}: another process fetches it; waiting", flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:  # some file systems of clusters know no locks
            print(f"{name}: {folder} cannot be locked ({error.strerror}); let no other process fetch it now")
        yield
