"""Fingerprints: what a result was made from, as one short hash that is stored in it."""

from __future__ import annotations

import hashlib
import json


def fingerprint(stage: str, *ingredients: object) -> str:
    """A hash of the stage's name and of everything that decides its result, among it the fingerprints of its inputs."""
    text = json.dumps([stage, *ingredients], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:20]
