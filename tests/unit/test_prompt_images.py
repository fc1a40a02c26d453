"""Which images are drawn of a target's prompts, and with which seeds."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from lethe.errors import LetheError
from lethe.prompt_images import image_count, measured_sets, prompt_images
from lethe.prompts import PromptRow, prompt_rows
from lethe.settings.concept import Concept
from lethe.settings.text_sampling import TextSamplingSettings

pytest_plugins = ["text_models"]

PURPOSES = ("measure", "diversified", "uniform", "anchored")
SETTINGS = [
    TextSamplingSettings(train_prompts=trained, images_per_prompt=copies)
    for trained, copies in itertools.product((None, 1, 3, 1000), (1, 2, 3))
]


@pytest.fixture(scope="module")
def prompts(concept: Concept) -> list[PromptRow]:
    return prompt_rows(concept)


@pytest.mark.parametrize(
    "settings", SETTINGS, ids=lambda settings: f"{settings.train_prompts}x{settings.images_per_prompt}"
)
def test_measured_images_are_as_many_of_each_prompt_of_the_four_sets(prompts, settings):
    plan = prompt_images(prompts, "measure", settings)
    expected = Counter()
    for row, prompt in enumerate(prompts):
        trained = prompt.set in ("forget_train", "retain_train") and (settings.train_prompts or 1000) > prompt.number
        if prompt.set.endswith("_test") or trained:
            expected[row] = settings.images_per_prompt
    assert Counter(plan.rows.tolist()) == expected


@pytest.mark.parametrize(
    "settings", SETTINGS, ids=lambda settings: f"{settings.train_prompts}x{settings.images_per_prompt}"
)
def test_no_two_images_of_a_target_share_a_seed(prompts, settings):
    seeds = np.concatenate([prompt_images(prompts, purpose, settings).seeds for purpose in PURPOSES])
    assert len(set(seeds.tolist())) == len(seeds)


def test_more_images_of_a_prompt_keep_those_that_are_there(prompts):
    """So does a longer list of training prompts: an image's seed does not depend on how many others there are."""

    def drawn(trained: int, copies: int) -> set[tuple[int, int]]:
        plan = prompt_images(prompts, "measure", TextSamplingSettings(train_prompts=trained, images_per_prompt=copies))
        return set(zip(plan.seeds.tolist(), plan.rows.tolist(), strict=True))

    assert drawn(3, 1) < drawn(3, 2) < drawn(5, 2)


def test_methods_learn_from_one_image_of_each_training_prompt(prompts):
    plan = prompt_images(prompts, "diversified", TextSamplingSettings(train_prompts=1, images_per_prompt=3))
    learned = [row for row, prompt in enumerate(prompts) if prompt.set in ("forget_train", "retain_train")]
    assert sorted(plan.rows.tolist()) == learned


def test_uniform_sets_are_as_large_but_of_two_prompts(prompts, concept):
    plan = prompt_images(prompts, "uniform", TextSamplingSettings())
    counts = Counter(prompts[row].set for row in plan.rows)
    assert counts == {"forget_uniform": concept.train_pairs, "retain_uniform": concept.train_pairs}


def test_anchored_sets_are_one_image_of_each_anchor_prompt_with_seeds_of_their_own(prompts, concept):
    plan = prompt_images(prompts, "anchored", TextSamplingSettings(train_prompts=1, images_per_prompt=3))
    assert plan.rows.tolist() == [place for place, row in enumerate(prompts) if row.set == "anchor_train"]
    assert plan.seeds.tolist() == [3_000_000 + row for row in plan.rows]
    without = prompt_rows(concept.model_copy(update={"anchor": None}))
    with pytest.raises(LetheError, match="no anchor prompts"):
        prompt_images(without, "anchored", TextSamplingSettings())


def test_other_phrasings_and_neighbours_are_measured_too(concept):
    more = concept.model_copy(
        update={"outside": ("there is a {colour} {concept} {shape} {place}",), "neighbours": {"dots": "dotted"}}
    )
    prompts, settings = prompt_rows(more), TextSamplingSettings(train_prompts=3, images_per_prompt=2)
    plan = prompt_images(prompts, "measure", settings)
    counts = Counter(prompts[row].set for row in plan.rows)
    assert measured_sets(prompts)[4:] == ["forget_outside", "retain_outside", "neighbour_dots"]
    assert all(counts[name] == 2 * concept.test_pairs for name in measured_sets(prompts) if "train" not in name)
    assert image_count(more, "measure", settings) == len(plan.seeds) == len(set(plan.seeds.tolist()))


@pytest.mark.parametrize("purpose", PURPOSES)
@pytest.mark.parametrize(
    "settings", SETTINGS, ids=lambda settings: f"{settings.train_prompts}x{settings.images_per_prompt}"
)
def test_the_count_is_known_before_the_prompts_are(prompts, concept, purpose, settings):
    plan = prompt_images(prompts, purpose, settings)
    assert image_count(concept, purpose, settings) == len(plan.seeds) == len(plan.rows)
    assert plan.seeds.dtype == plan.rows.dtype == np.int64
