"""The prompt sets whose images a text study measures, and a record's columns of what is measured on one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lethe.errors import LetheError
from lethe.measure import rate_columns
from lethe.measures.bootstrap import Estimate, Resampled
from lethe.measures.rates import wilson
from lethe.prompt_images import PromptImages
from lethe.prompts import PromptRow
from lethe.randomness import derived_seed
from lethe.settings.measures import TextMeasureSettings

SETS = ("retain_train", "retain_test", "forget_train", "forget_test")


class PromptSet(NamedTuple):
    """K images of one prompt set: their places in the plan (K,), prompts (K,), seeds (K,), what their prompts expect,
    and resamples of the prompts."""

    name: str
    images: np.ndarray
    rows: np.ndarray
    seeds: np.ndarray
    expects: list[dict[str, str]]
    resampled: Resampled


def prompt_sets(plan: PromptImages, prompts: Sequence[PromptRow], settings: TextMeasureSettings) -> Iterator[PromptSet]:
    """The sets that have images, in the order of SETS and then of the plan; LetheError for one with too few prompts."""
    set_of = np.array([prompts[row].set for row in plan.rows])
    for name in dict.fromkeys((*SETS, *set_of.tolist())):
        images = np.flatnonzero(set_of == name)
        if not images.size:
            continue
        rows = plan.rows[images]
        count = len(np.unique(rows))
        if count < settings.minimum_prompts:
            raise LetheError(
                f"{name}: images of {count} prompts, fewer than minimum_prompts = {settings.minimum_prompts}",
                "draw more (sampling: train_prompts; concept: train_pairs, test_pairs), or lower minimum_prompts",
            )
        seed = derived_seed(settings.bootstrap_seed, "bootstrap", name)
        resampled = Resampled(rows, draws=settings.draws, seed=seed)
        yield PromptSet(name, images, rows, plan.seeds[images], [prompts[row].expects for row in rows], resampled)


def share_columns(mask: np.ndarray, chosen: PromptSet, confidence: float) -> dict[str, Any]:
    """The columns of a record that hold the share of a set's images that are in ``mask`` (K,)."""
    columns = rate_columns(wilson(int(np.count_nonzero(mask)), mask.size, confidence), confidence)
    if mask.size > chosen.resampled.count:
        columns["interval"] += ", images of one prompt taken as independent"
    return columns


def estimate_columns(estimate: Estimate, confidence: float) -> dict[str, Any]:
    """The columns of a record that hold a statistic with its interval over prompts."""
    has_interval = estimate.low is not None
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "interval": f"BCa bootstrap {100 * confidence:g} % over {estimate.clusters} prompts" if has_interval else "",
        "n": estimate.n,
        "control": None,
        "control_n": None,
        "reference": "",
    }
