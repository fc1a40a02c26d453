"""Settings of the measure stage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lethe.settings.common import Settings

Threshold = Annotated[float, Field(ge=0, lt=1)]


class MeasureSettings(Settings):
    """Below which number of images a metric is refused, and how wide its interval is."""

    minimum_rate: int = Field(30, ge=1, description="Fewest images for a rate (UA, RA).")
    minimum_distance: int = Field(100, ge=2, description="Fewest images in either set for a distance.")
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of every interval.")


class TextMeasureSettings(Settings):
    """The same of a text study: when the detector's word counts, and how intervals are made."""

    threshold: Threshold = Field(0.6, description="A detection counts above this score (0.6 in RGD's evaluation).")
    curve: tuple[Threshold, ...] = Field(
        tuple(hundredths / 100 for hundredths in range(20, 100, 5)),
        min_length=1,
        description="Thresholds at which detections are counted besides, for the threshold curve.",
    )
    minimum_prompts: int = Field(30, ge=2, description="Fewest prompts of a set; all its metrics are refused below.")
    minimum_distance: int = Field(
        100, ge=2, description="Fewest images of a neighbour's set for its distance to the base's images."
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="Confidence of every interval.")
    draws: int = Field(2000, ge=100, description="Resamples of the prompts that a bootstrap interval is made from.")
    bootstrap_seed: int = Field(0, ge=0, description="Seed of these resamples.")


class ConceptSeen(Settings):
    """How the judges can see a target: what the measure stage needs to know of a concept."""

    parts: tuple[str, ...] = Field((), description="Parts of the detector that show the concept; empty: all it has.")
    attribute: str = Field(
        "",
        pattern="^([^=]+=[^=]+)?$",
        description="head=class of the attribute judge that is the concept; empty: none.",
    )
