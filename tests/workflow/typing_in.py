"""Commands of the documentation, typed into a shell as a reader would do it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from checkout import Checkout
from documented import Command


def link_environment(place: Path) -> None:
    """Give a checkout a .venv that is the environment of this process; `make` takes it for one of its own."""
    (place / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        if entry.name != ".stamp":
            (place / ".venv" / entry.name).symlink_to(entry)
    (place / ".venv/.stamp").write_text(f"{place.resolve()}\n")


def typed(command: str, checkout: Checkout, documented: list[Command]) -> str:
    """What a command printed; AssertionError, naming where it is documented, where it failed."""
    # An outer make hands down its options.
    inherited = {name: value for name, value in checkout.environment.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=checkout.path,
        env=inherited | {"HF_HUB_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    where = "\n".join(str(one) for one in documented)
    assert done.returncode == 0, f"documented, but fails:\n{where}\ntried as: {command}\n{done.stdout}"
    return done.stdout
