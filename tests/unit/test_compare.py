"""Two runs compared: what is called a regression, what is refused, and how often an alarm is false."""

from __future__ import annotations

import csv
import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from lethe.compare import __main__ as command
from lethe.compare.protocol import drawing, incomparable
from lethe.compare.reading import Run, key_of, opened
from lethe.compare.verdicts import Comparison, Options, compare
from lethe.compare.weights import have_same_weights
from lethe.errors import LetheError
from lethe.files import sha256_of, write_arrays
from lethe.measures.rates import wilson
from lethe.prompts import SETS, PromptRow, write_prompts
from lethe.record import Record, write_records

NOTHING = dict.fromkeys((field.name for field in dataclasses.fields(Record)), "")
RUNS = 100
PROTOCOL = {"judge": "classifier", "judge_sha256": "a" * 64, "sampler": "EDM Heun, 18 steps, kernel batch 8, cpu"}


def record(metric: str = "RA", value: float = 0.9, n: int = 300, **changes: object) -> Record:
    """A rate, unless ``changes`` say otherwise."""
    own = {"preset": "small", "study": "digits", "target": "3", "variant": "rgd", "method": "rgd", "seed": 0}
    is_rate = "interval" not in changes
    if is_rate:
        rate = wilson(round(value * n), n)
        changes |= {"low": rate.low, "high": rate.high, "interval": "Wilson 95 %"}
    numbers = {"metric": metric, "value": rate.value if is_rate else value, "n": n, "control": None, "control_n": None}
    return Record(**(NOTHING | own | PROTOCOL | numbers | changes))


def distance(value: float, **changes: object) -> Record:
    return record("FD", value, **{"low": None, "high": None, "interval": "", **changes})


def run_of(*records: Record, name: str = "run") -> Run:
    return Run(name, {key_of(one): one for one in records})


def compared(a: list[Record], b: list[Record], **options: object) -> Comparison:
    return compare(run_of(*a), run_of(*b), Options(**options))


def verdicts(a: list[Record], b: list[Record], **options: object) -> list[str]:
    return [entry.verdict for entry in compared(a, b, **options).entries]


def written(folder: Path, *records: Record, seed: int = 0) -> Path:
    """A run's folder with a record file for each target."""
    for target in dict.fromkeys(one.target for one in records):
        path = folder / f"digits/{target}/rgd/seed{seed}/records.csv"
        write_records(path, [one for one in records if one.target == target])
    return folder


def status(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        command.main(command.parser().parse_args(list(map(str, words))))
    return ended.value.code


def test_a_run_is_identical_with_itself(tmp_path, capsys):
    folder = written(tmp_path / "one", record(), record("UA", 1.0), distance(1.2))
    assert status(folder, folder) == 0
    said = capsys.readouterr().out
    assert "the same, byte for byte" in said
    assert "3 identical\n" in said


def test_what_became_worse_is_named_and_ends_with_status_1(tmp_path, capsys):
    targets = list(map(str, range(10)))
    good = written(tmp_path / "one", *(record(target=target) for target in targets))
    bad = written(tmp_path / "two", *(record(target=t, value=0.6 if t == "7" else 0.9) for t in targets))
    assert status(good, bad, "--output", tmp_path / "out") == 1
    said = capsys.readouterr().out
    assert "1 worse, 9 identical" in said
    assert "digits, 7, rgd, seed 0: RA 0.900 to 0.600, difference -0.300" in said
    with (tmp_path / "out.csv").open() as stream:
        rows = {row["target"]: row for row in csv.DictReader(stream)}
    assert rows["7"]["verdict"] == "worse"
    assert float(rows["7"]["corrected_p"]) < 1e-9
    assert "| **worse** |" in (tmp_path / "out.md").read_text()
    assert r"\textbf{worse}" in (tmp_path / "out.tex").read_text()
    assert status(bad, good) == 0
    assert "1 better" in capsys.readouterr().out


def test_each_metric_has_its_direction_and_a_control_none():
    text = {"study": "shapes", "prompts": "forget_test"}
    for metric, low, high, expected in (("RA", 0.5, 0.9, "better"), ("detected", 0.5, 0.9, "worse")):
        assert verdicts([record(metric, low, **text)], [record(metric, high, **text)]) == [expected]
    moved = [record(value=value, variant="base", method="base") for value in (0.5, 0.9)]
    assert verdicts(moved[:1], moved[1:]) == ["different"]
    for method in ("imported", "of_somebody"):  # neither is a control
        others = [record(value=value, method=method) for value in (0.5, 0.9)]
        assert verdicts(others[:1], others[1:]) == ["better"]


def test_a_difference_within_chance_is_none():
    assert verdicts([record(value=0.9)], [record(value=0.88)]) == ["no difference"]


def test_false_alarms_are_as_rare_as_the_level_says():
    """Sixty numbers of one truth measured twice, 100 times: rates, near their ends too, means and kernel distances."""
    generator = np.random.default_rng(0)
    alarms = 0
    for _ in range(RUNS):
        first, second = (null_run(generator) for _ in range(2))
        alarms += any(v in ("worse", "better", "different") for v in verdicts(first, second))
    assert alarms <= RUNS * 0.05 + 2 * np.sqrt(RUNS * 0.05 * 0.95)


def null_run(generator: np.random.Generator) -> list[Record]:
    records = []
    for number in range(20):
        n = 48
        share = generator.binomial(n, (0.02, 0.5, 0.95)[number % 3]) / n
        records.append(record("UA", share, n, target=str(number)))
        mean, error = generator.normal(0.8, 0.01), 0.01 * np.sqrt(generator.chisquare(15) / 15)
        bounds = {"low": mean - 1.96 * error * np.sqrt(15 / 16), "high": mean + 1.96 * error * np.sqrt(15 / 16)}
        words = {"interval": "BCa bootstrap 95 % over 16 prompts", "prompts": "retain_test", "target": str(number)}
        records.append(record("AS", mean, n, **words, **bounds))
        kernel = generator.normal(0, 0.2)
        bounds = {"low": kernel - 1.96 * 0.2, "high": kernel + 1.96 * 0.2, "interval": "1.96 standard errors"}
        records.append(record("KD", kernel, 324, target=str(number), **bounds))
    return records


def test_an_image_metric_is_compared_by_its_own_direction():
    """Colourfulness has none; its interval is Student's over images."""
    bounds = {"interval": "Student's t 95 % over images", "prompts": "retain_class"}
    first = record("colourfulness", 30.0, 100, low=29.0, high=31.0, **bounds)
    second = record("colourfulness", 40.0, 100, low=39.0, high=41.0, **bounds)
    (entry,) = compared([first], [second], metrics=("colourfulness",)).entries
    assert entry.verdict == "different"
    error = np.sqrt(2) / stats.t.ppf(0.975, 99)
    assert entry.difference.p_value == pytest.approx(2 * stats.t.sf(10 / error, 198))


def test_a_distance_is_compared_over_the_rows_targets_or_else_with_the_tolerance():
    near = [1.0, 1.5, 0.8, 1.2, 2.0, 1.1]
    first = [distance(value, target=str(target)) for target, value in enumerate(near)]
    second = [distance(value + 0.3 + 0.01 * target, target=str(target)) for target, value in enumerate(near)]
    (entry,) = compared(first, second).entries
    assert (entry.verdict, entry.place.target) == ("worse", "6 targets")
    assert entry.difference.value == pytest.approx(0.325)
    assert verdicts(first[:2], second[:2]) == ["no difference"] * 2
    of_little = [distance(1e-7, control=0.5), distance(2e-7, control=0.5)]
    assert verdicts(of_little[:1], of_little[1:]) == ["no difference"]
    (entry, _) = compared(first[:2], second[:2], tolerance=0.2).entries
    assert entry.verdict == "worse"
    assert entry.why == "no test: changed by 30 %, the tolerance is 20 %"


def test_a_change_that_is_the_same_everywhere_is_no_chance():
    """Nothing varies, so that no t says anything: 1 to 0 for every target, or training seed, is a regression."""
    for over in ("target", "seed"):
        first, second = (
            [record("UA", v, **{over: str(k) if over == "target" else k}) for k in range(6)] for v in (1, 0)
        )
        (entry,) = compared(first, second, rows=True).entries
        assert (entry.verdict, entry.difference) == ("worse", None)
        assert entry.why == "no test: changed by 100 %, the tolerance is 50 %"
    assert entry.place.seed == "seeds 0, 1, 2, 3, 4, 5"
    first, second = ([distance(value, target=str(target)) for target in range(6)] for value in (1.0, 2.0))
    (entry,) = compared(first, second).entries
    assert (entry.verdict, entry.place.target) == ("worse", "6 targets")


def test_one_detection_where_there_was_none_may_be_chance():
    """No detection has no interval over prompts, since all have the same."""
    own = {"study": "shapes", "prompts": "retain_test"}
    none = record("detections", 0.0, 48, low=None, high=None, interval="", **own)
    words = {"interval": "BCa bootstrap 95 % over 16 prompts", **own}
    for value, low, high, expected in ((1.0, 0.0, 3.0, "no difference"), (30.0, 24.0, 36.0, "worse")):
        some = record("detections", value, 48, low=low, high=high, **words)
        assert verdicts([none], [some], metrics=("all",)) == [expected]
    assert verdicts([none], [dataclasses.replace(none, value=48.0)], metrics=("all",)) == ["worse"]


def test_a_rows_means_are_over_targets_however_many_seeds_each_has():
    seeds = {"0": 3, "1": 1, "2": 1, "3": 1, "4": 1}
    first = [record(value=0.5 + 0.1 * int(t), target=t, seed=s) for t, n in seeds.items() for s in range(n)]
    second = [record(value=0.5 + 0.1 * int(t), target=t) for t in seeds]
    (entry,) = compared(first, second, rows=True).entries
    assert entry.a == pytest.approx(entry.b)
    assert entry.difference.value == pytest.approx(0)


def test_every_training_seed_of_a_row_must_be_measured_alike():
    first = [record(value=0.9 - 0.01 * seed, seed=seed) for seed in range(3)]
    second = [*first[:2], record(n=600, seed=2), record(target="4")]
    comparison = compared([*first, record(target="4")], second, rows=True)
    assert [entry.verdict for entry in comparison.entries] == ["not comparable", "identical"]
    assert "300; 600" in comparison.entries[0].why


def test_rows_are_compared_over_their_training_seeds():
    """Two models differ more than chance, two methods with that spread over seeds do not."""
    first = [record(value=value, seed=seed) for seed, value in enumerate((0.70, 0.90, 0.80))]
    second = [record(value=value, seed=seed) for seed, value in enumerate((0.90, 0.72, 0.81), start=3)]
    (entry,) = compared(first, second, rows=True).entries
    assert (entry.verdict, entry.place.seed) == ("no difference", "seeds 0, 1, 2, 3, 4, 5")
    assert "3 and 3 training seeds" in entry.why
    worse = [record(value=value, seed=seed) for seed, value in enumerate((0.40, 0.41, 0.39))]
    assert verdicts(first, worse, rows=True) == ["worse"]
    assert verdicts(first, first, rows=True) == ["identical"]
    with pytest.raises(LetheError, match="no number of theirs"):
        compared(first, second)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"judge": "other"}, "another judge"),
        ({"judge_sha256": "b" * 64}, "other weights"),
        ({"features": "front end tf1"}, "looked otherwise"),
        ({"n": 299}, "another number of images"),
        ({"reference": "5 images"}, "against something else"),
        ({"sampler": "EDM Heun, 9 steps, kernel batch 8, cpu"}, "drawn otherwise"),
    ],
)
def test_numbers_of_two_protocols_are_not_compared(changed, said):
    same = record(target="4")
    comparison = compared([record(), same], [dataclasses.replace(record(value=0.1), **changed), same])
    assert [entry.verdict for entry in comparison.entries] == ["not comparable", "identical"]
    assert said in comparison.entries[0].why
    if said == "other weights":
        assert verdicts([record()], [record(judge_sha256="b" * 64)], any_judge=True) == ["identical"]


def test_the_machine_is_no_part_of_the_protocol():
    words = "PNDM, 25 steps, guidance 2.5"
    assert drawing(f"{words}, kernel batch 64, cpu, 1 thread") == drawing(f"{words}, kernel batch 8, cuda, 12 threads")
    assert drawing(f"{words}, kernel batch 64, cuda, 1 thread, bfloat16") != words
    first = record(sampler=f"{words}, cpu")
    assert incomparable(first, dataclasses.replace(first, sampler=f"{words}, cuda"), lambda a, b: False) == ""


def test_what_one_run_lacks_is_said_and_nothing_in_common_is_an_error():
    comparison = compared([record(), record("UA")], [record(), record(target="4")])
    assert sorted(entry.verdict for entry in comparison.entries) == ["identical", "only in A", "only in B"]
    with pytest.raises(LetheError, match="can be compared"):
        compared([record()], [record(target="4")])
    with pytest.raises(LetheError, match=r"--metrics RB.*\n.*RA"):
        compared([record()], [record()], metrics=("RB",))


def test_a_zip_and_a_single_table_are_runs_too(tmp_path):
    folder = written(tmp_path / "one", record(), record(target="4"))
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        for path in sorted(folder.rglob("records.csv")):
            archive.write(path, f"../{path.relative_to(folder)}")
    write_records(tmp_path / "all.csv", [record(), record(target="4")])
    write_records(folder / "records.csv", [record()])  # said twice, alike
    for path in (tmp_path / "one.zip", tmp_path / "all.csv"):
        with opened(path) as run:
            assert len(run.records) == 2
        assert status(folder, path) == 0


def test_bad_input_is_one_clear_error(tmp_path):
    (tmp_path / "empty").mkdir()
    twice = written(tmp_path / "twice", record())
    write_records(twice / "again/records.csv", [record(value=0.5)])
    broken = tmp_path / "broken/records.csv"
    broken.parent.mkdir()
    broken.write_text("a,b\n1,2\n")
    infinite = written(tmp_path / "infinite", distance(float("nan")))
    table = (twice / "again/records.csv").read_text()
    cut, coded, torn = (tmp_path / name for name in ("cut.csv", "coded.csv", "torn.zip"))
    cut.write_text(table[: table.index("0.5")])
    coded.write_bytes(b"\xff\xfe" + table.encode("utf-16-le"))
    with zipfile.ZipFile(torn, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("records.csv", table)
    torn.write_bytes(torn.read_bytes().replace(torn.read_bytes()[45:60], bytes(15)))
    for path, said in (
        (infinite, "FD for digits 3 rgd, seed 0 is nan"),
        (cut, "line 2: the column 'value' has '', no number"),
        (coded, "not a text in UTF-8"),
        (torn, "not a readable zip"),
        (tmp_path / "none", "no such folder or file"),
        (tmp_path / "empty", "no records.csv"),
        (twice, "two records of RA for digits 3 rgd, seed 0"),
        (broken, "columns"),
    ):
        with pytest.raises(LetheError, match=said), opened(path):
            pass


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tolerance", "nan"], "--tolerance nan: not 0 or more"),
        (["--level", "nan"], "--level nan: not between"),
        (["--output", "."], "--output .: no name"),
        (["--output", "FILE/changes"], "cannot be written"),
    ],
)
def test_options_that_say_nothing_are_errors_and_no_regressions(tmp_path, words, said):
    folder = written(tmp_path / "one", record())
    (tmp_path / "file").touch()
    words = [word.replace("FILE", str(tmp_path / "file")) for word in words]
    with pytest.raises(LetheError, match=said):
        command.main(command.parser().parse_args([str(folder), str(folder), *words]))


def judged(folder: Path, similarity: np.ndarray, wrong: int) -> Record:
    """The judges' outputs of 12 prompts with two images each, and the records that they give: AS, recognised."""
    row = folder / "shapes/stripes/rgd/seed0"
    counts = dict.fromkeys(SETS[:4], 12) | dict.fromkeys(SETS[4:], 1)
    prompts = [PromptRow(name, k, f"{name} {k}", {}) for name, count in counts.items() for k in range(count)]
    write_prompts(row.parents[1] / "prompts.csv", prompts)
    attributes = (np.arange(24) < wrong).astype(np.int64)[:, None]
    rows = np.repeat(np.arange(12), 2) + [row.set for row in prompts].index("retain_test")
    arrays = {"rows": rows, "seeds": np.arange(24), "similarity": similarity, "attributes": attributes}
    write_arrays(row / "judged/shard0000.safetensors", arrays, {"heads": [["pattern", ["plain", "striped"]]]})
    own = {"study": "shapes", "target": "stripes", "prompts": "retain_test"}
    aligned = {"low": 0.5, "high": 0.9, "interval": "BCa bootstrap 95 % over 12 prompts"}
    records = [record("AS", float(similarity.mean()), 24, **own, **aligned)]
    records.append(record("recognised", wrong / 24, 24, **own, features="pattern=striped"))
    write_records(row / "records.csv", records)
    return records[0]


def test_the_same_images_are_compared_one_by_one_where_the_judges_outputs_are_there(tmp_path):
    generator = np.random.default_rng(0)
    similarity = generator.uniform(0.4, 0.9, 24)
    judged(tmp_path / "one", similarity, 4)
    judged(tmp_path / "two", similarity - 0.02 - 0.005 * generator.uniform(size=24), 14)
    with opened(tmp_path / "one") as a, opened(tmp_path / "two") as b:
        entries = {entry.place.metric: entry for entry in compare(a, b, Options()).entries}
        assert [entry.verdict for entry in entries.values()] == ["worse", "worse"]
        assert "12 clusters" in entries["AS"].why
        assert entries["recognised"].difference.p_value == pytest.approx(2 / 2**10)
        # Apart, the intervals over prompts hide it.
        apart = compare(dataclasses.replace(a, raw=False), b, Options())
        assert {entry.place.metric: entry.verdict for entry in apart.entries}["AS"] == "no difference"


def test_the_images_are_found_however_the_folder_is_called(tmp_path, monkeypatch):
    similarity = np.random.default_rng(0).uniform(0.4, 0.9, 24)
    for name, wrong in (("one", 4), ("two", 14)):
        judged(tmp_path / name, similarity, wrong)
    (tmp_path / "link").symlink_to(tmp_path / "one/shapes/stripes/rgd/seed0")
    monkeypatch.chdir(tmp_path / "two/shapes/stripes/rgd/seed0")
    with opened(tmp_path / "link") as a, opened(Path()) as b:
        assert {entry.why.partition(":")[0] for entry in compare(a, b, Options()).entries} == {
            "the same number and interval",
            "the same images",
        }


def test_outputs_that_do_not_give_the_record_are_not_used(tmp_path):
    similarity = np.linspace(0.4, 0.9, 24)
    for name in ("one", "two"):
        judged(tmp_path / name, similarity - 0.02 * (name == "two"), 4)
    judged(tmp_path / "other", similarity - 0.3, 4)
    stray = "shapes/stripes/rgd/seed0/judged/shard0000.safetensors"
    (tmp_path / "two" / stray).write_bytes((tmp_path / "other" / stray).read_bytes())
    with opened(tmp_path / "one") as a, opened(tmp_path / "two") as b:
        entries = {entry.place.metric: entry for entry in compare(a, b, Options()).entries}
    assert "independent" in entries["AS"].why


def test_a_judge_is_the_same_where_its_weights_are(tmp_path):
    for name, value, made in (("one", 1.0, "a"), ("two", 1.0, "b"), ("three", 2.0, "a")):
        judge = tmp_path / name / "digits/judge/judge.safetensors"
        write_arrays(judge, {"w": np.full(3, value)}, {"fingerprint": made})
        written(tmp_path / name, record(judge_sha256=sha256_of(judge)))
    one, two, three = (tmp_path / name for name in ("one", "two", "three"))
    assert status(one, two) == 0
    with pytest.raises(LetheError, match="other weights"):
        command.main(command.parser().parse_args([str(one), str(three)]))
    # Also from the folder of a row, where the judge lies above.
    with opened(one / "digits/3/rgd/seed0") as a, opened(two / "digits/3/rgd/seed0") as b:
        digests = [next(iter(run.records.values())).judge_sha256 for run in (a, b)]
        assert have_same_weights(a, digests[0], b, digests[1])


def test_cost_is_shown_and_never_judged(tmp_path, capsys):
    for name, seconds in (("one", 1.0), ("two", 99.0)):
        folder = written(tmp_path / name, record())
        cost = {"seconds": seconds, "peak_memory_bytes": 2_000_000_000}
        (folder / "digits/3/rgd/seed0/cost.json").write_text(json.dumps(cost))
    assert status(tmp_path / "one", tmp_path / "two", "--cost") == 0
    assert "digits, 3, rgd, seed 0: 1.0 (2.00) to 99.0 (2.00)" in capsys.readouterr().out
