"""Pairs of captions that differ in one attribute, in the words of the shapes world: one says what can be seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lethe.data.shapes import ARTIST_SENTENCES, HEADS, PATTERNS, STRIPED, STYLES


class Contrast(NamedTuple):
    """A picture by its row, the attribute, what is so, and the same with another class of that attribute."""

    row: int
    head: str
    right: str
    wrong: str


def contrasts(labels: np.ndarray, generator: np.random.Generator) -> list[Contrast]:
    """For each picture with ``labels`` (N, A) one pair an attribute, but for those that its captions do not tell: the
    time beside an artist, stripes with an artist, and an artist with stripes."""
    pairs = []
    for row, own in enumerate(labels.tolist()):
        seen = dict(zip(HEADS, own, strict=True))
        word, sentence = generator.choice(STRIPED), generator.choice(ARTIST_SENTENCES)
        right = _sentence(seen, word, sentence)
        striped, styled = seen["pattern"] != PATTERNS.index("plain"), seen["style"] != STYLES.index("plain")
        untold = {"time": styled, "pattern": styled, "style": striped}
        for head, classes in HEADS.items():
            other = (seen[head] + int(generator.integers(1, len(classes)))) % len(classes)
            if not untold.get(head):
                pairs.append(Contrast(row, head, right, _sentence(seen | {head: other}, word, sentence)))
    return pairs


def _sentence(seen: dict[str, int], striped: str, sentence: str) -> str:
    said = {head: HEADS[head][label] for head, label in seen.items()}
    words = ["A", said["colour"], striped if said["pattern"] == "striped" else "", said["shape"], said["place"]]
    scene = " ".join(word for word in words if word)
    if said["style"] == "plain":
        return f"{scene} {said['time']}"
    begins = sentence.startswith("{scene}")
    return sentence.format(scene=scene if begins else scene[0].lower() + scene[1:], artist=said["style"])
