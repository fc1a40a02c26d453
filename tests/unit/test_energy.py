"""Energy by a counter; a GPU's own is not tested here."""

from __future__ import annotations

import json

import pytest
import torch

from lethe import energy
from lethe.artefacts.cost import as_table, csv_rows, rows_of
from lethe.artefacts.typeset import NOTHING, as_markdown
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


COST = {
    **{"seconds": 2.0, "peak_memory_bytes": 3e8, "steps": 4, "passes": 8.0, "forwards": 0.0, "storage_bytes": 5e6},
    **{"passes_per_step": 2.0, "forwards_per_step": 0.0, "device": "a GPU"},
}


def test_the_table_of_costs_shows_energy_where_there_is_one(tmp_path):
    for number, more in enumerate([{"energy_joules": 2000.0}, {}, {}]):
        (tmp_path / f"{number}.json").write_text(json.dumps(COST | more))
    paths = [tmp_path / f"{number}.json" for number in range(3)]
    titles = {"rgd": "RGD", "esd": "ESD"}
    rows = rows_of(["rgd/stripes/0", "rgd/stripes/1", "esd/stripes/0"], paths, titles)
    text = as_markdown(as_table("shapes", rows))
    heads, *lines = [row.split("|") for row in text.splitlines() if row.startswith(("| Method", "| RGD", "| ESD"))]
    place = [head.strip() for head in heads].index("energy, kJ")
    assert [row[place].strip() for row in lines] == ["2", NOTHING]
    assert "runs that were not interrupted" in text
    energies = [row for row in csv_rows("shapes", rows) if row["quantity"] == "energy_joules"]
    assert [(row["variant"], row["mean"], row["n_cells"]) for row in energies] == [("rgd", 2000.0, 1)]

    without = rows_of(["esd/stripes/0"], paths[2:], {"esd": "ESD"})
    assert "energy" not in as_markdown(as_table("shapes", without))
