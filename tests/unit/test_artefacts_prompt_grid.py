from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lethe.artefacts import prompt_grid
from lethe.artefacts.naming import CellName
from lethe.artefacts.page import PIXELS
from lethe.artefacts.pixels import blurred, enlarged, shrunk
from lethe.artefacts.prompt_grid import column_named, notes_of
from lethe.artefacts.prompt_layout import Group, as_captions, as_rows
from lethe.artefacts.prompt_rows import Choice, Model, Shown, choice_named, read_models, shown_rows
from lethe.artefacts.wrapped import Word, fitted, is_cut, lines_of, width_of, words_of
from lethe.errors import LetheError
from lethe.files import write_arrays
from lethe.prompts import PromptRow, read_prompts, write_prompts

SIZE, PAIRS = 4, 6
VARIANTS = ("base", "rgd")
SETS = ("forget_train", "retain_train", "forget_test", "retain_test")


def prompts(word: str) -> list[PromptRow]:
    rows = [
        PromptRow(name, pair, f"A {word} ring no {pair} of {name}" if "forget" in name else f"A ring {pair} {name}", {})
        for name in SETS
        for pair in range(PAIRS)
    ]
    return [*rows, PromptRow("forget_uniform", 0, word, {}), PromptRow("retain_uniform", 0, "ring", {})]


def colour(variant: str, target: str, row: int, seed: int) -> tuple[int, int, int]:
    return 100 * VARIANTS.index(variant) + (target == "style") * 50, row, seed


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Prompts and images of two targets; each image tells by its colour whose it is. In two shards, out of order; the
    lowest seed of row 12, 12, is missing from rgd."""
    for target, word in (("content", "striped"), ("style", "Gustav Klimt")):
        write_prompts(tmp_path / f"{target}.csv", prompts(word))
        for variant in VARIANTS:
            keys = [(row, row + 26 * copy) for row in range(12, 24) for copy in range(2)]
            if variant == "rgd":
                keys.remove((12, 12))
            order = np.random.default_rng(len(keys)).permutation(len(keys))
            rows, seeds = np.array(keys)[order].T
            colours = [colour(variant, target, row, seed) for row, seed in zip(rows, seeds, strict=True)]
            images = np.broadcast_to(np.array(colours, np.uint8)[..., None, None], (len(rows), 3, SIZE, SIZE))
            for shard, part in enumerate((slice(0, 9), slice(9, None))):
                arrays = {"images": images[part], "seeds": seeds[part], "rows": rows[part]}
                write_arrays(tmp_path / f"{variant}-{target}-{shard}", arrays, {})
    return tmp_path


def files(place: Path, target: str = "content") -> tuple[list[CellName], list[Path]]:
    named = [(variant, shard) for variant in VARIANTS for shard in (0, 1)]
    cells = [CellName(variant, target, "0") for variant, _ in named]
    return cells, [place / f"{variant}-{target}-{shard}" for variant, shard in named]


def models(place: Path) -> list[Model]:
    return list(read_models(*files(place)).values())


def test_a_row_is_one_prompt_and_one_seed_and_shards_are_joined(place: Path) -> None:
    rows = shown_rows(Choice("content", "forget_test", 3), read_prompts(place / "content.csv"), models(place))
    # The middles of thirds of the rows 12 to 17.
    assert [shown.prompt for shown in rows] == [f"A striped ring no {pair} of forget_test" for pair in (1, 3, 5)]
    for shown, row in zip(rows, (13, 15, 17), strict=True):
        assert shown.seed == row
        for image, variant in zip(shown.images, VARIANTS, strict=True):
            assert image.shape == (3, SIZE, SIZE)
            assert tuple(image[:, 0, 0].tolist()) == colour(variant, "content", row, row)


def test_every_model_shows_the_lowest_seed_that_all_have(place: Path) -> None:
    first = shown_rows(Choice("content", "forget_test", 6), read_prompts(place / "content.csv"), models(place))[0]
    assert first.seed == 12 + 26
    assert [image[2, 0, 0] for image in first.images] == [38, 38]


def test_paired_sets_show_pairs(place: Path) -> None:
    read, shown = read_prompts(place / "content.csv"), models(place)
    forget, retain = (shown_rows(Choice("content", name, 2), read, shown) for name in ("forget_test", "retain_test"))
    pairs = [{row.prompt: row.number for row in read}[row.prompt] for row in forget + retain]
    assert pairs[:2] == pairs[2:]


def test_what_is_not_there_is_named(place: Path) -> None:
    read, shown = read_prompts(place / "content.csv"), models(place)
    with pytest.raises(LetheError, match=r"no prompt set 'forget_tset'(.|\n)*did you mean 'forget_test'"):
        shown_rows(Choice("content", "forget_tset", 1), read, shown)
    with pytest.raises(LetheError, match=r"images of 0 of the 6 prompts of forget_train(.|\n)*by the same plan"):
        shown_rows(Choice("content", "forget_train", 1), read, shown)
    for key in [key for key in shown[1].places if key[0] < 14]:
        del shown[1].places[key]
    with pytest.raises(LetheError, match=r"4 of the 6 prompts(.|\n)*fewer than 5 \(least: rgd/content/0\)(.|\n)*for 4"):
        shown_rows(Choice("content", "forget_test", 5), read, shown)
    # A prompt that one model lacks is passed over.
    assert shown_rows(Choice("content", "forget_test", 4), read, shown)[0].prompt.startswith("A striped ring no 2")


def test_doubtful_files_are_refused(place: Path) -> None:
    cells, paths = files(place)
    with pytest.raises(LetheError, match="files of base/content/0 hold the image of row"):
        read_models([*cells, cells[0]], [*paths, paths[0]])
    with pytest.raises(LetheError, match=r"base/content/0 and base/content/1 are one model(.|\n)*one training seed"):
        read_models([cells[0], CellName("base", "content", "1")], paths[:2])
    write_arrays(place / "classes", {"images": np.zeros((1, 1, 2, 2)), "seeds": np.zeros(1)}, {})
    with pytest.raises(LetheError, match="it has no 'rows'"):
        read_models(cells[:1], [place / "classes"])


@pytest.mark.parametrize("word", ["stripes", "stripes:forget_test", "stripes:forget_test:0", "a:b:c", ":forget_test:1"])
def test_a_wrong_row_word_is_refused(word: str) -> None:
    with pytest.raises(LetheError, match="not target:set:count"):
        choice_named(word)


def groups(size: int, channels: int = 3, is_blurred: bool = False, columns: int = 3) -> list[Group]:
    """Two groups of two rows of random images."""
    rng = np.random.default_rng(size)
    images = rng.integers(0, 255, (2, 2, columns, channels, size, size), dtype=np.uint8)
    rows = [[Shown(f"prompt {row} is striped", 0, list(images[group, row])) for row in (0, 1)] for group in (0, 1)]
    return [Group("first", rows[0], ("striped",), is_blurred), Group("second", rows[1])]


def pieces(canvas: np.ndarray, corners: list[tuple[int, int]], side: int) -> list[np.ndarray]:
    return [canvas[top : top + side, left : left + side] for top, left in corners]


@pytest.mark.parametrize(("size", "channels"), [(16, 3), (8, 1), (100, 3)])
def test_every_image_stands_in_its_row_and_column(size: int, channels: int) -> None:
    shown = groups(size, channels)
    page = as_rows(["A", "B", "C"], shown)
    pixels, corners, _ = page.canvas()
    side = size * round(PIXELS / size)
    wanted = [image for group in shown for row in group.rows for image in row.images]
    for piece, image in zip(pieces(pixels, corners, side), wanted, strict=True):
        assert np.array_equal(piece, enlarged(image, PIXELS))
        assert np.array_equal(piece[:: side // size, :: side // size].max(axis=-1), image.max(axis=0))
    tops = sorted({top for top, _ in corners})
    lefts = sorted({left for _, left in corners})
    assert corners == [(top, left) for top in tops for left in lefts]
    # Apart, with more room before the second group; everything else is white.
    assert min(np.diff(tops)) > side
    assert min(np.diff(lefts)) > side
    assert np.diff(tops)[1] > np.diff(tops)[0] == np.diff(tops)[2]
    assert (pixels == 255).all(axis=-1).sum() >= pixels[..., 0].size - len(wanted) * side**2


def test_captions_lie_between_the_lines_of_images() -> None:
    shown = groups(16, columns=1)
    page = as_captions("one model", shown, across=2)
    pixels, corners, per_inch = page.canvas()
    side = 256
    wanted = [row.images[0] for group in shown for row in group.rows]
    for piece, image in zip(pieces(pixels, corners, side), wanted, strict=True):
        assert np.array_equal(piece, enlarged(image, PIXELS))
    assert [top for top, _ in corners] == [corners[0][0]] * 2 + [corners[2][0]] * 2
    for block, (top, left) in zip(page.blocks, corners, strict=True):
        assert block.top * per_inch >= top + side
        assert abs(block.left * per_inch - left) <= 1
    assert page.blocks[0].top < corners[2][0] / per_inch


def test_blur_hides_only_its_own_group() -> None:
    clear, hidden = as_rows(["A"], groups(16, columns=1)), as_rows(["A"], groups(16, columns=1, is_blurred=True))
    for index, (one, other) in enumerate(zip(clear.images, hidden.images, strict=True)):
        assert np.array_equal(one, other) == (index >= 2)
    wanted = enlarged(blurred(groups(16, columns=1)[0].rows[0].images[0]), PIXELS)
    assert np.array_equal(hidden.images[0], wanted)
    assert hidden.images[0].std() < clear.images[0].std() / 5


def test_photographs_are_made_smaller_without_aliases() -> None:
    board = np.indices((512, 512)).sum(axis=0) % 2 * 255
    image = np.stack([board, np.full_like(board, 200), np.linspace(0, 255, 512)[None].repeat(512, 0)]).astype(np.uint8)
    small = shrunk(image, PIXELS)
    assert small.shape == (3, 256, 256)
    assert np.abs(small[0].astype(int) - 127).max() <= 5  # taking every other pixel would give 0 or 255
    assert (small[1] == 200).all()
    assert np.abs(small[2, 5].astype(float) - image[2, 5].reshape(256, 2).mean(axis=1)).max() <= 2
    assert shrunk(small, PIXELS) is small
    assert not _page_of(image).is_enlarged
    assert _page_of(image[:, :16, :16]).is_enlarged


def _page_of(image: np.ndarray) -> object:
    return as_rows(["A"], [Group("g", [Shown("p", 0, [image])])])


def test_lines_are_no_wider_than_asked() -> None:
    words = words_of("A striped circle on the grass, hyperrealistic,intricate,detailed,sharp by nobody", ["striped"])
    lines = lines_of(words, 9.0)
    for line in lines:
        assert width_of(" ".join(word.text for word in line if not word.strong)) <= 9.0
        assert sum(width_of(*word) for word in line) + width_of(" ") * (len(line) - 1) <= 9.0 + 1e-9
    assert "".join(word.text for line in lines for word in line) == "".join(word.text for word in words)
    assert any(line[-1].text.endswith("hyperrealistic,") for line in lines)  # broken after a comma


def test_the_concept_stands_out_as_a_whole_word() -> None:
    strong = ["striped", "Vincent van Gogh"]
    found = words_of("A Striped tigerstriped fish in vincent van Gogh's style, unstriped", strong)
    assert [word.text for word in found if word.strong] == ["Striped", "vincent", "van", "Gogh's"]
    assert words_of("$5 & (x) \\a") == [Word("$5"), Word("&"), Word("(x)"), Word("\\a")]
    assert [word.strong for word in words_of("a.c abc", ["a.c"])] == [True, False]


def test_a_prompt_too_long_is_cut_and_says_so() -> None:
    words = words_of("word " * 60)
    lines, size = fitted(words, 1.5, 0.5, (7.0, 6.0))
    assert size == 6.0
    assert is_cut(lines)
    assert len(lines) == 4  # 36 points, 7.5 a line
    assert width_of(" ".join(word.text for word in lines[-1])) <= 1.5 * 72 / 6.0
    lines, size = fitted(words[:3], 1.5, 0.5, (7.0, 6.0))
    assert (size, is_cut(lines)) == (7.0, False)


def test_a_column_may_have_another_variant_for_each_target() -> None:
    targets, titles = ["stripes", "van_gogh"], {"rgd": "RGD", "esd_u": "ESD-u", "esd_x": "ESD-x"}
    assert column_named("rgd", targets, titles) == ("RGD", {"stripes": "rgd", "van_gogh": "rgd"})
    assert column_named("SD=base", targets, titles) == ("SD", {"stripes": "base", "van_gogh": "base"})
    mixed = column_named("ESD=stripes:esd_u,van_gogh:esd_x", targets, titles)
    assert mixed == ("ESD", {"stripes": "esd_u", "van_gogh": "esd_x"})
    for word, problem in {
        "base": "no title for the variant 'base'",
        "ESD=stripes:esd_u": "no variant for the target 'van_gogh'",
        "ESD=stripes:esd_u,van_gogh": "not a column",
        "ESD=stripes:a,stripes:b": "not a column",
        "=rgd": "not a column",
        "ESD=": "not a column",
    }.items():
        with pytest.raises(LetheError, match=problem):
            column_named(word, targets, titles)
    choices = [Choice("stripes", "forget_test", 1), Choice("van_gogh", "retain_test", 1)]
    names = {"stripes": "Stripes", "van_gogh": "Vincent van Gogh"}
    notes = notes_of([mixed, column_named("rgd", targets, titles)], choices, targets, names, titles)
    # Nothing of van_gogh is blurred: only its retain prompts are shown.
    assert notes == [
        "ESD: ESD-u for Stripes, ESD-x for Vincent van Gogh.",
        "Blurred here: the images of the forget prompts of Stripes.",
    ]


def run(place: Path, stem: str, *more: str) -> list[bytes]:
    cells, paths = (one + two for one, two in zip(files(place), files(place, "style"), strict=True))
    words = ["--cells", *map("/".join, cells), "--images", *map(str, paths), "--titles", "base=SD", "rgd=RGD"]
    words += ["--prompts", f"content={place}/content.csv", f"style={place}/style.csv", "--words", "content=striped"]
    outputs = [place / f"{stem}.pdf", place / f"{stem}.png"]
    parser = argparse.ArgumentParser(allow_abbrev=False)
    prompt_grid.add_arguments(parser)
    prompt_grid.main(parser.parse_args([*words, "--pdf", str(outputs[0]), "--png", str(outputs[1]), *more]))
    return [path.read_bytes() for path in outputs]


def test_the_drawn_page_has_each_image_where_it_belongs(place: Path) -> None:
    rows = ("--rows", "content:forget_test:2", "style:retain_test:1")
    run(place, "page", *rows, "--columns", "base", "B=content:rgd,style:rgd", "--targets", "style=Style", "other=Other")
    pixels = np.asarray(Image.open(place / "page.png").convert("RGB"))
    where = {}
    for target, row in (("content", 13), ("content", 16), ("style", 21)):
        for variant in VARIANTS:
            rows, columns = np.nonzero((pixels == colour(variant, target, row, row)).all(axis=-1))
            assert len(rows) > 0.98 * np.ptp(rows) * np.ptp(columns) > 100**2  # a full square
            where[row, variant] = rows.mean(), columns.mean()
    for row in (13, 16, 21):
        assert where[row, "base"][0] == pytest.approx(where[row, "rgd"][0], abs=1)
        assert where[row, "base"][1] < where[row, "rgd"][1]
    assert where[13, "base"][0] < where[16, "base"][0] < where[21, "base"][0]
    assert where[13, "rgd"][1] == pytest.approx(where[21, "rgd"][1], abs=1)


def test_the_same_images_give_the_same_bytes(place: Path) -> None:
    rows = ("--rows", "content:forget_test:1")
    first = run(place, "first", *rows)
    assert run(place, "second", *rows) == first
    for change in (("--words", "content=ring"), ("--blur", "content"), ("--columns", "rgd", "--across", "1")):
        assert all(a != b for a, b in zip(run(place, "changed", *rows, *change), first, strict=True))


def test_wrong_words_are_refused_before_anything_is_drawn(place: Path) -> None:
    rows = ("--rows", "content:forget_test:1")
    for more, problem in (
        (("--across", "2"), "--across 2 with 2 columns"),
        (("--blur", "contents"), "no row is of this target(.|\n)*did you mean 'content'"),
        (("--columns", "X=esd"), r"no images of esd/content"),
        (("--rows", "nudity:forget_test:1"), "no file for the target 'nudity'"),
        (("--rows", "style:forget_test:9"), r"6 of the 6 prompts(.|\n)*ask for 6"),
    ):
        with pytest.raises(LetheError, match=problem):
            run(place, "never", *rows, *more)
    assert not (place / "never.png").exists()
