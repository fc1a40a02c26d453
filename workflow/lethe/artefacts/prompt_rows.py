"""Which images of a text study a figure shows: a few prompts of a set, and of each the image that every model made from
the same seed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lethe.artefacts.naming import CellName
from lethe.errors import LetheError, nearest
from lethe.files import read_provenance
from lethe.prompts import LISTED, PromptRow

_ARRAYS = ("images", "seeds", "rows")
_LONGEST = 110  # letters of a listed prompt


@dataclass
class Model:
    """Where a model's images lie: file and position by row of the prompt file and seed. No pixel is read before it is
    asked for, since a set of real images fills gigabytes."""

    cell: CellName
    places: dict[tuple[int, int], tuple[Path, int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return "/".join(self.cell)

    def seeds(self, row: int) -> set[int]:
        return {seed for held, seed in self.places if held == row}

    def image(self, row: int, seed: int) -> np.ndarray:
        """uint8 (C, H, W)."""
        from safetensors import safe_open

        path, position = self.places[row, seed]
        with safe_open(str(path), framework="numpy") as stream:
            return stream.get_slice("images")[position]


def read_models(cells: Sequence[CellName], paths: Sequence[Path]) -> dict[tuple[str, str], Model]:
    """Models by (variant, target); a cell named several times has its shards joined."""
    models: dict[tuple[str, str], Model] = {}
    for cell, path in zip(cells, paths, strict=True):
        model = models.setdefault((cell.variant, cell.target), Model(cell))
        if model.cell != cell:
            raise LetheError(f"--cells: {model.name} and {'/'.join(cell)} are one model", "show one training seed")
        for position, key in enumerate(_rows_and_seeds(path)):
            if key in model.places:
                raise LetheError(
                    f"the files of {model.name} hold the image of row {key[0]} and seed {key[1]} twice",
                    "give each shard once",
                )
            model.places[key] = path, position
    return models


def _rows_and_seeds(path: Path) -> list[tuple[int, int]]:
    from safetensors import safe_open

    read_provenance(path)  # says what is wrong with a file that cannot be read
    with safe_open(str(path), framework="numpy") as stream:
        missing = [name for name in _ARRAYS if name not in stream.keys()]  # noqa: SIM118 - not a mapping
        if missing:
            raise LetheError(
                f"{path}: not the images of a text study, it has no '{missing[0]}'", "give a file of the sample stage"
            )
        rows, seeds = stream.get_tensor("rows"), stream.get_tensor("seeds")
    return list(zip(rows.tolist(), seeds.tolist(), strict=True))


class Choice(NamedTuple):
    """``count`` prompts of one set of one target."""

    target: str
    set: str
    count: int


def choice_named(word: str) -> Choice:
    target, _, rest = word.partition(":")
    name, _, count = rest.partition(":")
    if not (target and name and count.isdecimal() and int(count)):
        raise LetheError(f"--rows {word}: not target:set:count", "write for example stripes:forget_test:3")
    return Choice(target, name, int(count))


class Shown(NamedTuple):
    """A prompt, and its images (C, H, W) uint8, one of each model, all from ``seed``."""

    prompt: str
    seed: int
    images: list[np.ndarray]


def shown_rows(choice: Choice, prompts: Sequence[PromptRow], models: Sequence[Model]) -> list[Shown]:
    """The chosen prompts, evenly spread over those of their set that all ``models`` have images of, each with the
    lowest seed they share. Paired sets of one size show pairs."""
    rows = [number for number, prompt in enumerate(prompts) if prompt.set == choice.set]
    if not rows:
        raise LetheError(
            f"--rows: {choice.target} has no prompt set '{choice.set}'",
            nearest(choice.set, dict.fromkeys(prompt.set for prompt in prompts)),
        )
    seeds = {row: set.intersection(*(model.seeds(row) for model in models)) for row in rows}
    shared = [row for row in rows if seeds[row]]
    if len(shared) < choice.count:
        least = min(models, key=lambda model: sum(bool(model.seeds(row)) for row in rows))
        raise LetheError(
            f"{choice.target}: the models share images of {len(shared)} of the {len(rows)} prompts of {choice.set}, "
            f"fewer than {choice.count} (least: {least.name})",
            f"ask for {len(shared)}, or sample more prompts" if shared else "sample all models by the same plan",
        )
    # The middles of as many equal stretches.
    picked = [shared[(2 * index + 1) * len(shared) // (2 * choice.count)] for index in range(choice.count)]
    return [
        Shown(_readable(prompts[row]), seed, [model.image(row, seed) for model in models])
        for row in picked
        for seed in [min(seeds[row])]
    ]


def _readable(row: PromptRow) -> str:
    """A prompt as it is written beside its images: a listed one may be as long as a page, and is cut."""
    return textwrap.shorten(row.prompt, _LONGEST, placeholder=" …") if row.set.startswith(LISTED) else row.prompt


def check_one_shape(rows: Iterable[Shown]) -> None:
    """LetheError unless all images are squares of one shape."""
    shapes = {image.shape for shown in rows for image in shown.images}
    if len(shapes) > 1 or any(height != width for _, height, width in shapes):
        raise LetheError(f"images of the shapes {sorted(shapes)} (C, H, W)", "give square images of one study")
