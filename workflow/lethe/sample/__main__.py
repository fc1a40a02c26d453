"""The sample stage: one shard of a model's image set."""

from __future__ import annotations

from lethe.cli import dispatch
from lethe.lean import import_diffusers_lean

if __name__ == "__main__":
    import_diffusers_lean()
    dispatch("lethe.sample", __doc__, {"class": "lethe.sample.classes", "text": "lethe.sample.text"})
