from __future__ import annotations

import csv
import dataclasses
import json
import math
import re
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from scipy.stats import ttest_1samp

from lethe.artefacts.__main__ import parser
from lethe.artefacts.typeset import decimals_of, mean_and_std, number
from lethe.errors import LetheError
from lethe.record import Record, write_records

PUBLISHED = Path(__file__).resolve().parents[2] / "workflow/published/paper_values.csv"
TITLES = {"base": "Base", "retrained": "Retrained", "graddiff": "GradDiff", "rg": "RG", "rgd": "RGD & co"}
METRICS = ("UA", "RA", "FD", "KD")
CENTRES = {
    "base": (0.03, 0.99, 0.7, -0.2),
    "retrained": (0.9, 0.98, 0.5, -0.3),
    "graddiff": (1.0, 0.9, 14.0, 0.4),
    "rg": (1.0, 0.92, 9.8, 0.3),
    "rgd": (1.0, 0.95, 6.5, 0.2),
}


def value(variant: str, metric: str, target: int, seed: int) -> float:
    centre = CENTRES[variant][METRICS.index(metric)]
    return centre if metric == "UA" else centre * (1 + 0.01 * math.sin(7 * target + 3 * seed + len(variant)))


def record(variant: str, metric: str, target: int, seed: int = 0, **changes: object) -> Record:
    distance = metric in ("FD", "KD")
    made = Record(
        preset="miniature",
        study="digits",
        target=str(target),
        variant=variant,
        method=variant,
        seed=seed,
        metric=metric,
        prompts="",
        value=value(variant, metric, target, seed),
        low=None,
        high=None,
        interval="",
        n=100 if metric == "UA" else 450,
        control=0.5 + target / 100 if distance else None,
        control_n=320 + target if distance else None,
        reference="",
        judge="digits classifier",
        judge_sha256="0123456789abcdef" * 4,
        features="the penultimate layer" if distance else "",
        sampler="EDM Heun, 18 steps",
        image_seeds="0-999",
        fingerprint="",
    )
    return dataclasses.replace(made, **changes)


def study() -> list[Record]:
    """Ten targets and two seeds of three methods; of the controls one seed, of ``retrained`` three targets."""
    return [
        record(variant, metric, target, seed)
        for variant in TITLES
        for target in range(3 if variant == "retrained" else 10)
        for seed in ((0,) if variant in ("base", "retrained") else (0, 1))
        for metric in METRICS
    ]


Run = Callable[..., dict[str, str]]


@pytest.fixture
def make(tmp_path: Path) -> Run:
    """Run a table command on records; the texts it wrote by suffix."""

    def run(command: str, *words: str, records: Iterable[Record]) -> dict[str, str]:
        write_records(tmp_path / "records.csv", records)
        outputs = {kind: tmp_path / f"table.{kind}" for kind in ("csv", "markdown", "tex")}
        options = [word for kind, path in outputs.items() for word in (f"--{kind}", str(path))]
        arguments = parser().parse_args([command, "--records", str(tmp_path / "records.csv"), *words, *options])
        arguments.run(arguments)
        return {kind: path.read_text(encoding="utf-8") for kind, path in outputs.items()}

    return run


@pytest.fixture
def table1(make: Run) -> Run:
    def run(records: Iterable[Record], variants: Iterable[str] = TITLES, study_name: str = "digits") -> dict[str, str]:
        named = [f"{variant}={TITLES[variant]}" for variant in variants]
        words = ("--variants", *named, "--published", str(PUBLISHED), "--study", study_name)
        return make("table1", *words, records=records)

    return run


def lines(text: str) -> dict[tuple[str, str], dict[str, str]]:
    return {(line["variant"], line["metric"]): line for line in csv.DictReader(text.splitlines())}


def markdown_row(text: str, title: str) -> list[str]:
    (row,) = (line for line in text.splitlines() if line.startswith((f"| {title} |", f"| *{title}* |")))
    return [cell.strip() for cell in row.strip("|").split("|")]


@pytest.mark.parametrize("variant", ["retrained", "rgd"])
@pytest.mark.parametrize("metric", ["RA", "KD"])
def test_csv_is_the_standard_librarys_summary(table1: Run, variant: str, metric: str) -> None:
    line = lines(table1(study())["csv"])[variant, metric]
    targets, seeds = (3, 1) if variant == "retrained" else (10, 2)
    cells = [value(variant, metric, target, seed) for target in range(targets) for seed in range(seeds)]
    assert float(line["mean"]) == pytest.approx(statistics.mean(cells), rel=1e-12)
    assert float(line["std"]) == pytest.approx(statistics.stdev(cells), rel=1e-9)
    assert (float(line["min"]), float(line["max"])) == (min(cells), max(cells))
    assert (line["n_targets"], line["n_seeds"], line["n_cells"]) == (str(targets), str(seeds), str(len(cells)))
    assert line["ddof"] == "1"
    assert line["role"] == ("control" if variant == "retrained" else "method")


def test_papers_values_stand_beside_the_same_method(table1: Run) -> None:
    made = table1(study())
    line = lines(made["csv"])["rgd", "FD"]
    assert (line["published_metric"], line["published_value"], line["published_std"]) == ("FID", "6.539", "0.994")
    assert lines(made["csv"])["graddiff", "RA"]["published_value"] == "0.734"
    assert lines(made["csv"])["rgd", "KD"]["published_value"] == ""
    assert lines(made["csv"])["base", "UA"]["published_value"] == ""
    assert markdown_row(made["markdown"], "GradDiff")[-3:] == ["1.000 ± 0.000", "0.734 ± 0.021", "14.09 ± 2.531"]


def test_real_images_are_summarised_over_targets(table1: Run) -> None:
    line = lines(table1(study())["csv"])["real", "FD"]
    controls = [0.5 + target / 100 for target in range(10)]
    assert float(line["mean"]) == pytest.approx(statistics.mean(controls))
    assert float(line["std"]) == pytest.approx(statistics.stdev(controls))
    assert (line["n_cells"], line["images_min"], line["images_max"]) == ("10", "320", "329")
    assert ("real", "UA") not in lines(table1(study())["csv"])


def test_bold_is_the_best_method_and_no_control(table1: Run) -> None:
    rows = {title: markdown_row(table1(study())["markdown"], title) for title in ("Base", "RG", "RGD & co", "GradDiff")}
    bold = {title: [cell.startswith("**") for cell in row[2:6]] for title, row in rows.items()}
    # All three have UA 1: they share it. Base is better in every distance, and a control.
    assert bold["RGD & co"] == [True] * 4
    assert bold["RG"] == bold["GradDiff"] == [True, False, False, False]
    assert bold["Base"] == [False] * 4


def test_fewer_targets_are_named_and_out_of_competition(table1: Run) -> None:
    records = [r for r in study() if r.variant != "rgd" or int(r.target) < 4]
    made = table1(records)
    assert markdown_row(made["markdown"], "RGD & co")[1] == "4 × 2"  # noqa: RUF001
    assert "RGD & co: 4 of 10 targets only (0, 1, 2, 3)" in made["markdown"]
    assert "Retrained: 3 of 10 targets only (0, 1, 2)" in made["markdown"]
    assert "**" not in "".join(markdown_row(made["markdown"], "RGD & co"))
    assert markdown_row(made["markdown"], "RG")[4].startswith("**")


def test_the_protocol_is_under_the_table(table1: Run) -> None:
    made = table1(study())
    for text in (made["markdown"], made["tex"]):
        for words in ("ddof 1", "UA 100", "RA 450", "EDM Heun, 18 steps", "0123456789ab", "the penultimate layer"):
            assert words in text
        assert "CIFAR-10 with Inception FID: not comparable with those of digits" in text
        assert "in the judge's features" in text
        assert "RGD paper: CIFAR-10, not comparable" in text
    heading = made["markdown"].splitlines()[2:5]
    assert ["FD" in line for line in heading] == [False, False, True]
    assert heading[2].count("FID") == 1


def test_one_cell_has_no_deviation(table1: Run) -> None:
    made = table1([r for r in study() if r.target == "3" and r.seed == 0 and r.variant != "retrained"], ["base", "rg"])
    assert markdown_row(made["markdown"], "RG")[3] == "**" + number(value("rg", "RA", 3, 0), 3) + "**"
    assert lines(made["csv"])["rg", "RA"]["std"] == ""


def test_other_metrics_variants_and_studies_are_left_out(table1: Run) -> None:
    released = [dataclasses.replace(r, metric=f"{r.metric}_as_released", value=99.0) for r in study()]
    alien = [dataclasses.replace(r, study="shapes", value=99.0) for r in study()]
    made = table1([*study(), *released, *alien], ["rg"])
    assert made == table1([r for r in study() if r.variant == "rg"], ["rg"])
    assert set(lines(made["csv"])) == {*(("rg", metric) for metric in METRICS), ("real", "FD"), ("real", "KD")}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda r: [x for x in r if x.variant != "rgd"], "no record of the variant 'rgd'(.|\n)*'rg'"),
        (lambda r: [*r, r[-1]], "two records of KD for rgd, target 9, seed 1"),
        (lambda r: r[:-1], "no record of KD for rgd, target 9, seed 1"),
        (lambda r: [*r[:-1], dataclasses.replace(r[-1], judge_sha256="f" * 64)], "KD was judged in 2 ways"),
        (lambda r: [*r[:-1], dataclasses.replace(r[-1], preset="lite")], "2 presets: lite, miniature"),
        (lambda r: [*r[:-1], dataclasses.replace(r[-1], control=9.0)], "target 9 has two controls of KD"),
        (lambda r: [*r[:-1], dataclasses.replace(r[-1], method="rg")], "several methods: rg, rgd"),
        (lambda r: [dataclasses.replace(x, study="digit") for x in r], "study 'digits'(.|\n)*did you mean 'digit'"),
    ],
)
def test_records_that_do_not_belong_together_are_refused(
    table1: Run, tmp_path: Path, spoil: Callable[[list[Record]], list[Record]], words: str
) -> None:
    with pytest.raises(LetheError, match=words):
        table1(spoil(study()))
    assert [path.name for path in tmp_path.iterdir()] == ["records.csv"]


@pytest.mark.parametrize("variants", [["rgd"], ["=RGD"], ["rgd="], ["rgd=A", "rgd=B"]])
def test_titles_are_checked(make: Run, variants: list[str]) -> None:
    words = ("--variants", *variants, "--published", str(PUBLISHED), "--study", "digits")
    with pytest.raises(LetheError, match="--variants"):
        make("table1", *words, records=study())


def columns_of(line: str) -> int:
    spans = [int(span) for span in re.findall(r"\\multicolumn\{(\d+)\}", line)]
    return len(re.findall(r"(?<!\\)&", line)) + 1 + sum(span - 1 for span in spans)


@pytest.mark.parametrize("command", ["table1", "paired"])
def test_latex_is_well_formed(make: Run, command: str) -> None:
    named = [f"{variant}={title}" for variant, title in TITLES.items()]
    words = {
        "table1": ("--variants", *named, "--published", str(PUBLISHED), "--study", "digits"),
        "paired": ("--pairs", "rgd:rg", "--titles", *named),
    }[command]
    text = make(command, *words, records=study())["tex"]
    bare = text.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert re.findall(r"\\begin\{(\S+?)\}", text) == re.findall(r"\\end\{(\S+?)\}", text)[::-1]
    (preamble,) = re.findall(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}", text)
    assert {columns_of(line) for line in text.splitlines() if line.endswith(r"\\")} == {len(preamble)}
    assert r"RGD \& co" in text
    assert text.isascii() or set(re.findall(r"[^\x00-\x7f]", text)) == {"é"}


@pytest.mark.parametrize(
    ("mean", "std", "shown"),
    [
        (0.98765, 0.0041, "0.988 ± 0.004"),
        (14.4, 3.242, "14.40 ± 3.24"),
        (417.66, 35.81, "417.7 ± 35.8"),
        (12345.6, 78.9, "12346 ± 79"),
        (-0.1931, 0.014, "\N{MINUS SIGN}0.193 ± 0.014"),
        (-0.0001, None, "0.000"),
    ],
)
def test_numbers_are_shown_as_the_paper_shows_them(mean: float, std: float | None, shown: str) -> None:
    assert mean_and_std(mean, std, decimals_of(mean)) == shown


def test_paired_is_scipys_over_target_means(make: Run, capsys: pytest.CaptureFixture[str]) -> None:
    made = make("paired", "--pairs", "rgd:rg", "graddiff:rg", "--confidence", "0.9", records=study())
    assert capsys.readouterr().out == made["markdown"]
    rows = list(csv.DictReader(made["csv"].splitlines()))
    assert [(row["first"], row["metric"]) for row in rows] == [
        *(("rgd", metric) for metric in METRICS),
        *(("graddiff", metric) for metric in METRICS),
    ]
    for row in rows:
        first, metric = row["first"], row["metric"]
        differences = [
            statistics.mean(value(first, metric, target, seed) - value("rg", metric, target, seed) for seed in (0, 1))
            for target in range(10)
        ]
        assert float(row["difference"]) == pytest.approx(statistics.mean(differences))
        assert (row["n"], row["unit"], row["n_seeds"]) == ("10", "target", "2")
        if metric == "UA":
            assert (row["wins"], row["ties"], row["losses"], row["p_value"]) == ("0", "10", "0", "1.0")
            continue
        interval = ttest_1samp(differences, 0).confidence_interval(0.9)
        assert (float(row["low"]), float(row["high"])) == pytest.approx((interval.low, interval.high))
        better = sum(difference > 0 if metric == "RA" else difference < 0 for difference in differences)
        assert (row["wins"], row["losses"]) == (str(better), str(10 - better))
    assert "| rgd \N{MINUS SIGN} rg | FD ↓ | \N{MINUS SIGN}3.3" in made["markdown"]


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["rgd:retrained"], "rgd:retrained, UA(.|\n)*only the first variant has"),
        (["rgd"], "--pairs rgd"),
        (["rgd:rgd"], "--pairs rgd:rgd"),
        (["rgd:rgf"], "variant 'rgf'(.|\n)*did you mean"),
    ],
)
def test_what_is_no_pair_is_refused(make: Run, pairs: list[str], words: str) -> None:
    with pytest.raises(LetheError, match=words):
        make("paired", "--pairs", *pairs, records=study())


@pytest.fixture
def at_equal_compute(make: Run, tmp_path: Path) -> Run:
    """Table 1 with two methods and RGD's twin; ``passes`` is what a step of a variant takes."""

    def run(passes: dict[str, float], steps: int) -> dict[str, str]:
        records = [record for record in study() if record.variant in ("base", "rg", "rgd")]
        twins = [
            dataclasses.replace(r, variant="rgd_equal", value=r.value - 0.1) for r in records if r.variant == "rgd"
        ]
        cells = []
        for name, of_step in {**passes, "rgd_equal": passes["rgd"]}.items():
            count = steps if name == "rgd_equal" else 10
            cost = {"steps": count, "batch": 8, "passes": of_step * count, "passes_per_step": of_step}
            (tmp_path / name).write_text(json.dumps(cost | {"forwards": 0, "forwards_per_step": 0}))
            cells += [(f"{name}/{target}/{seed}", str(tmp_path / name)) for target in range(10) for seed in (0, 1)]
        names, costs = zip(*cells, strict=True)
        words = ["--variants", "base=Base", "rg=RG", "rgd=RGD", "--published", str(PUBLISHED), "--study", "digits"]
        words += ["--equal-to", "rg", "--twins", "rgd=rgd_equal", "--cells", *names, "--costs", *costs]
        return make("table1", *words, records=[*records, *twins])

    return run


def test_rows_at_equal_compute_stand_below_with_their_compute(at_equal_compute: Run) -> None:
    made = at_equal_compute({"rg": 2.0, "rgd": 5.0}, 4)
    below = made["markdown"].split("**at equal compute**")[1]
    twin = [value("rgd", "RA", target, seed) - 0.1 for target in range(10) for seed in (0, 1)]
    assert markdown_row(made["markdown"], "RGD")[1:3] == ["10 × 2", "400"]  # noqa: RUF001
    assert markdown_row(below, "RGD, 4 steps")[1:3] == ["10 × 2", "160"]  # noqa: RUF001
    assert markdown_row(below, "RGD, 4 steps")[4] == f"{statistics.mean(twin):.3f} ± {statistics.stdev(twin):.3f}"
    assert markdown_row(below, "RG, 10 steps")[2] == "160", "equal by nature: its own values"
    assert markdown_row(below, "RG, 10 steps")[4].startswith("**"), "the best of its own block"
    assert "Base" not in below
    found = [line for line in csv.DictReader(made["csv"].splitlines()) if line["metric"] == "RA"]
    assert [(line["variant"], line["at"], line["compute"], line["steps_max"]) for line in found] == [
        ("base", "equal steps", "", ""),
        ("rg", "equal steps", "160.0", "10"),
        ("rgd", "equal steps", "400.0", "10"),
        ("rg", "at equal compute", "160.0", "10"),
        ("rgd_equal", "at equal compute", "160.0", "4"),
    ]
    assert [line["published_value"] for line in found] == ["", "0.752", "0.771", "", ""]


def test_a_twin_of_another_compute_is_no_row(at_equal_compute: Run) -> None:
    with pytest.raises(LetheError, match="give 'rgd_equal' steps: 4"):
        at_equal_compute({"rg": 2.0, "rgd": 5.0}, 6)
