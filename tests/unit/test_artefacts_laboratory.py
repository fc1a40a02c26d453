"""The gradient-rule laboratory: its numbers by hand, and what it refuses."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from scipy.stats import t as student
from test_artefacts_tradeoff import BASE

from lethe.artefacts.__main__ import parser
from lethe.config import load_config
from lethe.errors import LetheError
from lethe.plan import Plan
from lethe.preset_text import render
from lethe.record import Record, write_records

PRESET = Path(__file__).resolve().parents[2] / "workflow/presets/laboratory.yaml"
HEADER = "step,forget_loss,retain_loss,forget_norm,retain_norm,cosine,conflict\n"
STEPS = "0,-1,1,2,2,-0.5,1\n1,-1,1,2,2,0.25,0\n2,-1,1,0,2,,\n3,-1,1,2,2,-1,1\n"
COST = {
    **{"device": "cpu", "storage_bytes": 1, "seconds": 9.0, "training_seconds": 2.0, "steps": 4, "batch": 8},
    **{"passes": 8.0, "forwards": 0, "passes_per_step": 2.0, "forwards_per_step": 0, "peak_memory_bytes": 3e8},
}
OUTCOMES = {
    "class": [("", "UA", 1.0), ("", "RA", 0.9), ("", "FD", 2.0)],
    "text": [("forget_test", "detected", 0.1), ("retain_test", "AS", 0.8), ("forget_test", "kept:all", 0.5)],
}
Run = Callable[..., dict[str, str]]


def value(base: float, variant: str, target: str, seed: int) -> float:
    return base - 0.01 * len(variant) - 0.002 * len(target) * (1 + int(target == "8")) - 0.003 * seed


def records(kind: str, variant: str, target: str, seed: int) -> list[Record]:
    cell = dataclasses.replace(
        BASE, study=kind, variant=variant, method="two_losses", target=target, seed=seed, judge="the judge"
    )
    return [
        dataclasses.replace(cell, prompts=prompts, metric=metric, value=value(base, variant, target, seed))
        for prompts, metric, base in OUTCOMES[kind]
    ]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Make the laboratory of two rules; ``costs`` and ``steps`` change what each cell wrote."""

    def make(kinds: tuple[str, ...] = ("class", "text"), *words: str, steps: str = STEPS, **costs: object) -> dict:
        options = ["--rows", "sum=sum", "nash=Nash"]
        for kind in kinds:
            targets = ("3", "8") if kind == "class" else ("stripes",)
            cells = [(rule, target, seed) for rule in ("sum", "nash") for target in targets for seed in (0, 1)]
            write_records(tmp_path / f"{kind}.csv", [r for cell in cells for r in records(kind, *cell)])
            (tmp_path / "trajectory").write_text(HEADER + steps)
            (tmp_path / "cost").write_text(json.dumps(COST | costs))
            options += [f"--{'classes' if kind == 'class' else 'text'}", kind]
            options += [f"--{kind}-records", str(tmp_path / f"{kind}.csv")]
            options += [f"--{kind}-cells", *("/".join(map(str, cell)) for cell in cells)]
            options += [f"--{kind}-trajectories", *[str(tmp_path / "trajectory")] * len(cells)]
            options += [f"--{kind}-costs", *[str(tmp_path / "cost")] * len(cells)]
        options += ["--targets", "stripes=stripes"] if "text" in kinds else []
        outputs = {kind: tmp_path / f"out.{kind}" for kind in ("csv", "markdown", "tex", "pdf", "png")}
        options += [word for kind, path in outputs.items() for word in (f"--{kind}", str(path))]
        arguments = parser().parse_args(["laboratory", *options, *words])
        arguments.run(arguments)
        assert outputs["png"].read_bytes().startswith(b"\x89PNG")
        return {kind: outputs[kind].read_text(encoding="utf-8") for kind in ("csv", "markdown", "tex")}

    return make


def test_the_numbers_are_those_worked_out_by_hand(run: Run) -> None:
    made = run()
    found = {(x["study"], x["variant"], x["quantity"]): x for x in csv.DictReader(made["csv"].splitlines())}
    assert len(found) == 2 * 2 * 8
    of_classes = [statistics.mean(value(0.9, "nash", target, seed) for seed in (0, 1)) for target in ("3", "8")]
    half = student.ppf(0.975, 1) * statistics.stdev(of_classes) / math.sqrt(2)
    line = found["class", "nash", "RA"]
    assert [float(line[name]) for name in ("mean", "low", "high")] == pytest.approx(
        [statistics.mean(of_classes), statistics.mean(of_classes) - half, statistics.mean(of_classes) + half]
    )
    assert (line["unit"], line["n"], line["n_cells"], line["targets"], line["seeds"]) == (
        "target",
        "2",
        "4",
        "3 8",
        "0 1",
    )
    assert float(found["text", "sum", "seen"]["mean"]) == pytest.approx(value(0.1, "sum", "stripes", 0) - 0.0015)
    assert found["text", "sum", "AS"]["unit"] == "seed"
    for study in ("class", "text"):
        means = {name: float(found[study, "sum", name]["mean"]) for name in ("conflict", "cosine", "seconds_per_step")}
        assert means == pytest.approx({"conflict": 2 / 3, "cosine": -1.25 / 3, "seconds_per_step": 0.5}), "of 3 steps"
        assert float(found[study, "sum", "peak_memory_bytes"]["mean"]) == 3e8


def test_each_study_has_its_block_and_headings(run: Run) -> None:
    made = run()["markdown"]
    above, below = made.split("**text: rule**")
    assert "**class: rule** | **n** | **UA ↑** | **RA ↑** | **FD ↓** | **steps in conflict**" in above
    assert below.startswith(" | **n** | **still seen ↓** | **AS ↑** | **kept ↑** | **steps in conflict**")
    assert "| Nash | 2 × 2 |" in above  # noqa: RUF001
    assert "| Nash | 1 × 2 |" in below  # noqa: RUF001
    assert "0.667 | −0.417 | 2.000 | 0.500 | 300.0 |" in below, "without ± where no cell differs"  # noqa: RUF001


def test_one_kind_alone_is_enough(run: Run) -> None:
    assert "text" not in run(("class",))["markdown"]
    assert "**class" not in run(("text",))["markdown"]


@pytest.mark.parametrize(
    ("changes", "words", "problem"),
    [
        ({"training_seconds": 0}, [], "does not say 'training_seconds'"),
        ({"steps": "0,-1,1,2,2,,\n"}, [], "no step has two gradients"),
        ({}, ["--rows", "sum=sum", "nsh=Nash"], "no record of the variant 'nsh'"),
        ({}, ["--rows", "sum=sum"], "no title for the variant 'nash'"),
        ({}, ["--class-cells", "sum/3/0"], "--cells has 1 entries"),
        ({}, ["--targets", "stripe=x"], "no record of the target 'stripe'"),
    ],
)
def test_what_does_not_belong_together_is_refused(run: Run, changes: dict, words: list[str], problem: str) -> None:
    with pytest.raises(LetheError, match=problem):
        run(("class", "text"), *words, **changes)


def test_a_cell_that_was_not_measured_is_named(run: Run, tmp_path: Path) -> None:
    run()
    left = [r for cell in [("sum", "3", 0), ("nash", "3", 0)] for r in records("class", *cell)]
    write_records(tmp_path / "few.csv", left)
    with pytest.raises(LetheError, match="class: no UA of sum, target 3, seed 1"):
        run(("class", "text"), "--class-records", str(tmp_path / "few.csv"))


def preset(**laboratory: object) -> dict:
    values = yaml.safe_load(PRESET.read_text())
    values["artefacts"]["laboratory"].update(laboratory)
    return values


def test_the_preset_compares_the_same_rules_in_both_studies() -> None:
    plan = Plan(load_config(preset()))
    assert (plan.classes, plan.text) == (None, None)
    assert plan.artefacts()[:5] == [
        *(f"results/laboratory/tables/laboratory.{kind}" for kind in ("csv", "md", "tex")),
        *(f"results/laboratory/figures/laboratory.{kind}" for kind in ("pdf", "png")),
    ]
    files = plan.laboratory.files("cost.json")
    assert len(files) == len(set(files)) == 8 * 3 * 3 + 8 * 3
    words = plan.laboratory.options
    assert words.count("--class-costs") == words.count("--text-costs") == 1
    for study in plan.studies.values():
        rules = [study.study.method_settings(row).rule for row in plan.laboratory.shown.rows]
        assert rules == list(plan.laboratory.shown.rows)
        same = {
            study.study.method_settings(row).model_copy(update={"rule": None}) for row in plan.laboratory.shown.rows
        }
        assert len(same) == 1, "nothing but the rule varies"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": ["sum", "mdga"]}, r"laboratory\.rows: study digits has no variant 'mdga'; did you mean 'mgda'"),
        ({"rows": ["base"]}, r"laboratory\.rows: 'base' has no pair of gradients"),
        ({"classes": "shapes"}, r"laboratory\.classes: 'shapes' is a study of kind text, not class"),
        ({"classes": None, "text": None}, r"name a study of classes, one of text, or both"),
    ],
)
def test_a_fault_in_the_preset_is_named(changes: dict, message: str) -> None:
    with pytest.raises(LetheError, match=message):
        load_config(preset(**changes))


def test_a_preset_file_reads_back_as_it_was_written() -> None:
    """This preset has an empty dictionary, no section of either kind, and titles with commas."""
    config = load_config(preset())
    assert load_config(yaml.safe_load(render(config, "schema.json"))) == config
