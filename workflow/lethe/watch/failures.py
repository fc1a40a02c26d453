"""Why a job failed, from its log and its exit status, and what helps."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

SHOWN_LINES = 14
"""Of a log, at most."""
_READ_BYTES = 2**16

_GPU_MEMORY = (
    "less memory of the GPU: compute: {precision: bfloat16, checkpointing: true}, a smaller batch of the method, "
    "a smaller sampling: kernel_batch; docs/memory.md says which method fits which card"
)
_MEMORY = (
    "more memory (mem_mb of this rule in the profile), fewer jobs at a time (--cores), or a smaller batch; "
    "a training goes on from its last state"
)
_TIME = "more time (runtime of this rule in the profile); a training goes on from its last state"
_INTERRUPTED = "it was interrupted: the same command goes on, a training from its last state"
_DISK = "free space on the disk, then the same command goes on"
_CRASH = "the log shows where a library crashed; try again with --cores 1, or with compute: {device: cpu}"
_SILENT = (
    "it ended without a word: killed, most often for lack of memory. Fewer jobs at a time (--cores), more memory "
    "(mem_mb of this rule in the profile), or a smaller batch; the same command goes on"
)
_WORDLESS = "its log says nothing: see its command with snakemake --printshellcmds, and run it by itself"
_UNEXPECTED = "not an error that Lethe knows: the whole traceback is in the log; after mending the same command goes on"
_OTHER = "the log may tell more; after mending the same command goes on"

# What a log, or Snakemake of a job on a cluster, says; the first that is found counts.
_SIGNS = (
    (re.compile(r"CUDA out of memory|torch\.OutOfMemoryError|CUDA error: out of memory"), _GPU_MEMORY),
    (re.compile(r"No space left on device|Disk quota exceeded"), _DISK),
    (
        re.compile(r"^MemoryError|(can't|Cannot) allocate memory|OUT_OF_MEMORY|oom[-_ ]kill", re.M),
        _MEMORY,
    ),
    (re.compile(r"'?TIMEOUT'?\b|DUE TO TIME LIMIT"), _TIME),
    (re.compile(r"\bPREEMPTED\b|\bNODE_FAIL\b|\bCANCELLED\b|^KeyboardInterrupt", re.M), _INTERRUPTED),
    (re.compile(r"^Fatal Python error", re.M), _CRASH),
)
# A shell tells of a signal by 128 + its number, Python by the negative number.
_STATUS = {130: _INTERRUPTED, 143: _INTERRUPTED, -2: _INTERRUPTED, -15: _INTERRUPTED, 137: _MEMORY, -9: _MEMORY}
_CRASHES = {134, 135, 136, 139, -6, -7, -8, -11}

_LETHE_ERROR = re.compile(r"^python -m [^\n]*?: error: (?P<problem>.*?)\n  remedy: (?P<remedy>.*)\Z", re.M | re.S)


class Diagnosis(NamedTuple):
    """``problem``: the error in a line or two; ``shown``: the last lines of the log that are worth reading."""

    problem: str
    remedy: str
    shown: list[str]


def end_of(path: str | Path) -> str:
    """The last part of a log; empty where there is none."""
    try:
        with Path(path).open("rb") as stream:
            stream.seek(max(0, stream.seek(0, 2) - _READ_BYTES))
            return stream.read().decode("utf-8", errors="replace")
    except OSError:
        return ""


def diagnose(log: str, status: int | None, said: str = "", scheduler_log: str = "") -> Diagnosis:
    """``log``: its end; ``status``: exit status, where known; ``said``: what Snakemake or a scheduler says;
    ``scheduler_log``: the end of what else there is."""
    log = log.rstrip()
    if known := _LETHE_ERROR.search(log):
        problem, remedy = known["problem"].strip(), known["remedy"].strip()
        return Diagnosis(problem, remedy, [*problem.splitlines()])
    shown = _shown(log) + said.strip().splitlines()
    problem = "\n".join(filter(None, [_error_line(log), said.strip()])) or _of_status(status)
    told = "\n".join([log, said, scheduler_log])
    remedy = next((remedy for sign, remedy in _SIGNS if sign.search(told)), None)
    if remedy is None and status is not None:
        remedy = _STATUS.get(status) or (_CRASH if status in _CRASHES else None)
    if remedy is None and not log and status is not None and 0 < status <= 128:
        remedy = _WORDLESS  # it was not killed: then the shell tells of a signal
    if remedy is None:
        remedy = _UNEXPECTED if "Traceback (most recent call last)" in log else _OTHER if log else _SILENT
    return Diagnosis(problem, remedy, shown)


def _shown(log: str) -> list[str]:
    """The last lines; of a traceback its head and its last frames."""
    lines = log.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if starts and len(lines) - starts[-1] > SHOWN_LINES:
        return [lines[starts[-1]], "  ...", *lines[2 - SHOWN_LINES :]]
    return lines[starts[-1] if starts else -SHOWN_LINES :]


def _error_line(log: str) -> str:
    """The last line of a traceback that names the error, or the last line of any log."""
    lines = [line for line in log.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b", line)]
    return (named or lines or [""])[-1].strip()


def _of_status(status: int | None) -> str:
    if status is None:
        return "the job ended without its outputs"
    signal = -status if status < 0 else status - 128 if status > 128 else None
    return f"exit status {status}" if signal is None else f"ended by signal {signal}"
