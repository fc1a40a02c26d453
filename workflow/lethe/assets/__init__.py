"""What Lethe does not ship: the catalogue of downloads, and where each lies. No torch here: the Snakefile asks too."""

from __future__ import annotations

from lethe.assets.catalogue import Asset, AssetFile, read_catalogue
from lethe.assets.places import MANIFEST, Place, place_of

__all__ = ["MANIFEST", "Asset", "AssetFile", "Place", "place_of", "read_catalogue"]
