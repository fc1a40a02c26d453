"""Where ``from_published`` draws from: the archive, whose records must be those of the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lethe.config import Config
from lethe.errors import LetheError
from lethe.publish.archive import read_manifest
from lethe.publish.computed import differences
from lethe.publish.manifest import Manifest

FOLDER = Path("workflow/published")
_MOST_TOLD = 12


class Source(NamedTuple):
    """An archive, and what it says of itself."""

    path: Path
    manifest: Manifest

    def check_has(self, drawn_from: Mapping[str, Sequence[str]]) -> None:
        """Raise LetheError where a table or figure needs a file that is not published."""
        lacking = {
            name: absent
            for name, files in drawn_from.items()
            if (absent := [file for file in files if file not in self.manifest.files])
        }
        if lacking:
            lines = [
                f"{name}: {files[0]}" + (f" and {len(files) - 1} more" if len(files) > 1 else "")
                for name, files in lacking.items()
            ]
            raise LetheError(
                f"{self.path} does not have what these are drawn from:\n  - " + "\n  - ".join(lines),
                "show under `artefacts` what was published, or compute: leave out from_published",
            )


def source_of(config: Config) -> Source | None:
    """What the configuration's tables and figures are drawn from; None where they are computed.

    Raises LetheError where there is no archive, or its numbers are of other settings.
    """
    if not config.from_published:
        return None
    path = FOLDER / f"{config.preset}.zip" if config.from_published is True else Path(config.from_published)
    if config.from_published is True and not path.is_file():
        there = [str(archive) for archive in sorted(FOLDER.glob("*.zip"))]
        raise LetheError(
            f"from_published: the records of preset {config.preset} are not published ({path}: no such file)",
            f"name an archive: --config from_published=PATH (here: {', '.join(there) or 'none'}), or compute: leave "
            "from_published out",
        )
    source = Source(path, read_manifest(path))
    differ = differences(config, source.manifest.computed)
    if source.manifest.preset != config.preset:
        differ.insert(0, f"preset: {config.preset} here, {source.manifest.preset} published")
    if differ:
        told = differ[:_MOST_TOLD] + ([f"and {len(differ) - _MOST_TOLD} more"] if len(differ) > _MOST_TOLD else [])
        raise LetheError(
            f"{path}: its records are of other settings than these:\n  - " + "\n  - ".join(told),
            "take the published settings, or compute: leave out from_published",
        )
    return source
