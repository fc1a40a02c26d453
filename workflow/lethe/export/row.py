"""The row that a path names, and whether it is finished and fresh."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import NamedTuple

from lethe.config.reading import preset_names
from lethe.errors import LetheError, nearest
from lethe.methods.method import Control
from lethe.model_files import model_files, weights_of
from lethe.plan import Cell, Plan
from lethe.plan.study import StudyPlan
from lethe.verify import stored_fingerprint

_CARD = "README.md"


class ExportedRow(NamedTuple):
    """One unlearned model of a preset."""

    study: StudyPlan
    cell: Cell

    @property
    def model(self) -> str:
        return self.study.model_folder(self.cell)

    @property
    def record_file(self) -> str:
        return f"{self.study.folder(self.cell)}/records.csv"

    @property
    def name(self) -> str:
        """What the packed folder is called where nothing else is said."""
        return "-".join((self.study.config.preset, *self.cell[:3], f"seed{self.cell.seed}"))

    def model_sources(self) -> dict[str, str]:
        """By its name in the model folder, each file of the model but for the card."""
        return {name: f"{self.model}/{name}" for name in model_files(self.study.family)}

    def record_sources(self) -> dict[str, str]:
        """By its name, each small file of the row that is packed as it is."""
        folder = self.study.folder(self.cell)
        names = ["records.csv", "trajectory.csv", "cost.json"]
        names += ["threshold.csv"] if self.study.kind == "text" else []
        return {name: f"{folder}/{name}" for name in names}

    def fingerprints(self) -> dict[str, str]:
        """By path, the fingerprints of the results that the model and its records were made from, and their own."""
        study, cell = self.study, self.cell
        cells = [cell, study.images_of(cell), *([study.base_cell(cell)] if study.kind == "text" else [])]
        folders = [study.folder(each) for each in cells]
        folders += [f"{study.root}/{name}/{part}" for name in (study.name, study.data_study) for part in _SHARED]
        files = {*study.sets_files(cell), *study.embeddings_files(cell)}
        expected = study.expected()
        return {
            path: expected[path]
            for path in sorted(expected)
            if path in files or path.startswith(tuple(f"{folder}/" for folder in folders))
        }


_SHARED = ("data", "base", "judge")


def row_at(plan: Plan, path: Path) -> ExportedRow:
    """The row of ``path``: the folder of its seed, its model folder, or the model's card. LetheError for what is none,
    or has no unlearned model of its own."""
    parts = PurePath(os.path.relpath(path)).parts
    parts = parts[: -1 if parts[-1:] == (_CARD,) else None]
    parts = parts[: -1 if parts[-1:] == ("model",) else None]
    if len(parts) != 6 or parts[0] != "results" or not parts[5].startswith("seed"):
        raise LetheError(
            f"{path}: not the folder of a row", f"name one as {plan.root}/STUDY/TARGET/VARIANT/seed0 (or its model/)"
        )
    if parts[1] != plan.config.preset:
        raise LetheError(f"{path}: not of preset {plan.config.preset}", f"say so: PRESET={parts[1]}")
    cell = plan.cell_of(Cell(*parts[2:5], parts[5].removeprefix("seed")))
    study = plan.of(cell)
    unlearned = study.unlearned
    if cell not in unlearned:
        raise LetheError(_reason(study, cell), nearest(cell.folder, (each.folder for each in unlearned)))
    return ExportedRow(study, cell)


def _reason(study: StudyPlan, cell: Cell) -> str:
    if cell.target not in study.study.targets_of(cell.variant):
        return f"{cell.folder}: the row {cell.variant} of study {study.name} has no target '{cell.target}'"
    if cell.seed not in study.seeds_of(cell.variant):
        return f"{cell.folder}: the row {cell.variant} of study {study.name} has no training seed '{cell.seed}'"
    if study.is_imported(cell):
        return f"{cell.folder}: a model of others, which is theirs to give away"
    if isinstance(study.study.method(cell.variant), Control):
        return f"{cell.folder}: a control, nothing was unlearned for it"
    shared = study.model_of(cell)
    return f"{cell.folder}: no model of its own but that of {shared.folder}"


def check_finished(row: ExportedRow, sources: Iterable[str]) -> None:
    """LetheError where one of the row's files is missing, or the model or its records come from other settings or code
    than the present ones."""
    again = _command(row)
    if missing := [path for path in sources if not Path(path).is_file()]:
        more = f" (and {len(missing) - 1} more files)" if len(missing) > 1 else ""
        raise LetheError(f"{row.cell.folder}: not finished, {missing[0]} is missing{more}", f"make it: {again}")
    weights = row.model_sources()[weights_of(row.study.family)]
    wanted: Mapping[str, str] = {
        weights: row.study.model(row.cell).fingerprint,
        row.record_file: row.study.measure(row.cell).fingerprint,
    }
    for path, expected in wanted.items():
        if stored_fingerprint(Path(path)) != expected:
            raise LetheError(
                f"{path}: stale, it comes from other settings or code than the present ones",
                f"delete it and make it again: {again}",
            )


def _command(row: ExportedRow) -> str:
    preset, card = row.study.config.preset, f"{row.model}/{_CARD}"
    if preset in preset_names():
        return f"make reproduce{f' PRESET={preset}' * (preset != 'miniature')} TARGET={card}"
    return f"snakemake --cores all {card} --configfile YOUR-PRESET.yaml"
