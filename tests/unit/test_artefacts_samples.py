from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from jinja2 import Environment, StrictUndefined

from lethe.artefacts.__main__ import parser
from lethe.artefacts.pixels import blurred
from lethe.artefacts.samples import ImageSet, compose, grid_of, read_sets
from lethe.data import LabelledImages
from lethe.errors import LetheError
from lethe.files import write_arrays

CLASSES, SIZE = 3, 4
REPORT = Path(__file__).resolve().parents[2] / "workflow/report"


def image_set(model: int, seeds: dict[int, list[int]], channels: int = 1) -> ImageSet:
    """Every image is one grey level that tells model and seed; its classes' seeds are given."""
    rows = [(seed, label) for label, own in seeds.items() for seed in own]
    order = np.random.default_rng(model).permutation(len(rows))
    numbers, labels = np.array(rows)[order].T
    levels = (100 * model + numbers).astype(np.uint8)
    images = np.broadcast_to(levels[:, None, None, None], (len(rows), channels, SIZE, SIZE))
    return ImageSet(images.copy(), numbers, labels)


def real_images(channels: int = 1, each: int = 3) -> LabelledImages:
    labels = np.repeat(np.arange(CLASSES), each)
    pixels = np.random.default_rng(0).integers(0, 256, (len(labels), channels, SIZE, SIZE), dtype=np.uint8)
    return LabelledImages(pixels, labels, tuple("abc"), "letters")


BASE = {0: [0, 3, 6, 9], 1: [1, 4, 7, 10], 2: [2, 5, 8, 11]}
# A model of one target holds fewer, and lacks the lowest seed of class 1.
OTHER = {0: [0, 3], 1: [4, 7, 10], 2: [2, 5]}


def test_every_row_has_the_same_seeds() -> None:
    sets = {"base": image_set(0, BASE), "rgd": image_set(1, OTHER)}
    grid = grid_of(real_images(), sets, 2)
    assert grid.shape == (3, CLASSES, 2, 1, SIZE, SIZE)
    assert np.array_equal(grid[0, 1], real_images().images[3:5])
    assert grid[1, :, :, 0, 0, 0].tolist() == [[0, 3], [4, 7], [2, 5]]
    assert np.array_equal(grid[2], grid[1] + 100)


def test_what_cannot_be_shown_side_by_side_is_refused() -> None:
    sets = {"base": image_set(0, BASE), "rgd": image_set(1, OTHER)}
    with pytest.raises(LetheError, match=r"class a: the image sets share 2 seeds(.|\n)*least: rgd(.|\n)*--across 2"):
        grid_of(real_images(), sets, 3)
    with pytest.raises(LetheError, match="class a: 3 real images"):
        grid_of(real_images(), {}, 4)
    with pytest.raises(LetheError, match="images of rgb are"):
        grid_of(real_images(), {"rgb": image_set(0, BASE, channels=3)}, 2)


def test_shards_of_one_model_are_one_set(tmp_path: Path) -> None:
    whole = image_set(0, BASE)
    for number, rows in enumerate((slice(0, 5), slice(5, None))):
        write_arrays(tmp_path / f"{number}", {name: array[rows] for name, array in whole._asdict().items()}, {})
    (joined,) = read_sets(["base", "base"], [tmp_path / "0", tmp_path / "1"]).values()
    for one, other in zip(joined, whole, strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(LetheError, match="files of base hold an image of the same seed and class twice"):
        read_sets(["base", "base", "base"], [tmp_path / "0", tmp_path / "1", tmp_path / "1"])
    write_arrays(tmp_path / "real", {"images": whole.images, "conditions": whole.conditions}, {})
    with pytest.raises(LetheError, match="not an image set, it has no 'seeds'"):
        read_sets(["base"], [tmp_path / "real"])


@pytest.mark.parametrize("channels", [1, 3])
def test_each_pixel_becomes_an_equal_square(channels: int) -> None:
    rng = np.random.default_rng(1)
    grid = rng.integers(0, 256, (2, CLASSES, 2, channels, SIZE, SIZE), dtype=np.uint8)
    canvas = compose(grid)
    scale = canvas.cell[0] // SIZE
    last = canvas.cell[1] - SIZE * scale  # where the second image of a cell begins
    for row, top in enumerate(canvas.tops):
        for column, left in enumerate(canvas.lefts):
            for index, start in enumerate((left, left + last)):
                shown = canvas.pixels[top : top + SIZE * scale, start : start + SIZE * scale]
                squares = shown.reshape(SIZE, scale, SIZE, scale, 3).swapaxes(1, 2)
                wanted = np.broadcast_to(grid[row, column, index].transpose(1, 2, 0), (SIZE, SIZE, 3))
                assert (squares == wanted[:, :, None, None]).all()
    covered = 2 * CLASSES * 2 * (SIZE * scale) ** 2
    white = (canvas.pixels == 255).all(axis=-1).sum()
    assert white >= canvas.pixels[..., 0].size - covered


def test_blur_leaves_the_mean_and_no_detail() -> None:
    stripes = np.zeros((1, 1, 32, 32), np.uint8)
    stripes[..., ::2] = 255
    assert np.ptp(blurred(stripes)) <= 255 / 17  # what one pass of a box of 17 pixels leaves of them
    assert abs(blurred(stripes).mean() - 127.5) < 4
    flat = np.full((2, 3, 8, 8), 77, np.uint8)
    assert np.array_equal(blurred(flat), flat)
    # A face's features are an eighth of the image: of a dot that size next to nothing is left.
    dot = np.zeros((1, 32, 32), np.uint8)
    dot[:, 14:18, 14:18] = 255
    assert blurred(dot).max() < 20


@pytest.fixture
def files(tmp_path: Path) -> Path:
    real = real_images()
    write_arrays(
        tmp_path / "real",
        {"images": real.images, "conditions": real.conditions},
        {"classes": list("abc"), "source": "letters"},
    )
    for number, (name, seeds) in enumerate({"base": BASE, "rgd": OTHER}.items()):
        write_arrays(tmp_path / name, image_set(number, seeds)._asdict(), {})
    return tmp_path


def run(place: Path, stem: str, *more: str) -> list[bytes]:
    outputs = [place / f"{stem}.pdf", place / f"{stem}.png"]
    words = ["samples", "--cells", "base", "rgd", "--images", f"{place}/base", f"{place}/rgd", "--across", "2"]
    words += ["--titles", "base=Base", "rgd=RGD", "--real", f"{place}/real", "--pdf", str(outputs[0])]
    arguments = parser().parse_args([*words, "--png", str(outputs[1]), *more])
    arguments.run(arguments)
    return [path.read_bytes() for path in outputs]


def test_the_same_images_give_the_same_bytes(files: Path) -> None:
    first = run(files, "first", "--target", "1")
    assert run(files, "second", "--target", "1") == first
    for change in (("--target", "2"), ("--target", "1", "--blur-target")):
        assert all(a != b for a, b in zip(run(files, "changed", *change), first, strict=True))


def test_unknown_target_is_refused(files: Path) -> None:
    with pytest.raises(LetheError, match=r"--target 3(.|\n)*choose 0 to 2"):
        run(files, "never", "--target", "3")
    assert not (files / "never.png").exists()


class _Snakemake:
    """What Snakemake gives a caption of the preset ``name``."""

    def __init__(self, name: str, study: str) -> None:
        path = "config.yaml" if name == "miniature" else f"workflow/presets/{name}.yaml"
        self.config = yaml.safe_load((REPORT.parents[1] / path).read_text(encoding="utf-8"))
        self.params = SimpleNamespace(study=study, target=3, comparable=["--comparable"] * (study == "cifar10"))


@pytest.mark.parametrize(
    ("name", "preset", "study"),
    [
        *((name, "miniature", "digits") for name in ("table1", "table3", "paired", "figure2", "trajectory", "samples")),
        ("table1", "paper", "cifar10"),
        ("table3", "paper", "cifar10"),
    ],
)
def test_caption_renders(name: str, preset: str, study: str) -> None:
    core = pytest.importorskip("docutils.core")
    text = (REPORT / f"{name}.rst").read_text(encoding="utf-8")
    template = Environment(undefined=StrictUndefined, autoescape=False).from_string(text)
    words = template.render(snakemake=_Snakemake(preset, study))
    # halt_level 2: even a warning is an error.
    html = core.publish_parts(words, writer="html", settings_overrides={"halt_level": 2})["body"]
    assert "{" not in html
    assert preset in html
    assert "comparable" in html or "paper's" in html
