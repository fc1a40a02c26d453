"""The judge stage: judges of a study, and what they see in its images."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    kinds = {"class": "classes", "text": "text", "captions": "captions", "photographs": "photographs"}
    dispatch("lethe.judge", __doc__, {kind: f"lethe.judge.{module}" for kind, module in kinds.items()})
