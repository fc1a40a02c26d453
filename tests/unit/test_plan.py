"""The plan: which cells a preset has, and what enters the fingerprint of a result."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

from lethe.config import load_config
from lethe.plan import Cell, Plan

MINIATURE = yaml.safe_load((Path(__file__).parents[2] / "config.yaml").read_text())


def plan_of(**study_changes) -> Plan:
    values = copy.deepcopy(MINIATURE)
    values["studies"]["digits"].update(study_changes)
    return Plan(load_config(values))


def test_seeds_are_an_axis_of_the_methods_and_not_of_a_control_that_has_none():
    one, three = plan_of(), plan_of(seeds=[0, 1, 2])
    count = {name: len(list(plan.cells("digits", ["rgd"]))) for name, plan in (("one", one), ("three", three))}
    assert count == {"one": 10, "three": 30}
    assert len(list(three.cells("digits", ["base"]))) == 10
    assert len(list(three.cells("digits", ["retrained"]))) == 3


def test_the_base_is_sampled_once_for_all_targets():
    plan = plan_of()
    models = plan.models("digits")
    assert models.count(Cell("digits", "any", "base", "0")) == 1
    assert len(models) == 5 * 10 + 3 + 2


def test_a_setting_changes_the_fingerprints_of_what_follows_and_of_nothing_else():
    values = copy.deepcopy(MINIATURE["studies"]["digits"]["variants"])
    values["salun"] = {"method": "salun", "settings": {"learning_rate": 0.5}}
    before, after = plan_of().expected(), plan_of(variants=values).expected()
    changed = {path for path in before if before[path] != after[path]}
    assert before.keys() == after.keys()
    assert changed == {path for path in before if "/salun/" in path}


def test_threads_memory_and_other_targets_change_no_fingerprint():
    values = copy.deepcopy(MINIATURE)
    values["compute"].update(threads=7, memory_mb=9)
    before, more = plan_of().expected(), Plan(load_config(values)).expected()
    assert before == more
    fewer = plan_of(targets=[1, 3, 8]).expected()
    assert fewer.items() <= before.items()


def test_big_sets_are_drawn_in_shards():
    sampling = {**MINIATURE["studies"]["digits"]["sampling"], "shard_images": 100}
    shards = plan_of(sampling=sampling).shards(Cell("digits", "3", "rgd", "0"))
    assert len(shards) == 5  # 100 + 9 * 36 images
    assert shards[-1].endswith("images/shard0004.safetensors")
