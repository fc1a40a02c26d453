from __future__ import annotations

import csv
from pathlib import Path

import pytest

from lethe.artefacts.__main__ import parser
from lethe.artefacts.style import colours_of
from lethe.errors import LetheError

HEADER = "step,forget_loss,retain_loss,forget_norm,retain_norm,cosine,conflict\n"
# (forget_loss, cosine) by step; a blank cosine where a gradient vanished.
CELLS = {
    "rgd/3/0": [(-1.0, -0.5), (-2.0, 0.5), (-3.0, -0.5), (-4.0, None)],
    "rgd/3/1": [(-3.0, -0.1), (-4.0, -0.1), (-5.0, -0.1), (-6.0, -0.1)],
    "rgd/7/0": [(-8.0, 0.2), (-8.0, -0.2), (-8.0, None), (-8.0, 0.2)],
    "rg/3/0": [(-1.5, -0.5), (-1.5, -0.5), (-1.5, -0.5), (-1.5, -0.5)],
}


def write(path: Path, steps: list[tuple[float, float | None]]) -> Path:
    rows = [
        f"{step},{loss},1,2,3,{'' if cosine is None else cosine},{'' if cosine is None else int(cosine < 0)}\n"
        for step, (loss, cosine) in enumerate(steps)
    ]
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def run(place: Path, cells: dict[str, Path], titles: tuple[str, ...] = ("rgd=RGD", "rg=RG"), stem: str = "t") -> None:
    outputs = [word for kind in ("pdf", "png", "csv") for word in (f"--{kind}", str(place / f"{stem}.{kind}"))]
    files = [str(path) for path in cells.values()]
    words = ["trajectory", "--cells", *cells, "--trajectories", *files, "--titles", *titles, *outputs]
    arguments = parser().parse_args(words)
    arguments.run(arguments)


@pytest.fixture
def cells(tmp_path: Path) -> dict[str, Path]:
    return {name: write(tmp_path / f"{name.replace('/', '_')}.csv", steps) for name, steps in CELLS.items()}


def test_drawn_numbers_are_those_worked_out_by_hand(tmp_path: Path, cells: dict[str, Path]) -> None:
    run(tmp_path, cells)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
        rows = {(row["variant"], row["quantity"], int(row["step"])): row for row in csv.DictReader(stream)}

    def numbers(quantity: str, step: int, variant: str = "rgd") -> tuple[float, ...]:
        row = rows[variant, quantity, step]
        return tuple(float(row[name]) for name in ("mean", "min", "max", "n_targets", "n_seeds"))

    # Target 3 has two seeds, -1 and -3, that count as one target beside target 7 with -8.
    assert numbers("forget_loss", 0) == (-5.0, -8.0, -2.0, 2, 2)
    assert numbers("forget_loss", 3) == (-6.5, -8.0, -5.0, 2, 2)
    assert numbers("retain_norm", 2) == (3.0, 3.0, 3.0, 2, 2)
    assert numbers("cosine", 2) == pytest.approx((-0.3, -0.3, -0.3, 1, 2))  # target 7 has none there
    # Running shares at step 1: 1/2 and 1 of target 3's seeds, 1/2 of target 7.
    assert numbers("conflict_share", 1) == (0.625, 0.5, 0.75, 2, 2)
    # At step 3: blank and 1 for target 3; 1 of the 3 steps that have a cosine for target 7.
    assert numbers("conflict_share", 3) == pytest.approx((2 / 3, 1 / 3, 1.0, 2, 1))
    assert numbers("conflict_share", 3, "rg") == (1.0, 1.0, 1.0, 1, 1)
    assert rows["rg", "cosine", 0]["title"] == "RG"


def test_the_same_trajectories_give_the_same_bytes(tmp_path: Path, cells: dict[str, Path]) -> None:
    run(tmp_path, cells)
    run(tmp_path, cells, stem="again")
    for kind in ("pdf", "png", "csv"):
        assert (tmp_path / f"t.{kind}").read_bytes() == (tmp_path / f"again.{kind}").read_bytes()


def test_cells_and_files_must_fit(tmp_path: Path, cells: dict[str, Path]) -> None:
    with pytest.raises(LetheError, match=r"--cells rgd-3-0(.|\n)*variant/target/seed"):
        run(tmp_path, {"rgd-3-0": cells["rgd/3/0"]})
    with pytest.raises(LetheError, match=r"no title for the variant 'rg'(.|\n)*did you mean 'rgd'"):
        run(tmp_path, cells, titles=("rgd=RGD",))
    short = write(tmp_path / "short.csv", CELLS["rgd/3/0"][:2])
    with pytest.raises(LetheError, match=r"short.csv has 2 steps, \S*rgd_3_0.csv of the same variant 4"):
        run(tmp_path, {**cells, "rgd/8/0": short})
    outputs = ["--titles", "rgd=RGD", "--pdf", "p", "--png", "p", "--csv", "p"]
    for names, files, words in (
        (["rgd/3/0", "rgd/4/0"], ["a.csv"], "--cells has 2 entries, --trajectories has 1"),
        (["rgd/3/0"] * 2, [str(cells["rgd/3/0"])] * 2, "rgd/3/0 is there twice"),
    ):
        arguments = parser().parse_args(["trajectory", "--cells", *names, "--trajectories", *files, *outputs])
        with pytest.raises(LetheError, match=words):
            arguments.run(arguments)
    assert not (tmp_path / "t.png").exists()


def test_trajectory_of_nothing_but_blanks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blank.csv"
    path.write_text(HEADER + "0,,,,,,\n1,,,,,,\n", encoding="utf-8")
    with pytest.raises(LetheError, match="trajectories of rgd hold no loss"):
        run(tmp_path, {"rgd/3/0": path})


def test_a_method_keeps_its_colour_in_every_company() -> None:
    alone, among = colours_of(["rgd"]), colours_of(["my_rgd", "salun", "rg", "rgd", "other"])
    assert alone["rgd"] == among["rgd"]
    assert len(set(among.values())) == 5
