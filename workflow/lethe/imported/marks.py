"""What an imported model says of where it is from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lethe.files import read_provenance
from lethe.model_files import FOLDERS, WEIGHTS

KEY = "imported"
"""Under which the provenance of its weights has it: ``name`` as the configuration gives it, the ``sha256`` of what
its network was read from, of all ``files`` theirs, how many ``tensors`` there are, were ``given`` and ``changed``, and
the ``parts`` beside the network that differ from the base's."""


def sha256_of_files(digests: Mapping[str, str]) -> str:
    """That of the one file, or of the lines "sha256  name" of several."""
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def imported_from(folder: Path) -> dict[str, Any]:
    """What is under :data:`KEY` in a model folder; empty for a model that was made here."""
    for place in FOLDERS.values():
        weights = folder / place / WEIGHTS
        if weights.is_file():
            return read_provenance(weights).get(KEY, {})
    return {}


def told(imported: Mapping[str, Any]) -> str:
    return f"imported model {imported['name']}, sha256 {imported['sha256'][:12]}"


def in_words(told: Mapping[str, Any]) -> list[str]:
    """Sentences on how an imported model differs from the base."""
    lines = [f"{told['changed']} of {told['tensors']} tensors of the network differ from the base's."]
    if not told["changed"]:
        lines.append("So its network is the base's to the bit: nothing of it was unlearned.")
    if told["given"] < told["tensors"]:
        lines.append(f"{told['tensors'] - told['given']} tensors were not given; they are the base's.")
    if told["parts"]:
        lines.append(f"Other than the base's too: {', '.join(told['parts'])}.")
    return lines
