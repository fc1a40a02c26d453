"""Whether there is room on a disk, asked before a file is written."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from lethe.errors import LetheError


def check_space(folder: Path, needed: int, what: str) -> None:
    """Raise LetheError where ``needed`` bytes for ``what`` do not fit on the disk of ``folder``, which exists."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise LetheError(
            f"{folder}: {what} needs {readable(needed)}, and {readable(free)} are free",
            "make room, or name a folder on a larger disk in assets.folder",
        )


def readable(size: float | None) -> str:
    """Bytes in words, to three digits; None is a size that is not known."""
    if size is None:
        return "size not known"
    if size < 1000:
        return f"{size:.0f} bytes"
    power = min(4, int(math.log10(size) / 3 + 1e-12))
    return f"{size / 1000**power:.3g} {('kB', 'MB', 'GB', 'TB')[power - 1]}"
