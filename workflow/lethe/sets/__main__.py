"""The sets stage: D_f and D_r."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    dispatch("lethe.sets", __doc__, {"class": "lethe.sets.classes", "text": "lethe.sets.text"})
