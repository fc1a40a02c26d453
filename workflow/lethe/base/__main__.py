"""The base stage: the model that is to forget."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    dispatch("lethe.base", __doc__, {"class": "lethe.base.classes", "text": "lethe.base.text"})
