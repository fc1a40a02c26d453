"""Prompts that somebody else has listed: which rows are taken, and what becomes of their seeds and guidance."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import pytest

from lethe.errors import LetheError
from lethe.listed import listed_prompts
from lethe.prompt_images import image_count, measured_sets, prompt_images
from lethe.prompts import add_concept, concept_of, cut_by_set, may_be_cut, prompt_rows, read_prompts, write_prompts
from lethe.settings.concept import Concept, load_concept
from lethe.settings.listed import ListedPrompts
from lethe.settings.options import as_options
from lethe.settings.text_sampling import TextSamplingSettings

NUDITY = load_concept(Path(__file__).resolve().parents[2] / "workflow/published/nudity.yaml")
# The columns of I2P, in its order.
COLUMNS = (
    *("prompt", "categories", "hard", "inappropriate_percentage", "nudity_percentage", "q16_percentage"),
    *("sd_safety_percentage", "prompt_toxicity", "lexica_url", "sd_seed", "sd_guidance_scale", "sd_image_width"),
    *("sd_image_height", "sd_model"),
)
ROWS = [  # prompt, nudity_percentage, sd_seed, sd_guidance_scale
    ("weird portrait, vivid colors ", "0.0", "4261553411", "13"),
    ("a bathing nymph, “by rubens” ", "30.0", "2986265388", "7"),
    ("the scream\nin two lines", "10.0", "150", "20"),
    ("a bathing nymph, “by rubens” ", "60.0", "7", "7.5"),
    ("plain", "0", "8", "7"),
]


@pytest.fixture
def path(tmp_path) -> Path:
    """A file in I2P's format."""
    with (tmp_path / "i2p.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for prompt, nudity, seed, guidance in ROWS:
            own = {"prompt": prompt, "nudity_percentage": nudity, "sd_seed": seed, "sd_guidance_scale": guidance}
            writer.writerow([own.get(name, "sexual, shocking") for name in COLUMNS])
    return tmp_path / "i2p.csv"


def settings(path: Path, **changes: object) -> ListedPrompts:
    return ListedPrompts(**{"given": str(path), "count": 3, "above": {"nudity_percentage": 0}} | changes)


def concept(path: Path, **changes: object) -> Concept:
    return NUDITY.model_copy(update={"train_pairs": 4, "test_pairs": 3, "listed": {"i2p": settings(path, **changes)}})


def test_rows_are_taken_in_order_with_repetitions(path):
    found = listed_prompts(settings(path))
    assert [prompt for prompt, _, _ in found] == [ROWS[place][0] for place in (1, 2, 3)]
    assert {(seed, guidance) for _, seed, guidance in found} == {(None, None)}
    assert len(listed_prompts(settings(path, above={}, count=5))) == 5
    chosen = listed_prompts(settings(path, own_seeds=True, own_guidance=True))
    assert [seed for _, seed, _ in chosen] == [2986265388, 150, 7]
    assert [guidance for _, _, guidance in chosen] == [7.0, 20.0, 7.5]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"count": 854}, r"it has 3 prompts with nudity_percentage above 0, but count = 854"),
        ({"column": "promt"}, r"no column 'promt'(.|\n)*did you mean 'prompt'"),
        ({"above": {"nudity": 0}}, r"no column 'nudity'(.|\n)*nudity_percentage"),
        ({"own_seeds": True, "seed_column": "evaluation_seed"}, "no column 'evaluation_seed'"),
        ({"above": {"categories": 0}}, "line 2: categories 'sexual, shocking' is not a number"),
        ({"own_seeds": True, "seed_column": "sd_guidance_scale"}, r"line 6: the seed 7.5 is no whole number"),
        ({"given": "nowhere/i2p.csv"}, "nowhere/i2p.csv: no such file"),
    ],
)
def test_what_is_not_there_is_named(path, change, problem):
    with pytest.raises(LetheError, match=problem):
        listed_prompts(settings(path, **change))


def test_they_stand_in_the_prompt_file_after_all_others(path, tmp_path):
    own = concept(path, own_seeds=True, own_guidance=True)
    rows, without = prompt_rows(own), prompt_rows(own.model_copy(update={"listed": {}}))
    assert rows[: len(without)] == without
    assert {row.set for row in rows[len(without) :]} == {"listed_i2p"}
    write_prompts(tmp_path / "prompts.csv", rows)
    assert read_prompts(tmp_path / "prompts.csv") == rows
    assert measured_sets(rows)[-1] == "listed_i2p"


def test_the_concept_of_a_command_has_them(path, tmp_path):
    """The workflow hands a concept over as options."""
    import shlex

    parser = argparse.ArgumentParser()
    add_concept(parser)
    own = concept(path, own_seeds=True)
    assert concept_of(parser.parse_args(shlex.split(as_options(own)))) == own


@pytest.mark.parametrize("copies", [1, 3])
def test_their_images_are_drawn_like_all_others_or_as_they_say(path, copies):
    sampling = TextSamplingSettings(train_prompts=2, images_per_prompt=copies, guidance=4.0)
    for own_seeds in (False, True):
        for own_guidance in (False, True):
            own = concept(path, own_seeds=own_seeds, own_guidance=own_guidance)
            rows = prompt_rows(own)
            plan = prompt_images(rows, "measure", sampling)
            assert image_count(own, "measure", sampling) == len(plan.seeds) == copies * (2 * 2 + 2 * 3 + 3)
            listed = np.array([rows[row].set == "listed_i2p" for row in plan.rows])
            assert listed.sum() == 3 * copies
            if own_seeds:
                expected = [seed + copy for seed in (2986265388, 150, 7) for copy in range(copies)]
                assert plan.seeds[listed].tolist() == expected
            else:
                assert len(set(plan.seeds.tolist())) == len(plan.seeds)
            if own_guidance:
                assert plan.guidance.dtype == np.float64
                assert plan.guidance[listed].tolist() == np.repeat([7.0, 20.0, 7.5], copies).tolist()
                assert set(plan.guidance[~listed]) == {4.0}
            else:
                assert plan.guidance is None
            without = prompt_images(prompt_rows(own.model_copy(update={"listed": {}})), "measure", sampling)
            assert without.rows.tolist() == plan.rows[~listed].tolist()


def test_methods_do_not_learn_from_them(path):
    own = concept(path)
    rows = prompt_rows(own)
    for purpose in ("diversified", "uniform"):
        plan = prompt_images(rows, purpose, TextSamplingSettings())
        assert not any(rows[row].set == "listed_i2p" for row in plan.rows)
        assert image_count(own, purpose, TextSamplingSettings()) == len(plan.seeds)


def test_only_a_listed_prompt_may_be_cut(path):
    rows = prompt_rows(concept(path))
    assert may_be_cut(rows) == {ROWS[1][0], ROWS[2][0]}
    both = [*rows, rows[0]._replace(prompt=ROWS[2][0])]  # a prompt of the grammar too
    assert may_be_cut(both) == {ROWS[1][0]}
    assert cut_by_set(rows, {ROWS[1][0]}) == {"listed_i2p": 2}
    assert cut_by_set(rows, set()) == {}


def test_a_repetition_is_still_refused_elsewhere(path, tmp_path):
    rows = prompt_rows(concept(path))
    twice = [row._replace(prompt=rows[0].prompt) if row.set == "forget_train" else row for row in rows]
    write_prompts(tmp_path / "prompts.csv", twice)
    with pytest.raises(LetheError, match="are the same prompt"):
        read_prompts(tmp_path / "prompts.csv")
