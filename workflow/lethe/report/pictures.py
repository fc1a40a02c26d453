"""The images that the report shows: for each study and target the same prompts and seeds of every model."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lethe.artefacts.naming import CellName
from lethe.artefacts.pixels import shrunk
from lethe.artefacts.prompt_rows import Model, read_models
from lethe.errors import LetheError
from lethe.files import read_provenance
from lethe.plan import Cell, Plan
from lethe.plan.artefacts import first_cell
from lethe.plan.study import StudyPlan
from lethe.prompt_images import measured_sets
from lethe.prompts import read_prompts
from lethe.report.shelf import Shelf
from lethe.report.words import row_titles, target_title
from lethe.settings.report import ReportSettings

_EXACT = 64
"""Images up to this height are stored without loss: each of their pixels is seen."""


class Item(NamedTuple):
    """What one image of every model is of: a prompt (or a class) and a seed; ``row`` is its place in the prompt file,
    or the class."""

    words: str
    row: int
    seed: int


class ImageSet(NamedTuple):
    """Items of one set of prompts, or of classes."""

    name: str
    items: list[Item]


def shown_cells(plan: StudyPlan, target: str) -> list[Cell]:
    """The models of a target that the report shows: all rows but those of sweeps, each with its first seed."""
    return [first_cell(plan, target, name) for name in plan.study.variants if target in plan.study.targets_of(name)]


def image_files(plan: Plan) -> list[str]:
    """Every file that the report's images are read from."""
    cells = [
        (study, cell)
        for study in plan.studies.values()
        for target in study.study.target_names()
        for cell in shown_cells(study, target)
    ]
    files = [path for study, cell in cells for path in (*study.shards(cell), *study.prompts_files(cell))]
    return list(dict.fromkeys(files))


def pictures(plan: Plan, shelf: Shelf) -> list[dict[str, Any]]:
    """One entry a study and target: its models, its sets of prompts, and for each model its images in that order."""
    groups = []
    for study in plan.studies.values():
        for target in study.study.target_names():
            cells = [cell for cell in shown_cells(study, target) if _is_there(study, cell, shelf)]
            if cells:
                groups.append(_group(study, target, cells, plan.config.report))
    return [group for group in groups if group["sets"]]


def _is_there(study: StudyPlan, cell: Cell, shelf: Shelf) -> bool:
    return shelf.has(*study.shards(cell), *study.prompts_files(cell))


def _group(study: StudyPlan, target: str, cells: Sequence[Cell], settings: ReportSettings) -> dict[str, Any]:
    models = [_model(study, cell) for cell in cells]
    sets = _prompt_sets(study, cells[0], models, settings.prompts)
    if study.kind == "class":
        sets = _class_sets(int(target), models, settings.prompts)
    items = [item for one in sets for item in one.items]
    images = [[model.image(item.row, item.seed) for item in items] for model in models]
    heights = {image.shape[-2] for of_model in images for image in of_model}
    return {
        "study": study.name,
        "target": target,
        "title": target_title(study, target),
        "blur": study.kind == "text" and study.study.targets[target].blur,
        "height": max(heights, default=0),
        "models": [
            {"variant": cell.variant, "title": title, "method": study.method_of(cell)}
            for cell, title in zip(cells, row_titles(study, (c.variant for c in cells)).values(), strict=True)
        ],
        "sets": [
            {"name": one.name, "items": [{"words": item.words, "seed": item.seed} for item in one.items]}
            for one in sets
        ],
        "images": [[encoded(image, settings) for image in of_model] for of_model in images],
    }


def _model(study: StudyPlan, cell: Cell) -> Model:
    paths = [Path(path) for path in study.shards(cell)]
    name = CellName(cell.variant, cell.target, cell.seed)
    if study.kind == "text":
        return read_models([name] * len(paths), paths)[cell.variant, cell.target]
    return Model(name, {key: place for path in paths for key, place in _classes_and_seeds(path).items()})


def _classes_and_seeds(path: Path) -> dict[tuple[int, int], tuple[Path, int]]:
    from safetensors import safe_open

    read_provenance(path)  # says what is wrong with a file that cannot be read
    with safe_open(str(path), framework="numpy") as stream:
        missing = [name for name in ("images", "conditions", "seeds") if name not in stream.keys()]  # noqa: SIM118
        if missing:
            raise LetheError(f"{path}: not an image set, it has no '{missing[0]}'", "sample the model again")
        conditions, seeds = stream.get_tensor("conditions"), stream.get_tensor("seeds")
    keys = zip(conditions.tolist(), seeds.tolist(), strict=True)
    return {key: (path, position) for position, key in enumerate(keys)}


def _prompt_sets(study: StudyPlan, cell: Cell, models: Sequence[Model], count: int) -> list[ImageSet]:
    if study.kind == "class":
        return []
    (path,) = study.prompts_files(cell)
    prompts = read_prompts(path)
    sets = []
    for name in measured_sets(prompts):
        rows = [row for row, prompt in enumerate(prompts) if prompt.set == name]
        items = [
            Item(prompts[row].prompt, row, min(seeds))
            for row in rows
            if (seeds := set.intersection(*(model.seeds(row) for model in models)))
        ]
        sets.append(ImageSet(name, spread(items, count)))
    # Those that no method has seen come first: there it shows what was learned.
    return sorted((one for one in sets if one.items), key=lambda one: one.name.endswith("_train"))


def _class_sets(target: int, models: Sequence[Model], count: int) -> list[ImageSet]:
    shared = sorted(set.intersection(*(set(model.places) for model in models)), key=lambda key: key[1])
    own = [Item(f"class {label}", label, seed) for label, seed in shared if label == target]
    others = [Item(f"class {label}", label, seed) for label, seed in shared if label != target]
    # By seed the classes alternate, so the first of them are one of each class.
    return [
        ImageSet(name, items)
        for name, items in (("forget_class", own[:count]), ("retain_class", others[:count]))
        if items
    ]


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most ``count`` items, the middles of as many equal stretches."""
    if len(items) <= count:
        return list(items)
    return [items[(2 * index + 1) * len(items) // (2 * count)] for index in range(count)]


def encoded(image: np.ndarray, settings: ReportSettings) -> str:
    """A uint8 image (C, H, W) as a WebP file in base64: exact where it is small, else shrunk and with loss."""
    from PIL import Image

    small = shrunk(image, settings.pixels)
    planes = np.moveaxis(small, 0, -1)
    picture = Image.fromarray(planes[..., 0] if planes.shape[-1] == 1 else planes)
    buffer = io.BytesIO()
    if small.shape[-2] <= _EXACT:
        picture.convert("RGB").save(buffer, "WEBP", lossless=True, method=4)
    else:
        picture.convert("RGB").save(buffer, "WEBP", quality=settings.quality, method=4)
    return base64.b64encode(buffer.getvalue()).decode()
