"""Settings of the image metrics: which of them a study has."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from lethe.errors import nearest
from lethe.metrics import metric_names


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in metric_names():
            raise ValueError(f"there is no image metric '{name}'; {nearest(name, metric_names())}")
    if len(set(names)) < len(names):
        raise ValueError(f"{', '.join(names)}: one is there twice")
    return names


MetricNames = Annotated[
    tuple[str, ...],
    AfterValidator(_known),
    Field(
        description="Numbers of the images' pixels besides, for the table metrics: names of files in "
        "workflow/lethe/metrics.",
    ),
]
