"""Settings of the measure stage."""

from __future__ import annotations

from pydantic import Field

from lethe.settings.common import Settings


class MeasureSettings(Settings):
    """Below which number of images a metric is refused, and how wide its interval is."""

    minimum_rate: int = Field(30, ge=1, description="Fewest images for a rate (UA, RA).")
    minimum_distance: int = Field(100, ge=2, description="Fewest images in either set for a distance.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of every interval.")
