"""The forget set D_f and the retain set D_r as every method sees them, whatever the kind of study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lethe.errors import LetheError
from lethe.files import read_arrays


@dataclass(frozen=True)
class Sets:
    """D_f and D_r: clean examples (N, C, H, W) as the model's Denoiser stores them, and their conditions (N,) int64.

    In a class study a condition is a class. In a text study it is a row of ``table`` (P, tokens, width), the prompts'
    embeddings; ``empty`` and ``concept`` are the rows of the empty prompt and of the concept's own. Row i of D_f is
    then the partner of row i of D_r.

    In anchored sets both are the same images, which the base drew of anchor prompts: D_r has them with these prompts,
    D_f with the target prompts that these were rewritten to. A partner is then an anchor prompt.
    """

    forget_clean: np.ndarray
    forget_conditions: np.ndarray
    retain_clean: np.ndarray
    retain_conditions: np.ndarray
    target: str
    table: np.ndarray | None = None
    empty: int = 0
    concept: int = 0


_FIELDS = ("forget_clean", "forget_conditions", "retain_clean", "retain_conditions")


def read_sets(path: Path | None, embeddings: Path | None = None, pairs: int | None = None) -> Sets:
    """Read a file of the sets stage and, in a text study, the embeddings that its conditions point into.

    ``pairs`` takes the first so many examples of both sets. Without ``path`` both are empty: for a method that learns
    from the concept's prompt alone.
    """
    arrays, record = ({}, {}) if path is None else read_arrays(path)
    fields = {name: array for name, array in arrays.items() if name in _FIELDS}
    if path is not None and (len(fields) < len(_FIELDS) or "target" not in record):
        raise LetheError(f"{path}: not a file of D_f and D_r", "make it with python -m lethe.sets")
    if pairs is not None:
        if pairs > len(fields["forget_clean"]):
            raise LetheError(
                f"pairs = {pairs}, but {path} has {len(fields['forget_clean'])}", "ask for fewer, or draw more prompts"
            )
        fields = {name: array[:pairs] for name, array in fields.items()}
    if path is None:
        fields = {name: np.zeros((0, 1, 1, 1), np.float32) for name in _FIELDS[::2]}
        fields |= {name: np.zeros(0, np.int64) for name in _FIELDS[1::2]}
    if embeddings is None:
        return Sets(**fields, target=str(record["target"]))
    table, made = read_arrays(embeddings)
    if "table" not in table or not {"empty", "concept", "target"} <= made.keys():
        raise LetheError(
            f"{embeddings}: not a file of prompts' embeddings", "make it with python -m lethe.sets text embed"
        )
    if record.get("target", made["target"]) != made["target"]:
        raise LetheError(
            f"{path} is of {record['target']}, {embeddings} of {made['target']}", "give two files of one target"
        )
    for name in ("forget_conditions", "retain_conditions"):
        fields[name] = table["rows"][fields[name]]
    return Sets(**fields, target=made["target"], table=table["table"], empty=made["empty"], concept=made["concept"])
