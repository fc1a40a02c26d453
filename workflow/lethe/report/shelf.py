"""What there is of a preset's results. A report is made of that, and says what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class Shelf:
    """Looks for results, and remembers those that were looked for in vain."""

    def __init__(self) -> None:
        self.missing: list[str] = []

    def has(self, *paths: str) -> bool:
        """Whether all of these files are there."""
        return not self._absent(paths)

    def those_there(self, paths: Iterable[str]) -> list[str]:
        paths = list(dict.fromkeys(paths))
        absent = set(self._absent(paths))
        return [path for path in paths if path not in absent]

    def _absent(self, paths: Iterable[str]) -> list[str]:
        absent = [path for path in paths if not Path(path).is_file()]
        self.missing += [path for path in absent if path not in self.missing]
        return absent
