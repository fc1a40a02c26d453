"""What is packed: each file by its name, copied from the results or written here. Never an image."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import yaml

from lethe import card
from lethe.config import Config
from lethe.export.row import ExportedRow
from lethe.files import read_provenance
from lethe.model_files import weights_of
from lethe.prompts import PromptRow, read_prompts

RECORDS = "lethe"
"""The folder of the records, beside the model."""
CARD, SUMS = "README.md", "SHA256SUMS"
_LEARNED = {
    "diversified": ("forget_train", "retain_train"),
    "uniform": ("forget_uniform", "retain_uniform"),
    "anchored": ("anchor_train", "target_train"),
}
_FILES = """
## What is here

The model lies at the top, where diffusers looks for it; the folder `lethe` has how it was made and measured, without
any image. `sha256sum -c SHA256SUMS` checks every file.

| file | what it says |
|---|---|
"""
_SAYS = {
    "records.csv": "every measured number with its interval, n, seeds, judge and the sha256 of the judge's weights",
    "threshold.csv": "detections at every threshold",
    "trajectory.csv": "losses and gradients by step",
    "cost.json": "seconds, memory and passes of the unlearning",
    "prompts.csv": "the prompts that it was unlearned with",
    "settings.json": "the method's settings, seeds, versions, and what exported it",
    "configuration.yaml": "the study's whole configuration: a preset of Lethe",
    "fingerprints.json": "of every result behind the model and its records, by path",
}


def copied(row: ExportedRow) -> dict[str, str]:
    """By its name in the pack, the source of each file that is copied."""
    return row.model_sources() | {f"{RECORDS}/{name}": path for name, path in row.record_sources().items()}


def written(row: ExportedRow) -> dict[str, str]:
    """By its name in the pack, the text of each file that is made here."""
    made = {
        "settings.json": _json(_settings(row)),
        "configuration.yaml": _configuration(row),
        "fingerprints.json": _json(row.fingerprints()),
    }
    if row.study.kind == "text":
        made["prompts.csv"] = _prompts_text(learned_prompts(row))
    names = [name for name in _SAYS if name in made or name in row.record_sources()]
    listed = "".join(f"| `{RECORDS}/{name}` | {_SAYS[name]} |\n" for name in names)
    return {f"{RECORDS}/{name}": text for name, text in made.items()} | {CARD: _card(row) + _FILES + listed}


def learned_prompts(row: ExportedRow) -> list[PromptRow]:
    """The prompts of the images that the row learned from; of a method without images, the concept's own."""
    study, cell = row.study, row.cell
    strategy = study.strategy_of(cell)
    if strategy is None:
        return [PromptRow("concept", 0, study.study.targets[cell.target].prompt, {})]
    pairs = getattr(study.study.method_settings(cell.variant, cell.target), "pairs", None)
    (path,) = study.prompts_files(cell)
    learned = [prompt for prompt in read_prompts(path) if prompt.set in _LEARNED[strategy]]
    return [prompt for prompt in learned if pairs is None or prompt.number < pairs]


def effective(row: ExportedRow) -> Config:
    """The preset cut to the row's study (and the one whose judges it shares), without tables, figures and what is only
    of this machine."""
    config = row.study.config
    names = (row.study.name, row.study.data_study)
    here = {"mirror": None, "offline": False}
    return config.model_copy(
        update={
            "studies": {name: study for name, study in config.studies.items() if name in names},
            "artefacts": type(config.artefacts)(),
            "assets": config.assets.model_copy(update=here),
        }
    )


def _configuration(row: ExportedRow) -> str:
    return yaml.safe_dump(effective(row).model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def _settings(row: ExportedRow) -> dict[str, Any]:
    """What the weights say of their making, and who packed them."""
    made = read_provenance(f"{row.model}/{weights_of(row.study.family)}")
    by = {"lethe": importlib.metadata.version("lethe"), "commit": commit()}
    return {"made": made, "cell": row.cell._asdict() | {"preset": row.study.config.preset}, "exported_by": by}


def commit() -> str | None:
    """The commit of the checkout that this code is of, with ``+changes`` where tracked files differ from it; None
    outside git."""
    top = Path(__file__).resolve().parents[3]
    try:
        if Path(_git(top, "rev-parse", "--show-toplevel")).resolve() != top:
            return None
        changes = _git(top, "status", "--porcelain", "--untracked-files=no")
        return _git(top, "rev-parse", "HEAD") + ("+changes" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _card(row: ExportedRow) -> str:
    words = ["--kind", row.study.kind, "--model", row.model, "--records", row.record_file, "--output", CARD]
    return card.card_of(card.parser().parse_args([*words, *shlex.split(row.study.origin)]))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def _prompts_text(rows: list[PromptRow]) -> str:
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(("set", "number", "prompt"))
    lines.writerows((row.set, row.number, row.prompt) for row in rows)
    return stream.getvalue()
