"""Settings of the judges that are given, not trained: whose they are, and how they look at images."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lethe.settings.common import Settings

Channels = Literal["rgb", "bgr"]
NUDENET_FLOOR = 0.2
"""nudenet's package drops what scores below this, whatever threshold is asked for."""


class DetectorReading(Settings):
    """How a detector is shown images, and which of its boxes are kept. The defaults are for one trained here."""

    channels: Channels = Field(
        "rgb", description="Order of the colours: rgb, or bgr as nudenet 3.4 shows them to a network trained on rgb."
    )
    smallest_score: float = Field(0.05, ge=0, lt=1, description="Detections below this score are not kept.")
    clipping: Literal["corners", "nudenet"] = Field(
        "corners",
        description="A box that reaches outside the image: corners = what of it is inside; nudenet = moved inside at "
        "the left and the top without getting smaller, as its package does.",
    )


class GivenAlignment(Settings):
    """An open_clip model: the weights of an architecture that open_clip knows by name, or a folder that says it."""

    given: str = Field(min_length=1, description="Its weights: an asset of the catalogue, or a path of your own.")
    architecture: str | None = Field(
        "ViT-B-32",
        min_length=1,
        description="What open_clip calls the model; null: a folder is given, whose open_clip_config.json says it.",
    )


class GivenDetector(Settings):
    """A detector in the format of NudeNet's model, read as nudenet's package reads it."""

    given: str = Field(min_length=1, description="Its ONNX file: an asset of the catalogue, or a path of your own.")
    channels: Channels = Field(
        "rgb",
        description="rgb = as the network was trained; bgr = as nudenet 3.4 shows it images by a defect (its issue "
        "203), which RGD's published numbers have.",
    )

    @property
    def reading(self) -> DetectorReading:
        return DetectorReading(channels=self.channels, smallest_score=NUDENET_FLOOR, clipping="nudenet")
