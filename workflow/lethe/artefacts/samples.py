"""A grid of samples: one row for the real images and for each model, one column for each class, the same seeds in every
row. The forgotten class is framed, and blurred on request."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lethe.artefacts.naming import check_parallel, title_of, titles_of
from lethe.artefacts.outputs import add_figure_outputs
from lethe.artefacts.pixels import blurred, enlarged, on_white
from lethe.artefacts.style import FORGOTTEN, TWO_COLUMNS, paper_style, save
from lethe.data import LabelledImages, read_images
from lethe.errors import LetheError
from lethe.files import read_arrays

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "samples of every model, class by class, from the same seeds"
REAL = "Real"
_FORGOTTEN = "forgotten"


class ImageSet(NamedTuple):
    """uint8 images (N, C, H, W) with their seeds (N,) and conditions (N,)."""

    images: np.ndarray
    seeds: np.ndarray
    conditions: np.ndarray


def read_sets(names: Sequence[str], paths: Sequence[Path]) -> dict[str, ImageSet]:
    """Image sets by variant, in the order of ``names``; a variant named several times has its shards joined."""
    shards: dict[str, list[ImageSet]] = {}
    for name, path in zip(names, paths, strict=True):
        arrays, _ = read_arrays(path)
        try:
            shards.setdefault(name, []).append(ImageSet(*(arrays[field] for field in ImageSet._fields)))
        except KeyError as missing:
            raise LetheError(
                f"{path}: not an image set, it has no {missing}", "give a file of the sample stage"
            ) from None
    sets = {name: ImageSet(*map(np.concatenate, zip(*parts, strict=True))) for name, parts in shards.items()}
    for name, part in sets.items():
        if len(set(zip(part.seeds.tolist(), part.conditions.tolist(), strict=True))) < len(part.seeds):
            raise LetheError(
                f"the files of {name} hold an image of the same seed and class twice",
                "give the shards of one model only, each once",
            )
    return sets


def common_seeds(sets: Mapping[str, ImageSet], label: int, name: str, across: int) -> list[int]:
    """The ``across`` lowest seeds of class ``label`` that every set has."""
    held = [set(part.seeds[part.conditions == label].tolist()) for part in sets.values()]
    seeds = sorted(set.intersection(*held))
    if len(seeds) < across:
        fewest = min(zip(held, sets, strict=True), key=lambda pair: len(pair[0]))[1]
        raise LetheError(
            f"class {name}: the image sets share {len(seeds)} seeds, fewer than --across {across} (least: {fewest})",
            f"give --across {len(seeds)}, or sample more images" if seeds else "sample all models by the same plan",
        )
    return seeds[:across]


def grid_of(real: LabelledImages, sets: Mapping[str, ImageSet], across: int) -> np.ndarray:
    """uint8 images (rows, classes, across, C, H, W): real images first, then each set with the same seeds."""
    rows = [[] for _ in range(1 + len(sets))]
    for label, name in enumerate(real.classes):
        shown = real.images[real.conditions == label][:across]
        if len(shown) < across:
            raise LetheError(f"class {name}: {len(shown)} real images, fewer than --across {across}", "show fewer")
        rows[0].append(shown)
        seeds = common_seeds(sets, label, name, across)
        for row, (variant, part) in zip(rows[1:], sets.items(), strict=True):
            if part.images.shape[1:] != real.images.shape[1:]:
                raise LetheError(
                    f"images of {variant} are {part.images.shape[1:]}, the real ones {real.images.shape[1:]} (C, H, W)",
                    "give image sets of one study",
                )
            own = part.conditions == label
            place = dict(zip(part.seeds[own].tolist(), np.flatnonzero(own), strict=True))
            row.append(part.images[[place[seed] for seed in seeds]])
    return np.array(rows)


class Canvas(NamedTuple):
    """All images on white (height, width, 3), and in its pixels: the left edge of each column, the top of each row,
    and the size of a cell."""

    pixels: np.ndarray
    lefts: list[int]
    tops: list[int]
    cell: tuple[int, int]


def compose(grid: np.ndarray) -> Canvas:
    """Lay out (rows, classes, across, C, H, W) with gaps, each pixel enlarged to a square of equal pixels."""
    rows, classes, across = grid.shape[:3]
    large = enlarged(grid, 64)
    high, broad = large.shape[3:5]
    gap, wide = max(1, high // 16), max(2, high // 4)
    cell = high, across * broad + (across - 1) * gap
    lefts = [column * (cell[1] + wide) + wide for column in range(classes)]
    tops = [row * (high + wide) + wide for row in range(rows)]
    corners = [(top, left + index * (broad + gap)) for top in tops for left in lefts for index in range(across)]
    images = large.reshape(-1, *large.shape[3:])
    return Canvas(on_white(images, corners, tops[-1] + high + wide, lefts[-1] + cell[1] + wide), lefts, tops, cell)


def draw(canvas: Canvas, row_titles: Sequence[str], classes: Sequence[str], target: int) -> Figure:
    """The canvas with the rows' titles, the classes' names and a frame around the forgotten class."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    height, width = canvas.pixels.shape[:2]
    margin, heading = 0.075 * max(map(len, row_titles)) + 0.08, 0.34
    shown = TWO_COLUMNS - margin - 0.04
    total = shown * height / width + heading
    figure = Figure(figsize=(TWO_COLUMNS, total))
    axes = figure.add_axes((margin / TWO_COLUMNS, 0, shown / TWO_COLUMNS, (total - heading) / total))
    axes.imshow(canvas.pixels, interpolation="nearest")
    axes.axis("off")
    high, broad = canvas.cell
    gap = canvas.tops[0]
    # A bold letter is about 0.65 of its size wide; names must not run into each other.
    letters = max(map(len, (*classes, _FORGOTTEN)))
    size = min(7.5, 72 * shown * (broad + gap) / width / (0.65 * letters))
    for top, title in zip(canvas.tops, row_titles, strict=True):
        axes.text(-0.3 * gap, top + high / 2, title, ha="right", va="center")
    for label, (left, name) in enumerate(zip(canvas.lefts, classes, strict=True)):
        forgotten = label == target
        axes.text(
            left + broad / 2,
            0,
            f"{_FORGOTTEN}\n{name}" if forgotten else name,
            ha="center",
            va="bottom",
            color=FORGOTTEN if forgotten else "black",
            weight="bold" if forgotten else "normal",
            fontsize=size,
        )
        if forgotten:
            corner = left - gap / 2, canvas.tops[0] - gap / 2
            frame = broad + gap, canvas.tops[-1] + high - canvas.tops[0] + gap
            axes.add_patch(Rectangle(corner, *frame, fill=False, edgecolor=FORGOTTEN, linewidth=1.6, clip_on=False))
    return figure


def main(arguments: argparse.Namespace) -> None:
    check_parallel(arguments.cells, arguments.images, "--images")
    if arguments.across < 1:
        raise LetheError(f"--across {arguments.across}: nothing to show", "give 1 or more")
    given = titles_of(arguments.titles, "--titles")
    variants = list(dict.fromkeys(arguments.cells))
    titles = [REAL, *(title_of(given, variant) for variant in variants)]
    real = read_images(arguments.real)
    if arguments.target not in range(len(real.classes)):
        raise LetheError(
            f"--target {arguments.target}: the data has no such class", f"choose 0 to {len(real.classes) - 1}"
        )
    grid = grid_of(real, read_sets(arguments.cells, arguments.images), arguments.across)
    if arguments.blur_target:
        grid[:, arguments.target] = blurred(grid[:, arguments.target])
    with paper_style():
        save(draw(compose(grid), titles, real.classes, arguments.target), arguments.pdf, arguments.png)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cells", nargs="+", required=True, metavar="VARIANT", help="the rows below the real images")
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        required=True,
        metavar="SAFETENSORS",
        help="their image sets, in that order; name a variant again for each further shard",
    )
    parser.add_argument("--titles", nargs="+", required=True, metavar="NAME=TITLE", help="titles of the variants")
    parser.add_argument(
        "--real", type=Path, required=True, metavar="SAFETENSORS", help="real images, of the data stage"
    )
    parser.add_argument("--target", type=int, required=True, help="the forgotten class, which is framed")
    parser.add_argument("--across", type=int, default=3, help="images in each cell [3]")
    parser.add_argument("--blur-target", action="store_true", help="blur the images of the forgotten class")
    add_figure_outputs(parser)
