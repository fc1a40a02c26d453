"""The archive: a zip file of a manifest and of results, written to the same bytes for the same results, and read as
what a stranger may have made. Nothing in it is believed before its size and sha256 are those of the manifest."""

from __future__ import annotations

import contextlib
import hashlib
import json
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from lethe.errors import LetheError
from lethe.files import written_whole
from lethe.publish.manifest import MANIFEST, Manifest, PublishedFile

_MANIFEST_BYTES = 64 * 2**20
_CHUNK = 2**20
_ANOTHER = "ask for it again, or make it with `snakemake publish`"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def write_archive(path: Path, manifest: Manifest, contents: Mapping[str, Path]) -> None:
    """Pack ``contents``, files by their name in the archive, which are those of the manifest."""
    with written_whole(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        text = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
        archive.writestr(_entry(MANIFEST), text, compresslevel=9)
        for name in sorted(manifest.files):
            archive.writestr(_entry(name), contents[name].read_bytes(), compresslevel=9)


def _entry(name: str) -> zipfile.ZipInfo:
    """Of no particular time, user or system."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, wherever it is packed
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    return entry


def read_manifest(path: Path) -> Manifest:
    """The manifest of an archive that holds just what it names."""
    with _opened(path) as archive:
        return _manifest_of(path, archive)


def unpack(path: Path, folder: Path) -> Manifest:
    """Write every file of an archive below ``folder``, each whole and checked; give the manifest."""
    with _opened(path) as archive:
        manifest = _manifest_of(path, archive)
        for name, file in manifest.files.items():
            with written_whole(folder / name) as temporary:
                _write_checked(path, archive, name, file, temporary)
        return manifest


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except FileNotFoundError:
        raise LetheError(f"{path}: no such archive", "correct the path, or make it with `snakemake publish`") from None
    # What zipfile raises at damaged or unheard-of archives: encryption and compressions it does not know among it.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, IsADirectoryError) as error:
        raise LetheError(f"{path}: not a sound zip archive ({error})", _ANOTHER) from None


def _manifest_of(path: Path, archive: zipfile.ZipFile) -> Manifest:
    entries = {entry.filename: entry for entry in archive.infolist()}
    if len(entries) < len(archive.infolist()):
        raise LetheError(f"{path}: it has two files of one name", _ANOTHER)
    if MANIFEST not in entries:
        raise LetheError(f"{path}: it has no {MANIFEST}, so it is no archive of published records", _ANOTHER)
    _check_entry(path, entries[MANIFEST])
    if entries[MANIFEST].file_size > _MANIFEST_BYTES:
        raise LetheError(f"{path}: its {MANIFEST} has more than {_MANIFEST_BYTES:,} bytes", _ANOTHER)
    try:
        manifest = Manifest.model_validate_json(_read(archive, MANIFEST, entries[MANIFEST].file_size))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise LetheError(f"{path}: {MANIFEST}, {place or 'whole'}: {first['msg']}", _ANOTHER) from None
    if differ := sorted(manifest.files.keys() ^ (entries.keys() - {MANIFEST})):
        raise LetheError(f"{path}: {differ[0]!r} is only in one of the archive and its {MANIFEST}", _ANOTHER)
    studies = manifest.computed.get("studies", {})
    if strange := [name for name in manifest.files if name.split("/")[0] not in studies]:
        raise LetheError(f"{path}: {strange[0]!r} is of no study of its configuration", _ANOTHER)
    for name, file in manifest.files.items():
        _check_entry(path, entries[name])
        if entries[name].file_size != file.bytes:
            raise LetheError(f"{path}: {name} has {entries[name].file_size:,} bytes, not {file.bytes:,}", _ANOTHER)
    return manifest


def _check_entry(path: Path, entry: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if entry.is_dir() or kind not in (0, stat.S_IFREG):
        raise LetheError(f"{path}: {entry.filename!r} is a link or a folder, not a file", _ANOTHER)
    if entry.flag_bits & 1 or entry.compress_type not in _METHODS:
        raise LetheError(f"{path}: {entry.filename!r} is encrypted, or compressed in a way not taken", _ANOTHER)


def _read(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    with archive.open(name) as stream:
        return stream.read(size)


def _write_checked(path: Path, archive: zipfile.ZipFile, name: str, file: PublishedFile, to: Path) -> None:
    found, left = hashlib.sha256(), file.bytes
    with archive.open(name) as stream, to.open("wb") as output:
        while left > 0 and (chunk := stream.read(min(_CHUNK, left))):
            output.write(chunk)
            found.update(chunk)
            left -= len(chunk)
        if left or stream.read(1) or found.hexdigest() != file.sha256:
            raise LetheError(f"{path}: {name} is not what {MANIFEST} says, by size or sha256", _ANOTHER)
