"""The catalogue of downloads, workflow/assets.yaml: of each its files, their sizes and checksums, and its licence."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import yaml
from pydantic import Field, ValidationError, model_validator

from lethe.assets.hub import HUB
from lethe.errors import LetheError
from lethe.settings.common import Settings

CATALOGUE = Path(__file__).resolve().parents[2] / "assets.yaml"


class AssetFile(Settings):
    """One file of an asset."""

    path: str = Field(min_length=1, description="Its place in the asset's folder.")
    url: str = Field(min_length=1, description="Where it is downloaded from.")
    size: int | None = Field(None, ge=1, description="Bytes; null: not known.")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Of its bytes; null: not known.")


class Asset(Settings):
    """Something to be downloaded: one file, or a folder of several."""

    title: str = Field(min_length=1, description="What it is.")
    files: tuple[AssetFile, ...] = Field(min_length=1, description="Its files.")
    revision: str | None = Field(None, description="The commit of the hub's repository that the files are of.")
    licence: str = Field(min_length=1, description="Under which terms it may be used.")
    used_by: str = Field(min_length=1, description="What needs it.")
    gated: bool = Field(False, description="Its terms must be accepted with its publisher, and a token given.")
    roughly: int | None = Field(None, ge=1, description="Bytes in all, about, where not all sizes are known.")

    @model_validator(mode="after")
    def _files_have_places_of_their_own(self) -> Asset:
        paths = [file.path for file in self.files]
        for path in paths:
            if path.startswith("/") or ".." in Path(path).parts or paths.count(path) > 1:
                raise ValueError(f"files: '{path}' is no place of its own in the asset's folder")
        return self

    @property
    def size(self) -> int | None:
        """Bytes in all: exactly where the files' sizes are known, else about; None where nothing is known."""
        sizes = [file.size for file in self.files]
        return self.roughly if None in sizes else sum(sizes)

    @property
    def hub_name(self) -> str | None:
        """owner/name of the hub's repository that the files are of; None for what is not on the hub."""
        found = re.match(rf"{HUB}/([^/]+/[^/]+)/resolve/", self.files[0].url)
        return found[1] if found else None

    @property
    def is_folder(self) -> bool:
        return len(self.files) > 1


@functools.cache
def read_catalogue(path: str | None = None) -> dict[str, Asset]:
    """All assets by name; ``path`` None: Lethe's own catalogue."""
    place = Path(path) if path else CATALOGUE
    try:
        values = yaml.safe_load(place.read_text(encoding="utf-8"))
        return {name: Asset.model_validate(asset) for name, asset in values.items()}
    except FileNotFoundError:
        raise LetheError(f"{place}: no such catalogue of assets", "correct assets.catalogue") from None
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise LetheError(f"{place}: {where}: {fault['msg']} (is {fault['input']!r})", "mend the file") from None
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError) as error:
        raise LetheError(f"{place}: not a catalogue of assets ({error})", "mend the file") from None
