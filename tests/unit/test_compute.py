"""Compute in examples, and how many steps make two runs equal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lethe.artefacts.__main__ import parser
from lethe.artefacts.equal_compute import equal_compute, read_compute
from lethe.errors import LetheError
from lethe.measures.compute import FORWARDS_OF_A_PASS, Compute, compute_of, examples


def cost(passes: float, forwards: float = 0.0, steps: int = 10, batch: int = 8, before: float = 0.0) -> dict:
    """Of a run with so many passes and forwards a step, after ``before`` passes for a mask."""
    return {
        "steps": steps,
        "batch": batch,
        "passes": passes * steps + before,
        "forwards": forwards * steps,
        "passes_per_step": passes,
        "forwards_per_step": forwards,
    }


def test_a_backward_pass_is_two_forwards() -> None:
    """As torch counts the multiplications of the layers that a network of ours is made of; the first layer, which
    hands no gradient on to the images, is too narrow to matter."""
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 64, 3, padding=1), torch.nn.SiLU(), *(torch.nn.Conv2d(64, 64, 3, padding=1) for _ in "four")
    )
    images = torch.zeros(2, 1, 8, 8)
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        network(images)
    with FlopCounterMode(display=False) as both:
        network(images).sum().backward()
    assert both.get_total_flops() / forward.get_total_flops() == pytest.approx(FORWARDS_OF_A_PASS, rel=0.01)


def test_examples_do_not_depend_on_how_they_are_cut_into_batches() -> None:
    assert examples(passes=6, forwards=3, batch=16) == examples(passes=12, forwards=6, batch=8) == 112


@pytest.mark.parametrize("wanted", [80.0, 333.0, 1000.0, 4096.0])
@pytest.mark.parametrize("run", [cost(2), cost(1, 11.1, batch=4), cost(2, 1, before=5)])
def test_the_fitting_number_of_steps_is_the_nearest(run: dict, wanted: float) -> None:
    own = compute_of(run)
    before = own.total - own.step * own.steps
    steps = own.fitting_steps(wanted)
    assert steps == min(range(1, 1000), key=lambda number: abs(before + number * own.step - wanted))
    twin = Compute(before + steps * own.step, own.step, steps)
    assert twin.is_near(wanted, 0.0)
    assert not Compute(twin.total + 2 * own.step, own.step, steps + 2).is_near(wanted, 0.0)


def computes(**variants: dict) -> dict:
    return {name: {("3", "0"): compute_of(run)} for name, run in variants.items()}


def test_each_row_has_its_twin_or_itself_or_nothing() -> None:
    measured = computes(
        rg=cost(2), graddiff=cost(2), rgd=cost(5), rgd_equal=cost(5, steps=4), salun=cost(2, 1, before=5)
    )
    found = equal_compute(measured, ["base", "salun", "graddiff", "rg", "rgd"], "rg", {"rgd": "rgd_equal"}, 0.0)
    assert found.variants == {"graddiff": "graddiff", "rg": "rg", "rgd": "rgd_equal"}
    assert found.without == ["salun"], "a control is neither"
    titles = {"graddiff": "GradDiff", "rg": "RG", "rgd": "RGD", "salun": "SalUn"}
    assert found.titles(titles)["rgd_equal"] == "RGD, 4 steps"
    assert found.shown("rgd").words == "400"
    notes = " ".join(found.notes(titles))
    assert "160 examples of RG" in notes
    assert "Without a run at this compute: SalUn." in notes


def test_a_twin_of_another_compute_is_refused_with_the_steps_that_fit() -> None:
    measured = computes(rg=cost(2), rgd=cost(5), rgd_equal=cost(5, steps=6))
    with pytest.raises(LetheError) as refused:
        equal_compute(measured, ["rg", "rgd"], "rg", {"rgd": "rgd_equal"}, 0.0)
    for words in ("'rgd_equal', the twin of 'rgd', took 240", "'rg' took 160", "target 3, seed 0", "steps: 4"):
        assert words in str(refused.value)
    assert equal_compute(measured, ["rgd"], "rg", {"rgd": "rgd_equal"}, 0.5).variants == {"rgd": "rgd_equal"}


def test_a_row_without_the_cells_it_is_compared_in_is_refused() -> None:
    measured = computes(rg=cost(2), rgd=cost(5))
    with pytest.raises(LetheError, match="no cost of the variant 'rgd_equal', the twin of 'rgd'"):
        equal_compute(measured, ["rgd"], "rg", {"rgd": "rgd_equal"}, 0.0)
    with pytest.raises(LetheError, match=r"no cost of the variant 'rgg'\n.*did you mean 'rg'"):
        equal_compute(measured, ["rgd"], "rgg", {}, 0.0)
    measured["rgd"][("5", "0")] = measured["rgd"][("3", "0")]
    with pytest.raises(LetheError, match="'rgd' has target 5, seed 0, but 'rg' has not"):
        equal_compute(measured, ["rgd"], "rg", {}, 0.0)


def test_the_command_tells_the_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, run in (("rg", cost(2)), ("rgd", cost(5)), ("destroyed", dict.fromkeys(cost(1), 0))):
        (tmp_path / name).write_text(json.dumps(run))
    arguments = parser().parse_args(["equal_steps", "--to", str(tmp_path / "rg"), "--of", str(tmp_path / "rgd")])
    arguments.run(arguments)
    assert (
        capsys.readouterr().out.splitlines()[1].endswith("400 examples in 10 steps, 40.0 a step; equal with steps: 4")
    )
    with pytest.raises(LetheError, match="does not say 'steps'"):
        read_compute(tmp_path / "destroyed")
