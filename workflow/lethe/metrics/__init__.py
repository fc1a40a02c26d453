"""The image metrics, one file each: a file here that defines ``METRIC`` is a metric by the name of the file."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from pathlib import Path

from lethe.errors import LetheError, nearest
from lethe.metrics.metric import ImageMetric


@functools.cache
def metric_names() -> tuple[str, ...]:
    """Names of all image metrics, sorted."""
    return tuple(
        sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name != "metric" and info.name[0] != "_")
    )


def file_of(name: str) -> Path:
    """The file in which the image metric called ``name`` is; its formula may be a library's."""
    return Path(importlib.import_module(f"{__name__}.{name}").__file__)


@functools.cache
def metric_named(name: str) -> ImageMetric:
    """The image metric called ``name``; an unknown name is an error that offers the nearest."""
    if name not in metric_names():
        raise LetheError(f"there is no image metric '{name}'", nearest(name, metric_names()))
    module = importlib.import_module(f"lethe.metrics.{name}")
    metric = getattr(module, "METRIC", None)
    if not isinstance(metric, ImageMetric):
        raise LetheError(
            f"{module.__file__} defines no METRIC", "write METRIC = ImageMetric(...), see metrics/colourfulness.py"
        )
    return metric
