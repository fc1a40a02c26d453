"""Every image set against the list one would write by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lethe.errors import LetheError
from lethe.image_plan import ImagePlan, all_classes, one_target, rows_of, shard_count, shard_of
from lethe.settings.sampling import SamplingSettings

SETTINGS = [(100, 50), (5, 5), (3, 8), (1, 1)]


def settings_of(forget: int, retain: int) -> SamplingSettings:
    return SamplingSettings(forget_images=forget, retain_images=retain)


def pairs(plan: ImagePlan) -> list[tuple[int, int]]:
    return list(zip(plan.seeds.tolist(), plan.conditions.tolist(), strict=True))


def test_a_small_set_is_the_one_written_by_hand():
    plan = one_target(1, 3, settings_of(forget=3, retain=2))
    # Class c of 3 takes the seeds c, c + 3, c + 6; rows stand in the order of seeds.
    assert pairs(plan) == [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 2), (7, 1)]
    assert pairs(all_classes(3, settings_of(2, 1))) == [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 2)]


@pytest.mark.parametrize(("forget", "retain"), SETTINGS)
@pytest.mark.parametrize("classes", [2, 10])
def test_counts_are_those_asked_for_and_no_seed_serves_twice(forget, retain, classes):
    for target in range(classes):
        plan = one_target(target, classes, settings_of(forget, retain))
        counts = np.bincount(plan.conditions, minlength=classes)
        assert counts.tolist() == [forget if label == target else retain for label in range(classes)]
        assert len(set(plan.seeds.tolist())) == len(plan.seeds)
        assert plan.conditions[:classes].tolist() == list(range(classes)), "a first shard shows every class"


@pytest.mark.parametrize(("forget", "retain"), SETTINGS)
def test_the_base_holds_the_images_of_every_target(forget, retain):
    base = all_classes(10, settings_of(forget, retain))
    assert len(set(base.seeds.tolist())) == len(base.seeds)
    for target in range(10):
        plan = one_target(target, 10, settings_of(forget, retain))
        rows = rows_of(plan, base.seeds, base.conditions)
        assert pairs(ImagePlan(base.seeds[rows], base.conditions[rows])) == pairs(plan)


def test_rows_are_found_in_any_order_and_missing_ones_are_named():
    plan = one_target(3, 10, settings_of(4, 2))
    order = np.random.default_rng(0).permutation(len(plan.seeds))
    shuffled = ImagePlan(plan.seeds[order], plan.conditions[order])
    assert (order[rows_of(plan, *shuffled)] == np.arange(len(order))).all()
    with pytest.raises(LetheError, match=r"\(0, 0\)"):
        rows_of(plan, plan.seeds[1:], plan.conditions[1:])


@pytest.mark.parametrize("shard_images", [1, 7, 22, 1000])
def test_shards_are_the_set_in_pieces(shard_images):
    plan = one_target(0, 10, settings_of(4, 2))
    count = shard_count(len(plan.seeds), shard_images)
    shards = [shard_of(plan, number, shard_images) for number in range(count)]
    assert [pair for shard in shards for pair in pairs(shard)] == pairs(plan)
    assert all(0 < len(shard.seeds) <= shard_images for shard in shards)


@pytest.mark.parametrize("number", [-1, 4])
def test_a_shard_that_is_not_there_is_refused(number):
    plan = one_target(0, 10, settings_of(4, 2))
    with pytest.raises(LetheError, match="choose 0 to 3"):
        shard_of(plan, number, shard_images=6)
