"""Which images are drawn of a target's prompts: rows of (seed, row of the prompt file). No torch: the workflow and the
measures use it too.

An image's seed is its prompt's row plus a multiple of the number of rows, so no two images of a target share one; the
images that methods learn from have seeds of their own, beyond those that are measured. A listed prompt may bring its
own seed (a second image of it has the next one) and its own guidance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.prompts import LISTED, NEIGHBOUR, OUTSIDE, PromptRow
from lethe.settings.concept import Concept
from lethe.settings.text_sampling import TextSamplingSettings

Purpose = Literal["measure", "diversified", "uniform", "anchored"]
MEASURED = ("forget_test", "retain_test", "forget_train", "retain_train")
_LEARNED_FROM = 1_000_000


class PromptImages(NamedTuple):
    """Seeds (N,) and rows of the prompt file (N,), both int64; ``guidance`` (N,) float64, None where it is one for
    all."""

    seeds: np.ndarray
    rows: np.ndarray
    guidance: np.ndarray | None = None


def measured_sets(prompts: Sequence[PromptRow]) -> list[str]:
    """The prompt sets whose images are measured: four of every concept, then those that this one has besides."""
    more = dict.fromkeys(row.set for row in prompts if row.set in OUTSIDE or row.set.startswith((NEIGHBOUR, LISTED)))
    return [*MEASURED, *more]


def prompt_images(prompts: Sequence[PromptRow], purpose: Purpose, settings: TextSamplingSettings) -> PromptImages:
    """What is drawn to be measured (train sets up to ``train_prompts``), or for the methods to learn from: one image of
    each training prompt, of the two uniform prompts as many as there are training pairs, or one of each anchor prompt.
    """
    count = len(prompts)
    places: dict[str, list[int]] = {name: [] for name in (*measured_sets(prompts), "anchor_train")}
    for place, row in enumerate(prompts):
        if row.set in places:
            places[row.set].append(place)
    if purpose == "measure":
        del places["anchor_train"]
        for name in ("forget_train", "retain_train"):
            places[name] = places[name][: settings.train_prompts]
        rows = [place for own in places.values() for place in own for _ in range(settings.images_per_prompt)]
        copies = list(range(settings.images_per_prompt)) * sum(map(len, places.values()))
        seeds = [
            row + count * copy if (own := prompts[row].seed) is None else own + copy
            for row, copy in zip(rows, copies, strict=True)
        ]
        return PromptImages(np.array(seeds), np.array(rows), _guidance([prompts[row] for row in rows], settings))
    if purpose == "diversified":
        rows = np.array(places["forget_train"] + places["retain_train"])
        return PromptImages(_LEARNED_FROM + rows, rows)
    if purpose == "anchored":
        if not places["anchor_train"]:
            raise LetheError("there are no anchor prompts", "give the concept an anchor, and make its prompts again")
        rows = np.array(places["anchor_train"])
        return PromptImages(3 * _LEARNED_FROM + rows, rows)
    uniform = [place for place, row in enumerate(prompts) if row.set in ("forget_uniform", "retain_uniform")]
    pairs = len(places["forget_train"])
    rows = np.repeat(uniform, pairs)
    return PromptImages(2 * _LEARNED_FROM + np.arange(len(rows)), rows)


def _guidance(rows: Sequence[PromptRow], settings: TextSamplingSettings) -> np.ndarray | None:
    """That of each row's own, the settings' where it has none; None where no row has its own."""
    if all(row.guidance is None for row in rows):
        return None
    return np.array([settings.guidance if row.guidance is None else row.guidance for row in rows])


def image_count(concept: Concept, purpose: Purpose, settings: TextSamplingSettings) -> int:
    """How many images that will be, known before any prompt is drawn."""
    if purpose == "anchored":
        return concept.train_pairs
    if purpose != "measure":
        return 2 * concept.train_pairs
    trained = min(settings.train_prompts or concept.train_pairs, concept.train_pairs)
    tested = (2 + 2 * bool(concept.outside) + len(concept.neighbours)) * concept.test_pairs
    listed = sum(prompts.count for prompts in concept.listed.values())
    return (2 * trained + tested + listed) * settings.images_per_prompt
