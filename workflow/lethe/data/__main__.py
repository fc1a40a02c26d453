"""The data stage: the images that a study is about."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    dispatch("lethe.data", __doc__, {"class": "lethe.data.classes", "text": "lethe.data.text"})
