"""What an attribute judge sees in images: whether they show what their prompts say, and whether they show the concept.

The judge has heads (colour, place, ...), each with classes by the words of captions; -1 is its answer for none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lethe.errors import LetheError, nearest

ALL = "all"

Heads = Mapping[str, Sequence[str]]


def kept(attributes: np.ndarray, heads: Heads, expects: Sequence[Mapping[str, str]]) -> dict[str, np.ndarray]:
    """Whether each image shows what its prompt says, by dimension, and under ``all`` in every dimension: masks (N,).

    ``attributes`` (N, A) are predicted classes, one column a head in the order of ``heads``; ``expects`` what each
    image's prompt says (dimension: word). All prompts say something in the same dimensions; each must be a head of the
    judge, and each word one of its classes: LetheError names what is not.
    """
    dimensions = tuple(sorted(expects[0])) if expects else ()
    masks = {}
    for dimension in dimensions:
        if any(dimension not in said for said in expects) or any(len(said) != len(dimensions) for said in expects):
            raise LetheError(
                f"not every prompt of the set says something in the same dimensions ({', '.join(dimensions)})",
                "make the prompts again with python -m lethe.prompts",
            )
        words = [said[dimension] for said in expects]
        classes = {word: class_of(heads, dimension, word)[1] for word in sorted(set(words))}
        column = attributes[:, list(heads).index(dimension)]
        masks[dimension] = column == np.array([classes[word] for word in words])
    return masks | {ALL: np.logical_and.reduce(list(masks.values()))} if masks else {}


def recognised(attributes: np.ndarray, heads: Heads, attribute: str) -> np.ndarray:
    """Whether each image shows ``attribute``, written head=class: a mask (N,)."""
    head, sign, word = attribute.partition("=")
    if not (head and sign and word):
        raise LetheError(f"attribute '{attribute}': not head=class", "write for example style=Vincent van Gogh")
    column, number = class_of(heads, head, word)
    return attributes[:, column] == number


def class_of(heads: Heads, head: str, word: str) -> tuple[int, int]:
    """The column of a head and the number of a class of it; LetheError for either that the judge does not have."""
    if head not in heads:
        raise LetheError(f"the attribute judge has no head '{head}'", nearest(head, heads))
    if word not in heads[head]:
        raise LetheError(f"the attribute judge's head '{head}' has no class '{word}'", nearest(word, heads[head]))
    return list(heads).index(head), list(heads[head]).index(word)
