"""Which way each metric is better: the one place for what speaks of metrics by name."""

from __future__ import annotations

from typing import Literal

from lethe.metrics import metric_named, metric_names
from lethe.prompts import NEIGHBOUR

Better = Literal["higher", "lower", ""]

# By metric; where the prompt set decides, by what its name begins with. "" has no better direction: on prompts with the
# concept AS falls when the concept is gone, and when everything is.
_ANY = ""
_RETAIN = ("retain_", NEIGHBOUR)
_BETTER: dict[str, dict[str, Better]] = {
    "UA": {_ANY: "higher"},
    "RA": {_ANY: "higher"},
    "FD": {_ANY: "lower"},
    "KD": {_ANY: "lower"},
    "FID": {_ANY: "lower"},
    "KID": {_ANY: "lower"},
    "FID_reference_check": {},
    "FD_to_base": {_ANY: "lower"},
    "AS": dict.fromkeys(_RETAIN, "higher"),
    "detections": {_ANY: "lower"},
    "detected": {_ANY: "lower"},
    "count": {_ANY: "lower"},
    "recognised": {_ANY: "lower"},
    "recognised_neighbour": {_ANY: "higher"},
    "kept": {_ANY: "higher"},
    "CS": {"forget_": "lower", NEIGHBOUR: "higher"},
    "CER": {"forget_": "higher"},
}
HEADLINE = (
    *("UA", "RA", "FD", "KD", "FID", "KID", "FID_reference", "AS", "detected", "recognised", "kept:all"),
    *("CS", "CER", "recognised_neighbour", "FD_to_base"),
)
"""What tables and figures lead with. The others are parts of these, or the same images seen in another way."""


def better(metric: str, prompts: str = "") -> Better:
    """The direction in which a record's ``metric`` on the prompt set ``prompts`` is better; "" for none. A metric is
    known by the longest name that it begins with: ``kept:colour`` is one of kept, ``FID_pytorch`` one of FID; an image
    metric says its own."""
    if metric in metric_names():
        return metric_named(metric).better
    known = [name for name in _BETTER if metric == name or metric.startswith((f"{name}_", f"{name}:"))]
    if not known:
        return ""
    by_set = _BETTER[max(known, key=len)]
    return next((direction for start, direction in by_set.items() if prompts.startswith(start)), "")
