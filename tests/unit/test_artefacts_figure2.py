from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lethe.artefacts.__main__ import parser
from lethe.artefacts.figure2 import choose_step
from lethe.artefacts.plane import Gradients, in_plane
from lethe.artefacts.scene import fit, short_side
from lethe.errors import LetheError
from lethe.gradients import RESTRICTED, Gram

CONFLICTS = [(1.0, 1.0, -0.3), (3.94, 0.38, -0.292), (100.0, 2.0, -0.9), (1.0, 30.0, -0.5), (2.0, 1.0, -0.999)]
HEADER = "step,forget_loss,retain_loss,forget_norm,retain_norm,cosine,conflict\n"


@pytest.mark.parametrize(("forget", "retain", "cosine"), [*CONFLICTS, (2.0, 3.0, 0.4), (1.0, 2.0, -1.0)])
def test_coordinates_reproduce_the_gram_matrix(forget: float, retain: float, cosine: float) -> None:
    g_f, g_r = in_plane(forget, retain, cosine)
    gram = [g_f @ g_f, g_f @ g_r, g_r @ g_r]
    assert gram == pytest.approx([forget**2, forget * retain * cosine, retain**2], rel=1e-12)


@pytest.mark.parametrize(("forget", "retain", "cosine"), CONFLICTS)
def test_each_projection_is_at_right_angles_to_the_other_gradient(forget: float, retain: float, cosine: float) -> None:
    gradients = in_plane(forget, retain, cosine)
    projected = gradients.projected()
    assert projected.forget @ gradients.retain == pytest.approx(0, abs=1e-9 * forget * retain)
    assert projected.retain @ gradients.forget == pytest.approx(0, abs=1e-9 * forget * retain)
    # What is taken away lies along the other gradient, so the projection is the nearest point of the complement.
    for own, part, other in zip(gradients, projected, reversed(gradients), strict=True):
        removed = own - part
        assert removed[0] * other[1] - removed[1] * other[0] == pytest.approx(0, abs=1e-9 * forget * retain)


@pytest.mark.parametrize("retain_weight", [1.0, 5.0])
@pytest.mark.parametrize(("forget", "retain", "cosine"), [*CONFLICTS, (2.0, 3.0, 0.4)])
def test_the_arrow_is_the_step_that_training_takes(
    forget: float, retain: float, cosine: float, retain_weight: float
) -> None:
    gram = Gram(*(torch.tensor(x, dtype=torch.float64) for x in (forget**2, forget * retain * cosine, retain**2)))
    a, b = (float(number) for number in RESTRICTED.coefficients(gram, retain_weight))
    g_f, g_r = in_plane(forget, retain, cosine)
    drawn = in_plane(forget, retain_weight * retain, cosine).projected().sum
    assert drawn == pytest.approx(a * g_f + b * g_r, rel=1e-9)


@pytest.mark.parametrize(("forget", "retain", "cosine"), CONFLICTS)
def test_everything_is_in_the_picture(forget: float, retain: float, cosine: float) -> None:
    gradients = in_plane(forget, retain, cosine)
    view = fit(gradients)
    width, height = view.right - view.left, view.top - view.bottom
    for tip in (np.zeros(2), *gradients, gradients.sum, *gradients.projected(), gradients.projected().sum):
        across, up = (-tip - [view.left, view.bottom]) / [width, height]
        assert 0.1 < across < 0.9
        assert 0.05 < up < 0.9
    assert width == pytest.approx(2 * height)


@pytest.mark.parametrize(("lengths", "side"), [((50, 1), 1), ((1, 50), -1), ((3, 1), 0)])
def test_a_gradient_too_short_to_see_is_magnified_on_its_side(lengths: tuple[float, float], side: int) -> None:
    gradients = in_plane(*lengths, -0.5)
    assert short_side(gradients) == side
    view = fit(gradients)
    if side:
        # The short arrow's tip is on that side, and a third of the picture beyond it is free.
        short = -gradients[int(lengths[1] == 1)]
        assert np.sign(short[0]) == side
        edge = view.right if side > 0 else view.left
        tips = [-gradients.forget[0], -gradients.retain[0], -gradients.sum[0], -gradients.projected().sum[0]]
        assert min(abs(edge - tip) for tip in tips) > 0.31 * (view.right - view.left)


def trajectory(cosines: list[float | None]) -> pd.DataFrame:
    known = [cosine is not None for cosine in cosines]
    return pd.DataFrame(
        {
            "step": np.arange(len(cosines), dtype=float),
            "forget_norm": np.arange(len(cosines)) + 1.0,
            "retain_norm": 1.0,
            "cosine": pd.array(cosines, dtype="float64"),
            "conflict": [float(cosine < 0) if here else np.nan for cosine, here in zip(cosines, known, strict=True)],
        }
    )


@pytest.mark.parametrize(
    ("cosines", "number"),
    [
        ([0.9, -0.1, -0.5, -0.9, None], 2),
        # Steps without conflict do not move the median: with them it would be -0.2.
        ([0.5, 0.4, 0.3, -0.2, -0.6, -0.7], 4),
        # An even number: the median lies between two cosines, and the first of equally near ones is taken.
        ([-0.75, -0.25], 0),
        ([-1.0, -0.25, -0.5, -0.875], 2),
    ],
)
def test_the_step_nearest_to_the_median_conflict_is_chosen(cosines: list[float | None], number: int) -> None:
    step = choose_step(trajectory(cosines), "t.csv")
    conflicting = [cosine for cosine in cosines if cosine is not None and cosine < 0]
    assert (step.number, step.forget_norm, step.cosine) == (number, number + 1.0, cosines[number])
    assert step.median_cosine == pytest.approx(float(np.median(conflicting)))
    assert (step.conflicting, step.steps) == (len(conflicting), len(cosines))


def words(path: Path, *more: str) -> list[str]:
    outputs = ["--pdf", str(path.with_suffix(".pdf")), "--png", str(path.with_suffix(".png"))]
    return ["figure2", "--trajectory", str(path), "--title", "RGD, target 3", *outputs, *more]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEADER + "0,-1,1,1,2,0.5,0\n1,-1,1,1,2,,\n", "t.csv: in none of its 2 steps do the gradients conflict"),
        (HEADER, "t.csv: no step was made"),
        ("", "t.csv: not a trajectory"),
        ("step,forget_norm,retain_norm,cosine\n0,1,1,-0.5\n", "t.csv: a trajectory has the column 'conflict'"),
        (HEADER + "0,-1,1,one,2,-0.5,1\n", "t.csv: not a trajectory"),
        (None, "t.csv: no such file"),
    ],
)
def test_what_shows_no_conflict_is_refused_by_name(tmp_path: Path, text: str | None, complaint: str) -> None:
    if text is not None:
        (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    arguments = parser().parse_args(words(tmp_path / "t.csv"))
    with pytest.raises(LetheError, match=complaint):
        arguments.run(arguments)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".csv"}


@pytest.mark.parametrize("weight", ["0", "-1", "nan"])
def test_a_retain_weight_that_turns_the_gradient_is_refused(tmp_path: Path, weight: str) -> None:
    (tmp_path / "t.csv").write_text(HEADER + "0,-1,1,1,2,-0.5,1\n", encoding="utf-8")
    arguments = parser().parse_args(words(tmp_path / "t.csv", "--retain-weight", weight))
    with pytest.raises(LetheError, match="--retain-weight"):
        arguments.run(arguments)


def test_two_processes_write_the_same_bytes_without_torch(tmp_path: Path) -> None:
    """Another place, hash seed, user's style and time change nothing; torch is never loaded."""
    program = (
        "import sys; from lethe.artefacts.__main__ import parser; a = parser().parse_args(sys.argv[1:]); a.run(a); "
        "assert 'torch' not in sys.modules"
    )
    made = []
    for number, epoch in enumerate(("0", "1700000000")):
        place = tmp_path / str(number)
        place.mkdir()
        (place / "matplotlibrc").write_text(f"axes.titlesize: {9 + number}\naxes.titlepad: {3 + 9 * number}\n")
        (place / "t.csv").write_text(HEADER + "0,-1,1,40,2,-0.5,1\n", encoding="utf-8")
        environment = os.environ | {"PYTHONHASHSEED": str(number), "SOURCE_DATE_EPOCH": epoch}
        command = [sys.executable, "-c", program, *words(place / "t.csv")]
        subprocess.run(command, cwd=place, env=environment, check=True)
        made.append([(place / name).read_bytes() for name in ("t.pdf", "t.png")])
    assert made[0] == made[1]
    assert b"CreationDate" not in made[0][0]


def test_projection_without_conflict_changes_nothing() -> None:
    gradients = Gradients(np.array([1.0, 0.0]), np.array([1.0, 1.0]))
    assert gradients.projected() is gradients
