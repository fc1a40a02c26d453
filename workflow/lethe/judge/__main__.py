"""The judge stage: judges of a study, and what they see in its images."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    dispatch(
        "lethe.judge", __doc__, {"class": "lethe.judge.classes", "text": "lethe.judge.text", "real": "lethe.judge.real"}
    )
