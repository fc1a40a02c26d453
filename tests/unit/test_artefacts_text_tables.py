"""Tables 2, 4 and 8 and the table of costs: whose number stands where, beside which of the paper's."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import json
import re
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import pytest

from lethe.artefacts import cost, table2, table4, table8
from lethe.artefacts.typeset import MINUS
from lethe.errors import LetheError
from lethe.record import Record, write_records

PUBLISHED = Path(__file__).resolve().parents[2] / "workflow/published/paper_values.csv"
METHODS = {"base": "base", "esd_x": "esd_x", "salun": "salun", "graddiff_d": "graddiff", "rgd": "rgd"}
TITLES = {"base": "Base", "esd_x": "ESD-x", "salun": "SalUn", "graddiff_d": "GradDiff_D", "rgd": "RGD"}
LOSS = {"base": 0.0, "esd_x": 0.02, "salun": 0.06, "graddiff_d": 0.013, "rgd": -0.004}
GONE = {"base": 0.95, "esd_x": 0.41, "salun": 0.02, "graddiff_d": 0.05, "rgd": 0.0}
KEPT = {"base": 0.9, "esd_x": 0.8, "salun": 0.3, "graddiff_d": 0.7, "rgd": 0.85}
TARGETS = ("stripes", "van_gogh")


def record(variant: str, target: str, prompts: str, metric: str, value: float, seed: int = 0) -> Record:
    judge = "detector" if metric == "detected" else "attributes" if metric in ("recognised", "kept:all") else "clip"
    return Record(
        preset="miniature",
        study="shapes",
        target=target,
        variant=variant,
        method=METHODS.get(variant, variant.partition("_")[0]),
        seed=seed,
        metric=metric,
        prompts=prompts,
        value=value,
        low=value - 0.01,
        high=value + 0.02,
        interval="BCa bootstrap 95 % over 60 prompts",
        n=60 if prompts.endswith("test") else 150,
        control=None,
        control_n=None,
        reference="",
        judge=judge,
        judge_sha256=judge[0] * 64,
        features={"detected": "score > 0.5, STRIPED_CIRCLE", "recognised": "style=Vincent van Gogh"}.get(metric, ""),
        sampler="PNDM, 20 steps, guidance 7.5",
        image_seeds="0-99",
        fingerprint="",
    )


def base_alignment(target: str, prompts: str) -> float:
    return 0.35 + 0.01 * (target == "stripes") - 0.02 * prompts.endswith("test")


def cell_records(variant: str, target: str, seed: int = 0) -> list[Record]:
    made = []
    for prompts in ("retain_train", "retain_test", "forget_test"):
        lost = LOSS.get(variant, 0.01) + 0.001 * seed + 0.002 * prompts.endswith("test")
        alignment = base_alignment(target, prompts)
        if variant == "base":
            made.append(record(variant, target, prompts, "AS", alignment))
        else:
            made.append(record(variant, target, prompts, "AS", alignment - lost, seed))
            made.append(record(variant, target, prompts, "AS_difference", -lost, seed))
        made.append(record(variant, target, prompts, "AS_as_released", 0.1, seed))
    seen = "detected" if target == "stripes" else "recognised"
    made.append(record(variant, target, "forget_test", seen, GONE.get(variant, 0.1), seed))
    made.append(record(variant, target, "forget_test", "kept:all", KEPT.get(variant, 0.5), seed))
    made.append(record(variant, target, "retain_test", "kept:all", 0.123, seed))
    return made


def study(seeds: Iterable[int] = (0,)) -> list[Record]:
    """Two targets; ESD-x for the artist alone; the base has one seed."""
    return [
        made
        for variant in TITLES
        for target in (TARGETS[1:] if variant == "esd_x" else TARGETS)
        for seed in ((0,) if variant == "base" else seeds)
        for made in cell_records(variant, target, seed)
    ]


Run = Callable[..., dict[str, str]]


@pytest.fixture
def make(tmp_path: Path) -> Run:
    """Run a table's command; the texts it wrote by suffix."""

    def run(module: ModuleType, *words: str) -> dict[str, str]:
        outputs = {kind: tmp_path / f"table.{kind}" for kind in ("csv", "markdown", "tex")}
        parser = argparse.ArgumentParser()
        module.add_arguments(parser)
        options = [word for kind, path in outputs.items() for word in (f"--{kind}", str(path))]
        module.main(parser.parse_args([*words, *options]))
        return {kind: path.read_text(encoding="utf-8") for kind, path in outputs.items()}

    return run


@pytest.fixture
def aligned(make: Run, tmp_path: Path) -> Run:
    """Run one of the three tables on records; a word given again takes the place of the usual one."""

    def run(module: ModuleType, records: Iterable[Record], *words: str) -> dict[str, str]:
        write_records(tmp_path / "records.csv", records)
        usual = ["--records", str(tmp_path / "records.csv"), "--study", "shapes", "--published", str(PUBLISHED)]
        usual += ["--variants", *(f"{name}={title}" for name, title in TITLES.items())]
        usual += ["--targets", "stripes=Stripes", "van_gogh=Vincent van Gogh", "--seen-by", "van_gogh=recognised"]
        usual += ["--published-as", "stripes=nudity", "van_gogh=artist"]
        return make(module, *usual, *words)

    return run


def lines(text: str) -> dict[tuple[str, str, str, str], dict[str, str]]:
    found = list(csv.DictReader(text.splitlines()))
    keyed = {(line["variant"], line["target"], line["prompts"], line["metric"]): line for line in found}
    assert len(keyed) == len(found)
    return keyed


def markdown_row(text: str, title: str) -> list[str]:
    title = title.replace("_", r"\_")
    (row,) = (line for line in text.splitlines() if line.startswith((f"| {title} |", f"| *{title}* |")))
    return [cell.strip().strip("*") for cell in row.strip("|").split("|")]


def test_each_number_stands_in_its_place_beside_the_papers(aligned: Run) -> None:
    made = aligned(table2, study())["markdown"]
    assert markdown_row(made, "RGD") == [
        *("RGD", "1"),
        *(f"0.364 ({MINUS}0.004)", f"0.342 ({MINUS}0.002)", "0.354 (0.003)", "0.350 (0.002)", "0.000", "0.850"),
        *(f"0.354 ({MINUS}0.004)", f"0.332 ({MINUS}0.002)", f"0.355 ({MINUS}0.006)", f"0.352 ({MINUS}0.004)"),
        *("0.000", "0.850"),
    ]
    assert markdown_row(made, "ESD-x")[2:8] == ["–"] * 6  # noqa: RUF001
    assert markdown_row(made, "ESD-x")[8:12] == ["0.330 (0.020)", "0.308 (0.022)", "0.333 (0.016)", "0.330 (0.018)"]
    assert markdown_row(made, "Base")[2:6] == ["0.360", "0.340", "0.357", "0.352"]
    names = made.splitlines()[4]
    assert names.count("D\\_r,test") == 4
    assert names.index("detected") < names.index("recognised")


def test_csv_has_full_precision_and_intervals(aligned: Run) -> None:
    found = lines(aligned(table2, study())["csv"])
    line = found["salun", "stripes", "retain_test", "AS"]
    assert float(line["mean"]) == pytest.approx(0.278, rel=1e-12)
    assert (float(line["low"]), float(line["high"])) == pytest.approx((0.268, 0.298))
    assert line["interval"] == "BCa bootstrap 95 % over 60 prompts"
    assert (float(line["loss"]), float(line["loss_low"]), float(line["loss_high"])) == pytest.approx(
        (0.062, 0.042, 0.072)
    )
    assert (line["published_value"], line["published_loss"], line["published_row"]) == ("0.312", "0.04", "salun")
    assert (line["published_task"], line["published_is_comparable"], line["n_seeds"]) == ("nudity", "False", "1")
    assert (line["std"], line["role"]) == ("", "method")
    base = found["base", "van_gogh", "retain_train", "AS"]
    assert (base["loss"], base["published_loss"], base["role"]) == ("", "", "control")
    assert found["rgd", "van_gogh", "forget_test", "recognised"]["published_value"] == ""
    assert ("rgd", "stripes", "forget_test", "recognised") not in found
    assert ("rgd", "stripes", "retain_test", "kept:all") not in found
    assert ("esd_x", "stripes", "retain_test", "AS") not in found


def test_several_seeds_have_a_deviation_and_no_interval(aligned: Run) -> None:
    made = aligned(table2, study(seeds=(0, 1, 5)))
    line = lines(made["csv"])["graddiff_d", "stripes", "retain_train", "AS"]
    values = [0.36 - 0.013 - 0.001 * seed for seed in (0, 1, 5)]
    assert float(line["mean"]) == pytest.approx(statistics.mean(values), rel=1e-12)
    assert float(line["std"]) == pytest.approx(statistics.stdev(values), rel=1e-9)
    assert float(line["loss"]) == pytest.approx(0.36 - statistics.mean(values))
    assert (line["low"], line["loss_low"], line["seeds"], line["n_seeds"]) == ("", "", "0 1 5", "3")
    row = markdown_row(made["markdown"], "GradDiff_D")
    assert row[1:3] == ["3", "0.345 ± 0.003 (0.015)"]
    assert markdown_row(made["markdown"], "Base")[1] == "1"


def test_bold_is_the_best_method_of_a_column_and_no_control(aligned: Run) -> None:
    text = aligned(table2, study())["markdown"]
    bold = {
        title: [index for index, cell in enumerate(line.strip("|").split("|")) if cell.strip().startswith("**")]
        for title in ("Base", "SalUn", "RGD")
        for line in text.splitlines()
        if re.match(rf"\| \*?{title}\*? \|", line)
    }
    assert bold == {"Base": [], "SalUn": [], "RGD": [2, 3, 6, 7, 8, 9, 12, 13]}


def test_targets_without_a_task_or_own_measures_have_no_such_columns(aligned: Run) -> None:
    bare = [r for r in study() if r.metric.startswith("AS")]
    made = aligned(table2, bare, "--published-as", "stripes=nudity")
    assert len(markdown_row(made["markdown"], "RGD")) == 2 + 4 + 2
    assert lines(made["csv"])["rgd", "van_gogh", "retain_test", "AS"]["published_value"] == ""


def test_it_says_when_the_study_is_not_the_papers(aligned: Run) -> None:
    words = "They are not comparable with those of shapes"
    made = aligned(table2, study())
    assert words in made["markdown"]
    assert "RGD paper, nudity: AS, not comparable" in made["tex"]
    made = aligned(table2, study(), "--comparable")
    assert "not comparable" not in made["markdown"]
    assert lines(made["csv"])["rgd", "stripes", "retain_test", "AS"]["published_is_comparable"] == "True"


def test_the_protocol_is_under_the_table(aligned: Run) -> None:
    made = aligned(table2, study())
    for words in (
        "PNDM, 20 steps",
        "cccccccccccc",
        "D_r,train 150",
        "STRIPED_CIRCLE",
        "style=Vincent van Gogh",
        "95 %",
    ):
        assert words.replace("_", r"\_") in made["markdown"]


def test_table4_sets_uniform_beside_diverse_sets(aligned: Run) -> None:
    records = [r for v in ("base", "rg_uniform", "rgd") for r in cell_records(v, "stripes")]
    rows = ("--variants", "base=Base", "rg_uniform=RG (uniform)", "rgd=RGD")
    made = aligned(table4, records, *rows, "--targets", "stripes=Stripes", "--seen-by", "stripes=detected",
                   "--published-as", "stripes=nudity")["markdown"]  # fmt: skip
    assert markdown_row(made, "RG (uniform)")[4:6] == ["0.330 (0.027)", "0.320 (0.032)"]
    assert markdown_row(made, "RGD")[4:6] == ["0.354 (0.003)", "0.351 (0.001)"]  # Table 2 has 0.350


def test_table8_has_the_sizes_of_both(aligned: Run) -> None:
    variants = {"base": "Base", "rgd_small": "RGD", "rgd": "RGD 2", "rgd_large": "RGD 3"}
    records = [r for variant in variants for r in cell_records(variant, "stripes")]
    words = ["--variants", *(f"{name}={title}" for name, title in variants.items()), "--targets", "stripes=Stripes"]
    words += ["--seen-by", "stripes=detected", "--published-as", "stripes=nudity"]
    words += ["--sizes", "rgd_small=75", "rgd=150", "rgd_large=225"]
    words += ["--published-rows", "rgd_small=rgd_400", "rgd=rgd_800", "rgd_large=rgd_1200"]
    made = aligned(table8, records, *words)
    assert markdown_row(made["markdown"], "RGD")[1:3] == ["1", "75"]
    assert markdown_row(made["markdown"], "RGD")[5:8] == ["400", "0.336 (0.021)", "0.339 (0.013)"]
    assert markdown_row(made["markdown"], "RGD 3")[5:8] == ["1200", "0.352 (0.005)", "0.346 (0.006)"]
    assert markdown_row(made["markdown"], "Base")[2] == markdown_row(made["markdown"], "Base")[5] == "–"  # noqa: RUF001
    line = lines(made["csv"])["rgd_small", "stripes", "retain_train", "AS"]
    assert (line["retain_size"], line["published_retain_size"], line["published_row"]) == ("75", "400", "rgd_400")


def test_metrics_and_studies_of_others_change_nothing(aligned: Run) -> None:
    other = [dataclasses.replace(r, study="digits", prompts="", metric="UA") for r in study()]
    more = [dataclasses.replace(r, metric="count:STRIPED_CIRCLE") for r in study() if r.metric == "AS"]
    assert aligned(table2, [*other, *more, *study()]) == aligned(table2, study())


@pytest.mark.parametrize(
    ("spoil", "words", "problem"),
    [
        (lambda r: [x for x in r if x.variant != "rgd"], [], "no record of the variant 'rgd'"),
        (lambda r: [x for x in r if x.target == "stripes"], [], "no record of the target 'van_gogh'"),
        (lambda r: [*r, r[0]], [], "two records of AS on retain_train for base, target stripes, seed 0"),
        (lambda r: [dataclasses.replace(r[0], method="rgd"), *r[1:]], [], "several methods: rgd, base"),
        (
            lambda r: [dataclasses.replace(r[0], judge_sha256="0" * 64), *r[1:]],
            [],
            "AS of stripes was judged in 2 ways",
        ),
        (lambda r: r, ["--published-as", "stripe=nudity"], "--published-as stripe(.|\n)*did you mean 'stripes'"),
        (lambda r: r, ["--published-as", "stripes=nude"], "table2 of the paper has no such task"),
        (lambda r: r, ["--published-rows", "rgf=rgd"], "--published-rows rgf(.|\n)*did you mean 'rgd'"),
        (lambda r: r, ["--published-rows", "rgd=rg"], "--published-rows rgd=rg: table2 of the paper has no such row"),
        (lambda r: r, ["--seen-by", "stripes=detect"], "--seen-by detect(.|\n)*did you mean 'detected'"),
        (lambda r: r, ["--seen-by", "stripe=detected"], "--seen-by stripe: not among the targets"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    aligned: Run, tmp_path: Path, spoil: Callable[[list[Record]], list[Record]], words: list[str], problem: str
) -> None:
    with pytest.raises(LetheError, match=problem):
        aligned(table2, spoil(study()), *words)
    assert [path.name for path in tmp_path.iterdir()] == ["records.csv"]


def test_sizes_are_numbers(aligned: Run) -> None:
    with pytest.raises(LetheError, match="--sizes rgd=many"):
        aligned(table8, study(), "--sizes", "rgd=many")


def test_rows_at_equal_compute_stand_below(aligned: Run, tmp_path: Path) -> None:
    twin = [made for target in TARGETS for made in cell_records("salun_equal", target)]
    cells = []
    for name, passes, steps in (("rgd", 2, 10), ("graddiff_d", 2, 10), ("salun", 4, 10), ("salun_equal", 4, 5)):
        cost = {"steps": steps, "batch": 8, "passes": passes * steps, "passes_per_step": passes}
        (tmp_path / name).write_text(json.dumps(cost | {"forwards": 0, "forwards_per_step": 0}))
        cells += [(f"{name}/{target}/0", str(tmp_path / name)) for target in TARGETS]
    names, costs = zip(*cells, strict=True)
    words = ["--equal-to", "rgd", "--twins", "salun=salun_equal", "--cells", *names, "--costs", *costs]
    made = aligned(table2, [*study(), *twin], *words)
    above, below = made["markdown"].split("**at equal compute**")
    assert markdown_row(above, "SalUn")[2] == "320"
    row = markdown_row(below, "SalUn, 5 steps")
    assert row[2] == "160"
    assert row[3] == "0.350 (0.010)", "the twin's own values"
    assert row[5] == "–", "the paper has no twins"  # noqa: RUF001
    assert markdown_row(below, "RGD, 10 steps")[3] == markdown_row(above, "RGD")[3]
    assert markdown_row(below, "RGD, 10 steps")[5] == "–"  # noqa: RUF001
    assert "ESD-x" not in below, "it has no cost: nothing was said of it"
    found = [line for line in csv.DictReader(made["csv"].splitlines()) if line["variant"] == "salun_equal"]
    assert {(line["at"], line["compute"]) for line in found} == {("at equal compute", "160.0")}
    assert {line["published_value"] for line in found} == {""}


# The table of costs

COST = {
    "seconds": 12.5,
    "device": "cpu",
    "peak_memory_bytes": 612_345_678,
    "storage_bytes": 4_200_000,
    "steps": 100,
    "passes": 200.0,
    "forwards": 0.0,
    "passes_per_step": 2.0,
    "forwards_per_step": 0.0,
}


@pytest.fixture
def costs(make: Run, tmp_path: Path) -> Run:
    def run(cells: dict[str, dict[str, object]], *words: str) -> dict[str, str]:
        paths = []
        for number, (_, changes) in enumerate(cells.items()):
            paths.append(tmp_path / f"cost{number}.json")
            paths[-1].write_text(json.dumps({k: v for k, v in (COST | changes).items() if v is not None}))
        given = ["--cells", *cells, "--costs", *map(str, paths), "--study", "shapes"]
        return make(cost, *given, "--variants", "salun=SalUn", "rgd=RGD", *words)

    return run


CELLS = {
    "rgd/stripes/0": {"seconds": 10.0},
    "salun/stripes/0": {"passes": 250.0, "forwards": 100.0, "forwards_per_step": 1.0},
    "rgd/stripes/1": {"seconds": 12.0, "peak_memory_bytes": 712_345_678},
    "rgd/van_gogh/0": {"seconds": 17.0},
}


def test_costs_are_summarised_over_a_variants_cells(costs: Run) -> None:
    made = costs(CELLS)
    found = {(line["variant"], line["quantity"]): line for line in csv.DictReader(made["csv"].splitlines())}
    line = found["rgd", "seconds"]
    assert (float(line["mean"]), float(line["max"])) == (13.0, 17.0)
    assert float(line["std"]) == pytest.approx(statistics.stdev([10, 12, 17]))
    assert (line["n_cells"], line["targets"], line["seeds"]) == ("3", "stripes van_gogh", "0 1")
    assert found["rgd", "storage_bytes"]["mean"] == "4200000.0"
    assert markdown_row(made["markdown"], "SalUn") == [
        "SalUn",
        "1",
        "12.50",
        "612.3",
        "100",
        "2",
        "1",
        "250",
        "100",
        "4.200",
    ]
    assert markdown_row(made["markdown"], "RGD")[:5] == ["RGD", "3", "13.00 ± 3.61", "645.7 ± 57.7", "100"]


def test_devices_are_named(costs: Run) -> None:
    assert "Device: cpu." in costs(CELLS)["markdown"]
    mixed = costs(CELLS | {"rgd/stripes/0": {"device": "NVIDIA H200"}})["markdown"]
    assert "Devices: NVIDIA H200; cpu. Seconds and memory of different devices do not compare." in mixed


@pytest.mark.parametrize(
    ("cells", "words", "problem"),
    [
        ({"rgd/stripes/0": {"forwards": None}, "salun/stripes/0": {}}, [], "does not say 'forwards'"),
        ({"rgd/stripes/0": {}}, [], "no cost of the variant 'salun'"),
        (CELLS | {"rg/stripes/0": {}}, [], "no title for the variant 'rg'"),
        ({"rgd/stripes": {}, "salun/stripes/0": {}}, [], "rgd/stripes: not a cell"),
        (CELLS, ["--costs", "x"], "has 4 entries, --costs has 1"),
        (CELLS, ["--cells", *(["rgd/stripes/0"] * 4)], "rgd/stripes/0 is there twice"),
    ],
)
def test_costs_that_do_not_belong_together_are_refused(
    costs: Run, cells: dict[str, dict[str, object]], words: list[str], problem: str
) -> None:
    with pytest.raises(LetheError, match=problem):
        costs(cells, *words)


def columns_of(line: str) -> int:
    spans = [int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", line)]
    return len(re.findall(r"(?<!\\)&", line)) + 1 + sum(span - 1 for span in spans)


@pytest.mark.parametrize("name", ["table2", "table8", "cost"])
def test_latex_is_well_formed(aligned: Run, costs: Run, name: str) -> None:
    modules = {"table2": (table2, []), "table8": (table8, ["--published-as", "stripes=nudity"])}
    made = costs(CELLS) if name == "cost" else aligned(modules[name][0], study(), *modules[name][1])
    bare = made["tex"].replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert re.findall(r"\\begin\{(\S+?)\}", made["tex"]) == re.findall(r"\\end\{(\S+?)\}", made["tex"])[::-1]
    (preamble,) = re.findall(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}", made["tex"])
    assert {columns_of(line) for line in made["tex"].splitlines() if line.endswith(r"\\")} == {len(preamble)}
    assert (r"\resizebox{\linewidth}{!}{%" in made["tex"]) == (len(preamble) > 10)
    assert made["tex"].isascii()


def test_a_target_that_only_its_name_can_find_has_that_column(aligned: Run) -> None:
    """No attribute judge: no empty columns; the error rate is better when it is higher."""
    made = []
    for one in study():
        if one.metric == "kept:all":
            continue
        if one.metric == "recognised":
            one = dataclasses.replace(one, metric="CER", value=1 - one.value, judge="clip", judge_sha256="c" * 64)
        made.append(one)
    text = aligned(table2, made, "--seen-by", "van_gogh=CER")["markdown"]
    (names,) = (line for line in text.splitlines() if line.startswith("| **Method**"))
    cells = [cell.strip().strip("*") for cell in names.strip("|").split("|")]
    assert (cells[6], cells[-1]) == ("detected ↓", "CER ↑")
    assert "kept ↑" not in text
    assert "No judge sees the concept in images" in text
    assert markdown_row(text, "RGD")[-1] == "1.000"
    assert "**1.000**" in next(line for line in text.splitlines() if line.startswith("| RGD |"))
    without = [one for one in made if one.metric != "CER"]
    text = aligned(table2, without, "--seen-by", "van_gogh=CER")["markdown"]
    assert "CER" not in text
