"""The environment that jobs inherit from the process that plans them."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def put_this_python_first() -> None:
    """Let jobs run the Python that runs Snakemake, also where its virtual environment was not activated."""
    folder = str(Path(sys.executable).parent)
    if os.environ.get("PATH", "").split(os.pathsep)[0] != folder:
        os.environ["PATH"] = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
