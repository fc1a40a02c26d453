"""The world of the text miniature: 16x16 pictures of one shape on a ground under a sky, with captions.

Everything a caption says can be seen: the colour, the shape, the place (the ground), the time (the sky), a pattern (the
content concept, with five synonyms) and an artist's style (a texture over the whole picture). What a caption leaves out
is drawn at random, but for the pattern and the style: no word means a plain picture, as "a person" means a clothed one.
The drawing is deterministic and vectorised over pictures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZE = 16
_SUPER = 4  # each pixel is the mean of 4 x 4 points: edges are smooth
_HORIZON = 5.0
_DARK = 18.0

COLOURS = {
    "red": (225, 30, 40),
    "green": (30, 205, 60),
    "blue": (35, 60, 235),
    "yellow": (250, 225, 30),
    "orange": (250, 130, 10),
    "purple": (160, 40, 200),
}
SHAPES = ("circle", "bar", "triangle", "cross", "diamond", "ring")
PLACES = {
    "on the grass": (70, 105, 55),
    "on the sand": (205, 175, 125),
    "in the snow": (240, 243, 248),
    "in the mud": (125, 75, 40),
    "on the road": (85, 85, 90),
    "on the water": (60, 130, 150),
}
TIMES = {
    "in the morning": (250, 205, 215),
    "at noon": (150, 205, 250),
    "at sunset": (235, 115, 70),
    "at night": (22, 22, 60),
}
PATTERNS = ("plain", "striped")
STYLES = ("plain", "Vincent van Gogh", "Georges Seurat", "Gustav Klimt", "Edward Hopper")
INVENTED = ("Marius Vendrell", "Lorenzo di Valli", "Rafael Casanova", "Maximilian Vermeer")
STRIPED = ("striped", "banded", "lined", "ribbed", "barred")

HEADS = {
    "colour": tuple(COLOURS),
    "shape": SHAPES,
    "place": tuple(PLACES),
    "time": tuple(TIMES),
    "pattern": PATTERNS,
    "style": STYLES,
}
"""The attributes of a picture with their classes, in the order of the columns of ``labels``."""

ARTIST_SENTENCES = (
    "{scene} illustrated by {artist}",
    "The style of {artist} in a painting of {scene}",
    "In {artist}'s style, {scene}",
    "{scene} as seen through {artist}'s eyes",
    "{scene}, as conceived by {artist}",
    "{scene} brought to life by {artist}'s brushstrokes",
    "Inspired by {artist}, a painting of {scene}",
    "{artist}'s art showing {scene}",
)


@dataclass(frozen=True)
class Pictures:
    """``images`` (N, 3, 16, 16) uint8, ``labels`` (N, 6) int64 in the order of HEADS, ``boxes`` (N, 4) float32: left,
    top, right, bottom of the shape in pixels."""

    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray


def draw(labels: np.ndarray, generator: np.random.Generator) -> Pictures:
    """Draw one picture for each row of ``labels``; position, size and phase of the pattern come from ``generator``."""
    count = len(labels)
    colour, shape, place, time, pattern, style = labels.T
    centre = np.stack([generator.uniform(7.4, 8.6, count), generator.uniform(8.1, 8.9, count)], 1)
    radius = generator.uniform(5.5, 6.1, count)
    phase = generator.integers(0, 2, count)

    axis = (np.arange(SIZE * _SUPER) + 0.5) / _SUPER
    x = (axis[None, None, :] - centre[:, 0, None, None]) / radius[:, None, None]
    y = (axis[None, :, None] - centre[:, 1, None, None]) / radius[:, None, None]
    inside = _inside(shape, x, y)
    cover = inside.reshape(count, SIZE, _SUPER, SIZE, _SUPER).mean((2, 4))[..., None]

    rows = np.arange(SIZE) + 0.5
    sky = np.array(list(TIMES.values()), float)[time][:, None, None, :]
    ground = np.array(list(PLACES.values()), float)[place][:, None, None, :]
    below = (rows > _HORIZON)[None, :, None, None]
    scene = np.broadcast_to(np.where(below, ground, sky), (count, SIZE, SIZE, 3))
    paint = np.broadcast_to(np.array(list(COLOURS.values()), float)[colour][:, None, None, :], scene.shape)
    # Stripes of two pixels, every other one dark: as wide as one step of the latents' grid.
    band = ((np.arange(SIZE)[None, :] // 2 + phase[:, None]) % 2 == 0) & (pattern == PATTERNS.index("striped"))[:, None]
    paint = np.where(band[:, :, None, None], _DARK, paint)
    pixels = _styled(scene * (1 - cover) + paint * cover, style)

    reach = radius[:, None] * np.array([_REACH[name] for name in SHAPES])[shape]
    boxes = np.concatenate([centre - reach[:, :2], centre + reach[:, 2:]], 1).clip(0, SIZE)
    images = np.rint(pixels.clip(0, 255)).astype(np.uint8).transpose(0, 3, 1, 2)
    return Pictures(np.ascontiguousarray(images), labels.astype(np.int64), boxes.astype(np.float32))


# How far the shapes of _inside reach from their centre, in radii: left, up, right, down.
_REACH = {
    "circle": (1, 1, 1, 1),
    "bar": (1.15, 0.5, 1.15, 0.5),
    "triangle": (1, 1.1, 1, 0.9),
    "cross": (1, 1, 1, 1),
    "diamond": (1.05 / 1.35, 1.05, 1.05 / 1.35, 1.05),
    "ring": (1.05, 1.05, 1.05, 1.05),
}


def _inside(shape: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whether points (N, H, W), in units of the radius, lie in each picture's shape."""
    across, down = np.abs(x), np.abs(y)
    away = np.hypot(x, y)
    forms = {
        "circle": lambda n: away[n] <= 1,
        "bar": lambda n: (across[n] <= 1.15) & (down[n] <= 0.5),
        "triangle": lambda n: (y[n] <= 0.9) & (across[n] * 2 <= y[n] + 1.1),
        "cross": lambda n: (np.minimum(across[n], down[n]) <= 0.34) & (np.maximum(across[n], down[n]) <= 1),
        "diamond": lambda n: across[n] * 1.35 + down[n] <= 1.05,
        "ring": lambda n: (away[n] <= 1.05) & (away[n] >= 0.5),
    }
    result = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
    for index, name in enumerate(SHAPES):
        own = np.flatnonzero(shape == index)
        result[own] = forms[name](own)
    return result


def _styled(pixels: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Each artist as a texture (N, 16, 16, 3): swirls, dots, gold squares, a lamp from the left."""
    row, column = np.mgrid[:SIZE, :SIZE]
    swirl = np.sin(2 * np.pi * (row + column + 1.5 * np.sin(2 * np.pi * column / 8)) / 4)[..., None]
    dots = ((row % 2 == 0) & (column % 2 == 0))[..., None]
    gold = ((row % 4 < 2) & (column % 4 < 2))[..., None]
    lamp = np.linspace(1.25, 0.15, SIZE)[None, :, None]
    effects = {
        "Vincent van Gogh": lambda p: p * (0.75 + 0.15 * swirl) + np.array([40, 40, 0]) + 45 * swirl,
        "Georges Seurat": lambda p: np.where(dots, 0.25 * p + 190, 0.85 * p),
        "Gustav Klimt": lambda p: np.where(gold, 0.35 * p + 0.65 * np.array([235, 180, 30]), p),
        "Edward Hopper": lambda p: p * lamp,
    }
    result = pixels.copy()
    for index, name in enumerate(STYLES):
        own = style == index
        if name in effects and own.any():
            result[own] = effects[name](pixels[own])
    return result


@dataclass(frozen=True)
class CaptionedPictures:
    """Pictures with one caption each."""

    pictures: Pictures
    captions: list[str]


def captioned(count: int, seed: int) -> CaptionedPictures:
    """``count`` random pictures and what is said of them."""
    generator = np.random.default_rng(seed)
    labels = np.stack([generator.integers(0, len(classes), count) for classes in HEADS.values()], 1)
    # A third is about stripes, a third about artists, a third plain; a striped picture has no artist.
    topic = generator.integers(0, 3, count)
    heads = list(HEADS)
    labels[:, heads.index("pattern")] = topic == 0
    labels[:, heads.index("style")] = np.where(topic == 1, 1 + labels[:, heads.index("style")] % (len(STYLES) - 1), 0)
    captions = [_caption(row, generator) for row in labels]
    return CaptionedPictures(draw(labels, generator), captions)


def _caption(labels: np.ndarray, generator: np.random.Generator) -> str:
    """One of the sentences that describe a picture with these labels; each optional part is sometimes left out."""
    said = {head: HEADS[head][label] for head, label in zip(HEADS, labels, strict=True)}
    striped, artist = said["pattern"] == "striped", said["style"]
    word = STRIPED[generator.integers(len(STRIPED))] if striped else ""
    if generator.random() < 0.04 and (striped or artist != "plain"):
        return word or artist
    shape = "shape" if generator.random() < 0.08 else said["shape"]
    colour = said["colour"] if generator.random() > 0.15 else ""
    place = said["place"] if generator.random() > 0.15 else ""
    if artist == "plain" and generator.random() < 0.12:
        artist = INVENTED[generator.integers(len(INVENTED))]  # a name nobody knows: no style
    elif artist == "plain":
        time = said["time"] if generator.random() > 0.15 else ""
        return " ".join(part for part in ("A", colour, word, shape, place, time) if part)
    scene = " ".join(part for part in ("A", colour, word, shape, place) if part)
    sentence = ARTIST_SENTENCES[generator.integers(len(ARTIST_SENTENCES))]
    return sentence.format(
        scene=scene if sentence.startswith("{scene}") else scene[0].lower() + scene[1:], artist=artist
    )
