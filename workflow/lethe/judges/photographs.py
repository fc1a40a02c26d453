"""Photographs of any size as squares of one size, read one by one from a zip archive or a folder.

No protocol for COCO is agreed upon, and most say nothing of how photographs become square. Here they are resized by one
antialiased bicubic filter such that the middle square has the wanted size, and that is cut out; nothing is stretched.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from lethe.errors import LetheError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_REMEDY = "give a zip archive or a folder of images"


def photograph_names(source: Path) -> list[str]:
    """The images in an archive or a folder, and in folders in it, sorted by name; LetheError where there is none."""
    if source.is_dir():
        there = (path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())
    else:
        with _archive(source) as archive:
            there = archive.namelist()
    names = sorted(name for name in there if name.lower().endswith(SUFFIXES) and not _is_hidden(name))
    if not names:
        raise LetheError(f"{source}: it holds no images ({', '.join(SUFFIXES)})", _REMEDY)
    return names


def squares(source: Path, names: Sequence[str], size: int) -> Iterator[np.ndarray]:
    """Each image as uint8 (3, size, size), in the order of ``names``; nothing is unpacked to the disk."""
    if source.is_dir():
        for name in names:
            yield square(_opened(f"{source}/{name}", (source / name).read_bytes()), size)
        return
    with _archive(source) as archive:
        for name in names:
            try:
                data = archive.read(name)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                raise LetheError(f"{source}: {name} cannot be read ({error})", "get the archive again") from None
            yield square(_opened(f"{source}, {name}", data), size)


def square(image: Image.Image, size: int) -> np.ndarray:
    """The middle square of an image in RGB, as uint8 (3, size, size)."""
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    if side == size:  # at whole pixels nothing need be interpolated
        resized = image.crop((int(left), int(top), int(left) + size, int(top) + size))
    else:
        box = (left, top, left + side, top + side)
        resized = image.resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.ascontiguousarray(np.asarray(resized).transpose(2, 0, 1))


def _opened(where: str, data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data)).convert("RGB")
    except (UnidentifiedImageError, OSError, Image.DecompressionBombError) as error:
        raise LetheError(f"{where}: not a readable image ({error})", "get it again, or take it out") from None


def _archive(source: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source)
    except FileNotFoundError:
        raise LetheError(f"{source}: no such file or folder", _REMEDY) from None
    except zipfile.BadZipFile as error:
        raise LetheError(f"{source}: not a zip archive ({error})", _REMEDY) from None


def _is_hidden(name: str) -> bool:
    """What some systems put beside images, such as __MACOSX/._1.jpg."""
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
