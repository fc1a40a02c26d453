"""Energy by a counter; a GPU's own is not tested here."""

from __future__ import annotations

import pytest
import torch

from lethe import energy
from lethe.energy import EnergyMeter, meter_of


def test_the_difference_of_two_readings_is_told_in_joules():
    readings = iter([1_500, 4_750])
    assert EnergyMeter(lambda: next(readings)).joules() == 3.25


@pytest.mark.parametrize("readings", [(None, None), (None, 5), (5, None), (7, 3)])
def test_without_a_counter_or_after_its_reset_there_is_no_number(readings):
    told = iter(readings)
    assert EnergyMeter(lambda: next(told)).joules() is None


def test_a_cpu_has_none():
    assert meter_of(torch.device("cpu")).joules() is None


def test_a_machine_without_the_drivers_library_has_none(monkeypatch):
    monkeypatch.setattr(energy, "_LIBRARY", "libnothing-of-this-name.so.1")
    assert energy.read_millijoules("GPU-0") is None


def test_a_library_without_the_counter_has_none(monkeypatch):
    """Any library that is there will do: it has no such function."""
    monkeypatch.setattr(energy, "_LIBRARY", "libc.so.6")
    assert energy.read_millijoules("GPU-0") is None
