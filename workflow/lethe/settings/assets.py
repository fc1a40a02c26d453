"""Settings of what is downloaded: models, data and prompt lists that Lethe does not ship."""

from __future__ import annotations

from pydantic import Field

from lethe.settings.common import Settings


class AssetSettings(Settings):
    """Where downloads lie, and whether they may be made."""

    folder: str = Field("assets", min_length=1, description="Where they are kept: one folder for each, by name.")
    mirror: str | None = Field(
        None, description="A folder with the same layout, from which they are copied instead of downloaded; null: none."
    )
    offline: bool = Field(
        False, description="Never use the network: what is not in folder or mirror stops the run before its first job."
    )
    catalogue: str | None = Field(
        None, description="The list of what can be fetched; null: workflow/assets.yaml of this checkout."
    )
