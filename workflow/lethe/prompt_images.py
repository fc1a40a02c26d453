"""Which images are drawn of a target's prompts: rows of (seed, row of the prompt file). No torch: the workflow and the
measures use it too.

An image's seed is its prompt's row plus a multiple of the number of rows, so no two images of a target share one; the
images that methods learn from have seeds of their own, beyond those that are measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from lethe.prompts import PromptRow
from lethe.settings.concept import Concept
from lethe.settings.text_sampling import TextSamplingSettings

Purpose = Literal["measure", "diversified", "uniform"]
MEASURED = ("forget_test", "retain_test", "forget_train", "retain_train")
_LEARNED_FROM = 1_000_000


class PromptImages(NamedTuple):
    """Seeds (N,) and rows of the prompt file (N,), both int64."""

    seeds: np.ndarray
    rows: np.ndarray


def prompt_images(prompts: Sequence[PromptRow], purpose: Purpose, settings: TextSamplingSettings) -> PromptImages:
    """What is drawn to be measured (the four sets, train ones up to ``train_prompts``), or for the methods to learn
    from: one image of each training prompt, or of the two uniform prompts as many as there are training pairs."""
    count = len(prompts)
    places = {name: [place for place, row in enumerate(prompts) if row.set == name] for name in MEASURED}
    if purpose == "measure":
        for name in ("forget_train", "retain_train"):
            places[name] = places[name][: settings.train_prompts]
        rows = [place for name in MEASURED for place in places[name] for _ in range(settings.images_per_prompt)]
        copies = list(range(settings.images_per_prompt)) * sum(map(len, places.values()))
        return PromptImages(np.array(rows) + count * np.array(copies), np.array(rows))
    if purpose == "diversified":
        rows = np.array(places["forget_train"] + places["retain_train"])
        return PromptImages(_LEARNED_FROM + rows, rows)
    uniform = [place for place, row in enumerate(prompts) if row.set in ("forget_uniform", "retain_uniform")]
    pairs = len(places["forget_train"])
    rows = np.repeat(uniform, pairs)
    return PromptImages(2 * _LEARNED_FROM + np.arange(len(rows)), rows)


def image_count(concept: Concept, purpose: Purpose, settings: TextSamplingSettings) -> int:
    """How many images that will be, known before any prompt is drawn."""
    if purpose != "measure":
        return 2 * concept.train_pairs
    trained = min(settings.train_prompts or concept.train_pairs, concept.train_pairs)
    return 2 * (concept.test_pairs + trained) * settings.images_per_prompt
