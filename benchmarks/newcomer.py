"""How long docs/start.md takes: its files are saved and its commands typed, one after the other, in a fresh clone.

The clone is made of the commit that is checked out here, so that no network is measured but that of the packages. pip's
or uv's cache of packages is as it is.

    python benchmarks/newcomer.py
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests"))

from documented import commands_of, saved_files_of  # noqa: E402

DOCUMENT = REPOSITORY / "docs/start.md"


def walk(folder: Path) -> list[tuple[str, float]]:
    """The commands with their seconds; CalledProcessError at the first that fails."""
    clone = folder / "lethe"
    seconds = [("git clone", timed(["git", "clone", "--quiet", str(REPOSITORY), str(clone)], folder))]
    for name, text in saved_files_of(DOCUMENT).items():
        (clone / name).write_text(text, encoding="utf-8")
    for command in commands_of(DOCUMENT, DOCUMENT.name):
        if command.in_block:
            seconds.append((command.text, timed(["bash", "-c", command.text], clone)))
            print(f"{seconds[-1][1]:8.1f} s  {command.text}", flush=True)
    return seconds


def timed(command: list[str], folder: Path) -> float:
    start = time.perf_counter()
    # A newcomer has no environment of Lethe's active.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where to clone to, and to leave the clone [a temporary folder]")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as temporary:
        seconds = walk(arguments.folder or Path(temporary))
    print(f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load before {load:.1f}\n")
    print("| command | seconds |\n|---|---:|")
    for command, took in seconds:
        print(f"| `{command}` | {took:.0f} |")
    print(f"| all | {sum(took for _, took in seconds):.0f} |")


if __name__ == "__main__":
    main()
