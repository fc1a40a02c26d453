"""Settings of distances on captions (COCO's): FID and KID of the images of listed prompts to real photographs."""

from __future__ import annotations

from pydantic import Field

from lethe.settings.common import Settings
from lethe.settings.given_judges import FRONT_ENDS, FrontEnd


class RealImages(Settings):
    """How Inception looks at real photographs, and at the generated images beside them."""

    front_end: FrontEnd = Field("pytorch", description=f"What stands in front of Inception: {FRONT_ENDS}.")
    size: int = Field(
        512,
        ge=1,
        description="Side of the model's images in pixels: of a photograph the middle square is taken and resized to "
        "it (bicubic, antialiased).",
    )
    batch: int = Field(64, ge=1, description="Images in one call of the network.")
