"""Writing a pack, whole or not at all: a folder, or one tar file of it with the same bytes for the same content."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lethe.errors import LetheError
from lethe.export.contents import SUMS
from lethe.files import copy_file, sha256_of, temporary_beside, write_text, written_whole


def write_folder(output: Path, copied: Mapping[str, str], written: Mapping[str, str]) -> None:
    """``copied`` are sources and ``written`` texts, by their name in the folder ``output``, which must not exist."""
    check_absent(output)
    with _folder_whole(output) as folder:
        _fill(folder, copied, written)


def write_archive(output: Path, name: str, copied: Mapping[str, str], written: Mapping[str, str]) -> None:
    """The same folder, called ``name``, in the tar file ``output``. It is not compressed: weights hardly are smaller
    then, and another version of a compressor would write other bytes."""
    check_absent(output)
    with _unpacked(output) as folder, written_whole(output) as temporary:
        _fill(folder, copied, written)
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive:
            for path in _files(folder):
                entry = tarfile.TarInfo(f"{name}/{path.relative_to(folder).as_posix()}")
                entry.size, entry.mode = path.stat().st_size, 0o644  # no time, no owner: the same bytes everywhere
                with path.open("rb") as stream:
                    archive.addfile(entry, stream)


def check_absent(output: Path) -> None:
    if output.exists() or output.is_symlink():
        raise LetheError(f"{output}: there is such a file or folder already", "delete it, or name another OUTPUT")


def _fill(folder: Path, copied: Mapping[str, str], written: Mapping[str, str]) -> None:
    for name, source in copied.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy_file(source, folder / name)
    for name, text in written.items():
        write_text(folder / name, text)
    sums = [f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder)]
    write_text(folder / SUMS, "".join(sums))


def _files(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(files, key=lambda path: path.relative_to(folder).as_posix())


@contextlib.contextmanager
def _folder_whole(output: Path) -> Iterator[Path]:
    """A folder beside ``output`` that becomes it when the block ends well, and is removed else."""
    with _temporary_folder(temporary_beside(output)) as folder:
        yield folder
        check_absent(output)
        folder.rename(output)


@contextlib.contextmanager
def _unpacked(output: Path) -> Iterator[Path]:
    with _temporary_folder(output.with_name(f".{output.name}.folder.part")) as folder:
        yield folder


@contextlib.contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    """Its name is fixed, so that what a kill left behind is removed by the next try."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
