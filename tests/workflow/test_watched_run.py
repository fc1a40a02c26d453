"""A small run watched: on a terminal, into a file; and what a failed job leaves behind."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import REPOSITORY

pytestmark = pytest.mark.workflow

SNAKEFILE = """
rule all:
    input: "a.drawn", "b.drawn", "c.measured", "d.measured"

rule sample:
    output: "{name}.drawn"
    log: "logs/{name}.log"
    benchmark: "results/x/benchmarks/digits/3/{name}/seed0/sample0000.jsonl"
    message: "sample: digits 3 {wildcards.name}"
    shell: "touch {output} > {log} 2>&1"

rule measure:
    input: "a.drawn"
    output: "c.measured"
    log: "logs/c.log"
    message: "measure: digits 3 c"
    shell: "python -m lethe.ledger --preset nosuch > {log} 2>&1"

rule card:
    input: "a.drawn"
    output: "d.measured"
    log: "logs/d.log"
    shell: "python {workflow.basedir}/broken.py > {log} 2>&1"
"""
BROKEN = """
import argparse
from lethe.cli import command

def main(arguments):
    print("step 40 of 60")
    {}["no such key"]

command(argparse.ArgumentParser(prog="python -m lethe.broken"), main)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "broken.py").write_text(BROKEN)
    return tmp_path


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", "--logger", "lethe", "--keep-going", *words]


def environment() -> dict[str, str]:
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": search, "PYTHONPATH": str(REPOSITORY / "workflow"), "TERM": "xterm", "COLUMNS": "100"}


def on_a_terminal(words: list[str], folder: Path) -> tuple[int, str]:
    """The exit status and all that was written to a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(words, cwd=folder, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the last of the other side has gone
            break
        if not part:
            break
        written += part
    os.close(ours)
    return process.wait(timeout=60), written.decode()


def check_failures(text: str) -> None:
    """Both failed jobs at the end, each with its reason and what to do."""
    end = re.split(r"2 jobs failed, 2 done, 0 not made", text)
    assert len(end) == 2, text
    for words in ("measure: digits 3 c", "there is no preset 'nosuch'", "remedy: choose one of: ", "log: logs/c.log"):
        assert words in end[1], text
    for words in ("KeyError: 'no such key'", "broken.py", "whole traceback is in the log", "The same command goes on"):
        assert words in end[1], text


def test_progress_and_failures_on_a_terminal_and_in_a_file(folder):
    status, text = on_a_terminal(command(), folder)
    assert status == 1
    assert "\x1b[" in text
    assert "2/2" in text
    check_failures(text)

    again = subprocess.run(command(), cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "\x1b" not in again.stderr
    assert "2 jobs: 2 measuring and model cards" in again.stderr
    assert "2 jobs failed, 0 done, 0 not made" in again.stderr

    log = (folder / "logs/d.log").read_text()
    assert log.index("step 40 of 60") < log.index("Traceback") < log.index("KeyError: 'no such key'")
