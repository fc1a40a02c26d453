"""The figures of a preset, as images that the page holds."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import NamedTuple

from lethe.errors import LetheError

_LARGEST_EXACT = 600_000
"""Bytes; a figure of photographs that is larger without loss is stored with loss."""
_LONGEST = 16383  # pixels of a side of a WebP file


class Embedded(NamedTuple):
    """An image in the page: the address that holds it, and its size in pixels."""

    address: str
    width: int
    height: int


def embedded(path: str | Path, quality: int) -> Embedded:
    """A png as WebP, which is a third as large: without loss, unless it then is very large."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGBA")
    except (UnidentifiedImageError, OSError) as error:
        raise LetheError(f"{path}: not an image ({error})", "delete it, and run snakemake again") from None
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    plain = white.convert("RGB")
    if max(plain.size) > _LONGEST:
        plain.thumbnail((_LONGEST, _LONGEST))
    buffer = io.BytesIO()
    plain.save(buffer, "WEBP", lossless=True, method=3)
    if buffer.tell() > _LARGEST_EXACT:
        buffer = io.BytesIO()
        plain.save(buffer, "WEBP", quality=quality, method=4)
    return Embedded(f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}", *plain.size)
