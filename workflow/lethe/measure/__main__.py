"""The measure stage: the numbers of one cell, each with its interval and its protocol."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    kinds = {"class": "classes", "text": "text", "captions": "captions", "metrics": "metrics"}
    dispatch("lethe.measure", __doc__, {kind: f"lethe.measure.{module}" for kind, module in kinds.items()})
