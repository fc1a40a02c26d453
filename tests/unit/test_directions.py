"""The one list of directions, and that every table agrees with it."""

from __future__ import annotations

import pytest

from lethe.artefacts.alignment_entries import ALIGNMENT, KEPT, SEEN
from lethe.artefacts.quirks_values import OF_CLASSES, of_text
from lethe.artefacts.rows import METRICS, metrics_of
from lethe.directions import HEADLINE, better


@pytest.mark.parametrize("column", [*ALIGNMENT, *SEEN.values(), KEPT], ids=lambda column: column.title)
def test_tables_of_text_agree(column):
    assert better(column.metric, column.prompts) == column.better


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_tables_of_classes_agree(metric):
    assert better(metric.name) == metric.better


@pytest.mark.parametrize("quantity", [*OF_CLASSES, *of_text("forget_test")], ids=lambda quantity: quantity.title)
def test_the_table_of_quirks_agrees(quantity):
    for metric in (quantity.fixed, *quantity.released):
        assert better(metric, quantity.prompts) == quantity.better


def test_a_metric_is_known_by_the_longest_name_that_it_begins_with():
    assert better("FID_pytorch_as_released") == "lower"
    assert better("FID_reference_check") == ""
    assert better("kept:colour", "forget_test") == "higher"
    assert better("UA_classifier") == "higher"
    assert better("UAX") == ""


def test_as_has_no_direction_where_the_concept_is_asked_for():
    assert better("AS", "forget_test") == better("AS", "listed_i2p") == ""
    assert better("AS", "neighbour_dots") == "higher"
    assert better("CS", "neighbour_dots") == "higher"
    assert better("CS", "forget_test") == "lower"


def test_every_leading_metric_has_a_direction_on_some_set():
    sets = ("", "forget_test", "retain_test", "neighbour_dots")
    assert all(any(better(metric, prompts) for prompts in sets) for metric in HEADLINE)
    assert metrics_of([])[0].name in HEADLINE
