"""The measure stage: the numbers of one cell, each with its interval and its protocol."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    dispatch("lethe.measure", __doc__, {"class": "lethe.measure.classes", "text": "lethe.measure.text"})
