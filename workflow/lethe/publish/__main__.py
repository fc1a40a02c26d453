"""The publish stage: what tables and figures are drawn from, packed into an archive, and unpacked from one."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    dispatch("lethe.publish", __doc__, {"pack": "lethe.publish.pack", "unpack": "lethe.publish.unpack"})
