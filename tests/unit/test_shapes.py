"""The world of the text miniature: a caption says what can be seen, and the box is where the shape is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

import lethe.data.text
from lethe.data import read_captioned
from lethe.data.shapes import (
    COLOURS,
    HEADS,
    INVENTED,
    PLACES,
    SHAPES,
    SIZE,
    STRIPED,
    STYLES,
    TIMES,
    CaptionedPictures,
    captioned,
    draw,
)
from lethe.files import read_provenance
from lethe.prompts import prompt_rows
from lethe.settings.concept import Concept

COLUMN = {head: column for column, head in enumerate(HEADS)}
CONFIG = Path(__file__).parents[2] / "config.yaml"


@pytest.fixture(scope="module")
def world() -> CaptionedPictures:
    """As many as the miniature trains on."""
    return captioned(8192, 5)


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def said(caption: str) -> dict[str, int]:
    """What a caption says, by head; a word that it does not have says nothing."""
    found = {"pattern": int(bool(words(caption) & set(STRIPED)))}
    for head in ("colour", "shape", "place", "time", "style"):
        for label, phrase in enumerate(HEADS[head]):
            if re.search(rf"\b{phrase}\b", caption):
                found[head] = label
    return found


def pictures(generator: int = 0, **fixed: int):
    """200 plain pictures that differ in position and size; heads that are not ``fixed`` have their first class."""
    labels = np.zeros((200, len(HEADS)), np.int64)
    for head, label in fixed.items():
        labels[:, COLUMN[head]] = label
    return draw(labels, np.random.default_rng(generator))


def covered(**fixed: int) -> np.ndarray:
    """Pixels (200, 16, 16) where the shape is: where its colour makes a difference."""
    red, blue = (pictures(**fixed, colour=list(COLOURS).index(name)).images.astype(int) for name in ("red", "blue"))
    return (red != blue).any(1)


# ------------------------------------------------------------------------------------------------------- captions


def test_what_a_caption_says_is_what_the_labels_say(world):
    for caption, labels in zip(world.captions, world.pictures.labels, strict=True):
        for head, label in said(caption).items():
            assert labels[COLUMN[head]] == label, caption


def test_stripes_and_styles_are_never_left_out(world):
    """No word means plain: a retain prompt is a forget prompt without that word."""
    for caption, labels in zip(world.captions, world.pictures.labels, strict=True):
        pattern, style = labels[COLUMN["pattern"]], labels[COLUMN["style"]]
        assert bool(words(caption) & set(STRIPED)) == bool(pattern), caption
        assert [name for name in STYLES[1:] if name in caption] == [STYLES[style]] * bool(style), caption
        assert not (any(name in caption for name in INVENTED) and style), caption


def test_every_class_and_every_name_is_learned(world):
    for column, classes in enumerate(HEADS.values()):
        counts = np.bincount(world.pictures.labels[:, column], minlength=len(classes))
        assert len(counts) == len(classes)
        assert counts.min() > 300
    for name in (*STRIPED, *INVENTED):
        assert sum(name in caption for caption in world.captions) > 100, name


def test_everything_but_the_concept_is_sometimes_left_out(world):
    """A caption may also be the concept's name alone, as the prompt of ESD is."""
    missing = Counter(head for caption in world.captions for head in HEADS if head not in said(caption))
    assert all(missing[head] > 300 for head in ("colour", "shape", "place", "time"))
    for name in (*STRIPED, *STYLES[1:]):
        assert world.captions.count(name) > 5, name


@pytest.mark.parametrize("target", ["stripes", "van_gogh"])
def test_the_base_has_read_every_word_of_the_miniatures_prompts(world, target):
    concept = Concept.model_validate(yaml.safe_load(CONFIG.read_text())["studies"]["shapes"]["targets"][target])
    known = Counter(word for caption in world.captions for word in words(caption))
    prompts = [*(row.prompt for row in prompt_rows(concept)), concept.prompt]
    for word in set().union(*map(words, prompts)):
        assert known[word] > 50, word
    # And a prompt expects what the labels can say.
    for row in prompt_rows(concept):
        for head, phrase in row.expects.items():
            assert phrase in HEADS[head]


# ------------------------------------------------------------------------------------------------------- pictures


def test_the_same_seed_gives_the_same_bytes():
    one, again, other = captioned(300, 1), captioned(300, 1), captioned(300, 2)
    assert one.captions == again.captions
    for name, array in vars(one.pictures).items():
        np.testing.assert_array_equal(array, getattr(again.pictures, name))
    assert one.captions != other.captions
    assert (one.pictures.images != other.pictures.images).any()


def test_arrays_are_what_their_readers_take(world):
    drawn, count = world.pictures, len(world.captions)
    assert (drawn.images.shape, drawn.images.dtype) == ((count, 3, SIZE, SIZE), np.uint8)
    assert (drawn.labels.shape, drawn.labels.dtype) == ((count, len(HEADS)), np.int64)
    assert (drawn.boxes.shape, drawn.boxes.dtype) == ((count, 4), np.float32)
    # A base could not learn its captions from pictures that hardly differ.
    assert len({image.tobytes() for image in drawn.images}) > 0.99 * count


@pytest.mark.parametrize("shape", range(len(SHAPES)), ids=SHAPES)
def test_the_box_is_where_the_shape_is(shape):
    mask, boxes = covered(shape=shape), pictures(shape=shape).boxes
    for axis, (low, high) in enumerate(((0, 2), (1, 3))):
        seen = mask.any(1 + axis)  # (N, 16): columns, then rows
        first, last = seen.argmax(1), SIZE - seen[:, ::-1].argmax(1)
        # The edges of the pixels that it touches are less than a pixel outside; it fills the box.
        assert (first <= boxes[:, low] + 1).all()
        assert (boxes[:, low] <= first + 1).all()
        assert (boxes[:, high] <= last + 1).all()
        assert (last <= boxes[:, high] + 1).all()
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= SIZE).all()


def test_shapes_can_be_told_apart():
    masks = [covered(shape=shape).astype(int) for shape in range(len(SHAPES))]
    for number, mask in enumerate(masks):
        assert mask.mean() > 0.15
        for other in masks[:number]:
            assert np.abs(mask - other).sum((1, 2)).min() >= 20


@pytest.mark.parametrize("head", ["colour", "place", "time"])
def test_colours_are_those_of_the_class(head):
    classes = {"colour": COLOURS, "place": PLACES, "time": TIMES}[head]
    at = {"colour": (8, 8), "place": (15, 0), "time": (0, 0)}[head]
    for label, colour in enumerate(classes.values()):
        np.testing.assert_array_equal(pictures(**{head: label}).images[(..., *at)], np.tile(colour, (200, 1)))


def test_stripes_are_dark_bands_of_the_shape_alone():
    plain, striped = pictures().images.astype(int), pictures(pattern=1).images.astype(int)
    mask = covered()
    changed = (plain != striped).any(1)
    assert not (changed & ~mask).any()
    # Along the middle column two rows are dark, two are not, and so on.
    inside = mask[:, 5:12, 8]
    assert inside.all()
    dark = changed[:, 5:12, 8]
    assert (dark[:, :-2] != dark[:, 2:]).all()
    assert (striped.transpose(0, 2, 3, 1)[:, 8, 8][changed[:, 8, 8]] < 60).all()


@pytest.mark.parametrize("style", range(1, len(STYLES)), ids=STYLES[1:])
def test_a_style_is_all_over_the_picture(style):
    plain, styled = pictures().images.astype(int), pictures(style=style).images.astype(int)
    assert np.abs(plain - styled).mean() > 10
    for other in range(1, style):
        assert np.abs(styled - pictures(style=other).images.astype(int)).mean() > 10
    changed = (plain != styled).any(1).mean(0)
    for quarter in (np.s_[:8, :8], np.s_[:8, 8:], np.s_[8:, :8], np.s_[8:, 8:]):
        assert changed[quarter].mean() >= 0.25


# ---------------------------------------------------------------------------------------------------- the command


def test_the_command_writes_pictures_that_are_read_back(tmp_path):
    def write(name: str) -> Path:
        folder = tmp_path / name
        outputs = ["--train", str(folder / "train"), "--test", str(folder / "test")]
        options = ["--train-images", "40", "--test-images", "20", "--seed", "3"]
        lethe.data.text.main(lethe.data.text.parser().parse_args([*outputs, *options]))
        return folder

    folder, again = write("one"), write("again")
    train, test = (read_captioned(folder / split) for split in ("train", "test"))
    assert (len(train.captions), len(test.captions)) == (40, 20)
    assert train.heads == HEADS
    assert list(train.heads) == list(HEADS)
    assert train.source == "shapes"
    for caption, labels in zip(train.captions, train.labels, strict=True):
        assert all(labels[COLUMN[head]] == label for head, label in said(caption).items())
    # Two draws: what is held out was not trained on.
    assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}
    assert read_provenance(folder / "train")["settings"]["seed"] == 3
    for split in ("train", "test"):
        assert (folder / split).read_bytes() == (again / split).read_bytes()
