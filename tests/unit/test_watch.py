"""Progress, forecast and diagnosis of a run."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from lethe.report.ledger import stage_of
from lethe.stages import STAGES, TARGETS, stage_of_rule
from lethe.watch.failures import SHOWN_LINES, diagnose, end_of
from lethe.watch.forecast import Forecast, read_ledger
from lethe.watch.lines import LinesView, line
from lethe.watch.model import CostModel
from lethe.watch.progress import Job, Progress
from lethe.watch.state import PATIENCE, Watch
from lethe.watch.words import about, exactly

sys.path.insert(0, "benchmarks")
from eta import replay, rules_by_pattern, read_runs  # noqa: I001


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def job(number: int, rule: str = "sample", start: float = 0.0, benchmark: str | None = None) -> Job:
    return Job(number, rule, f"{rule} {number}", start, benchmark=benchmark)


def test_every_rule_has_the_stage_of_its_benchmark_file():
    for path in Path("workflow/rules").glob("*.smk"):
        for block in re.split(r"\n(?=(?:use )?rule )", path.read_text(encoding="utf-8"))[1:]:
            name = re.match(r"(?:use rule \w+ as|rule) (\w+)", block)
            place = re.search(r'benchmark:\n\s+f?"[^"]*?/benchmarks/([^"]+)"', block)
            if name and place:
                filled = re.sub(r"\{(\w+)\}", lambda found: "0001" if found[1] == "shard" else "x", place[1])
                assert stage_of_rule(name[1]) == stage_of(Path(filled)), name[1]


def test_progress_counts_by_stage_in_the_order_of_the_stages():
    progress = Progress({"all": 1, "measure": 2, "sample": 3, "table1": 1}, 0.0)
    for number in (1, 2, 3):
        progress.start(job(number))
    progress.start(job(9, "all"))
    progress.finish(1)
    progress.fail(2)
    assert [tuple(count) for count in progress.by_stage()] == [
        ("sample", 1, 1, 1, 3),
        ("measure", 0, 0, 0, 2),
        ("artefacts", 0, 0, 0, 1),
    ]
    assert (progress.jobs_done, progress.jobs_planned, progress.to_start("sample")) == (1, 6, 0)
    progress.start(job(2))  # tried again
    progress.finish(2)
    assert progress.by_stage()[0] == ("sample", 2, 1, 0, 3)
    assert progress.to_start("sample") == 0
    assert set(STAGES) > {"sample", "artefacts"}
    assert "all" in TARGETS


def test_without_a_ledger_what_is_left_is_the_work_by_the_jobs_at_a_time():
    progress = Progress({"sample": 10}, 0.0)
    forecast = Forecast(progress, 2, {})
    assert forecast.left(0.0) is None
    for number, (start, end) in enumerate([(0, 20), (0, 20), (20, 40), (20, 40)]):
        progress.start(job(number, start=start))
        forecast.finish(progress.finish(number), end)
    left = forecast.left(40.0)
    assert left.seconds == pytest.approx(6 * 20 / 2)
    assert left.unmeasured == 0


def test_jobs_at_a_time_are_learned_where_the_first_guess_is_wrong():
    """16 processors, and one GPU."""
    progress = Progress({"unlearn": 100}, 0.0)
    forecast = Forecast(progress, 16, {})
    for number in range(50):
        progress.start(job(number, "unlearn", start=number * 100.0))
        forecast.finish(progress.finish(number), (number + 1) * 100.0)
    assert forecast.left(5000.0).seconds == pytest.approx(5000, rel=0.2)


def test_an_earlier_run_tells_what_is_to_come_and_this_one_at_what_pace():
    """Long trainings first: a mean of what is done would be far too long."""
    times = {"a": 1000.0, "b": 10.0, "c": 10.0, "d": 30.0}
    progress = Progress({"unlearn": 4}, 0.0)
    forecast = Forecast(progress, 1, {"unlearn": times})
    assert forecast.left(0.0).seconds == pytest.approx(1050)
    begun = job(1, "unlearn", benchmark="a")
    progress.start(begun)
    forecast.start(begun)
    assert forecast.expected(begun) == 1000
    forecast.finish(progress.finish(1), 2000.0)  # twice as slow
    assert forecast.left(2000.0).seconds == pytest.approx(2 * 50, rel=0.05)


def test_a_rule_that_was_never_measured_is_guessed_and_said_to_be():
    earlier = {"judge_images": {"x": 4.0, "y": 6.0, "z": 500.0}}
    left = Forecast(Progress({"base": 1, "sample": 2, "judge_images": 3}, 0.0), 1, earlier).left(0.0)
    assert left.seconds == pytest.approx(3 * 6 + 510)  # the median
    assert left.unmeasured == 3
    assert left.is_guess


def test_where_most_that_is_to_come_is_like_nothing_measured_no_time_is_told():
    """What is quick ends first: a few seconds of reading data say nothing of a hundred trainings."""
    earlier = {"judge_images": {"x": 4.0}}
    assert Forecast(Progress({"unlearn": 4, "judge_images": 3}, 0.0), 1, earlier).left(0.0) is None
    assert Forecast(Progress({"measure": 4, "judge_images": 3}, 0.0), 1, earlier).left(0.0).is_guess


def test_of_the_only_job_nothing_is_told_before_it_is_known_what_it_takes():
    progress = Progress({"unlearn": 1}, 0.0)
    forecast = Forecast(progress, 1, {})
    progress.start(job(1, "unlearn", benchmark="b"))
    assert forecast.left(100.0) is None
    assert forecast.lacks_a_network()
    forecast.learn({"judge_images": {"x": 2.0}})
    assert forecast.left(100.0) is None
    forecast.learn({"unlearn": {"b": 4000.0}})
    assert forecast.left(100.0).seconds == pytest.approx(3900)
    assert not forecast.left(100.0).is_guess
    progress.finish(1)
    assert forecast.left(4000.0).seconds == 0


def test_the_longest_job_under_way_bounds_what_is_left():
    progress = Progress({"base": 1, "sample": 1}, 0.0)
    forecast = Forecast(progress, 2, {"base": {"b": 600.0}, "sample": {"s": 2.0}})
    progress.start(job(1, "base", benchmark="b"))
    assert forecast.left(100.0).seconds == pytest.approx(500)
    assert forecast.left(900.0).seconds >= 90  # overdue


def test_the_ledger_is_read_from_files_that_name_their_rule(tmp_path):
    folder = tmp_path / "benchmarks/digits"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text(json.dumps({"s": 2.5, "rule_name": "sample"}) + "\n")
    (folder / "b.jsonl").write_text(json.dumps({"s": 2.5}) + "\n")
    (folder / "c.jsonl").write_text('{"s": 2')
    (folder / "d.jsonl").write_text("")
    assert read_ledger(tmp_path / "benchmarks") == {"sample": {str(folder / "a.jsonl"): 2.5}}


def test_a_finished_run_is_replayed_from_its_benchmark_files(tmp_path):
    """Twenty equal jobs, two at a time: the forecast is right, whenever it is asked."""
    for number in range(20):
        path = tmp_path / f"digits/{number}/rgd/seed0/sample0000.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"s": 10.0}) + "\n")
        os.utime(path, (1e9, 1e9 + 10 * (number // 2 + 1)))
    runs = read_runs(tmp_path)
    assert Counter(run.rule for run in runs) == {"sample": 20}
    for answer in replay(runs, {}, 2, (0.25, 0.5, 0.75)):
        assert answer.said == pytest.approx(answer.left, abs=5.1)
    assert "unlearn" in {rule for _, rule in rules_by_pattern()}


LETHE = """loading
python -m lethe.sample: error: model/x.safetensors: 3 bytes instead of 18
  remedy: make it again: snakemake --force x
"""
TRACEBACK = "step 1\nTraceback (most recent call last):\n" + "".join(
    f'  File "a.py", line {number}, in f{number}\n    f{number + 1}()\n' for number in range(20)
)


def test_an_error_of_lethe_is_told_in_its_own_words():
    told = diagnose(LETHE, 2)
    assert told.problem == "model/x.safetensors: 3 bytes instead of 18"
    assert told.remedy == "make it again: snakemake --force x"


@pytest.mark.parametrize(
    ("log", "status", "said", "problem", "remedy"),
    [
        (TRACEBACK + "ValueError: no such key\n", 1, "", "ValueError: no such key", "whole traceback is in the log"),
        (TRACEBACK + "torch.OutOfMemoryError: CUDA out of memory.\n", 1, "", "torch.OutOf", "docs/memory.md"),
        (TRACEBACK + "MemoryError\n", 1, "", "MemoryError", "mem_mb"),
        (TRACEBACK + "OSError: [Errno 28] No space left on device\n", 1, "", "OSError", "free space"),
        ("step 40 of 60\n", 137, "", "step 40 of 60", "mem_mb"),
        ("", -9, "", "ended by signal 9", "mem_mb"),
        ("", 143, "", "ended by signal 15", "the same command goes on"),
        ("", None, "", "without its outputs", "ended without a word"),
        ("", None, "SLURM status is: 'TIMEOUT'", "SLURM status", "runtime"),
        ("", None, "SLURM status is: 'OUT_OF_MEMORY'", "SLURM status", "mem_mb"),
        ("", None, "SLURM status is: 'NODE_FAIL'", "SLURM status", "interrupted"),
        ("Fatal Python error: Segmentation fault\n\nThread 0x1:\n", 139, "", "", "--cores 1"),
        ("something else\n", 1, "", "something else", "the log may tell more"),
        ("", 1, "", "exit status 1", "run it by itself"),  # not killed
    ],
)
def test_every_end_of_a_job_has_its_remedy(log, status, said, problem, remedy):
    told = diagnose(log, status, said)
    assert problem in told.problem
    assert remedy in told.remedy
    assert len(told.shown) <= SHOWN_LINES


def test_a_schedulers_log_tells_what_the_jobs_own_cannot():
    told = diagnose("step 4 of 60\n", None, "SLURM status is: 'FAILED'", "slurmstepd: error: Detected 1 oom_kill event")
    assert told.problem == "step 4 of 60\nSLURM status is: 'FAILED'"
    assert "mem_mb" in told.remedy
    assert told.shown[-1] == "SLURM status is: 'FAILED'"


def test_of_a_long_traceback_the_head_and_the_last_frames_are_shown():
    shown = diagnose(TRACEBACK + "ValueError: no\n", 1).shown
    assert shown[0].startswith("Traceback")
    assert shown[-1] == "ValueError: no"
    assert any("f19" in text for text in shown)


def test_of_a_huge_log_the_end_is_read(tmp_path):
    (tmp_path / "log").write_text("x" * 300_000 + "\nthe end")
    assert end_of(tmp_path / "log").endswith("the end")
    assert len(end_of(tmp_path / "log")) < 100_000
    assert end_of(tmp_path / "none") == ""


def test_a_line_when_a_stage_ends_and_else_now_and_then():
    clock, stream = Clock(), io.StringIO()
    watch = Watch({"sample": 3, "measure": 1}, 1, clock)
    view = LinesView(stream, watch, 30, clock)
    for number in range(3):
        watch.start({"jobid": number, "rule_name": "sample"})
        clock.now += 10
        watch.finish(number)
        view.changed()
        assert bool(stream.getvalue()) == (number == 2)
    clock.now += 31
    view.changed()  # nothing has happened since
    clock.now += 300
    view.changed()
    view.end()
    view.changed()
    told = stream.getvalue().splitlines()
    assert len(told) == 2
    assert "3 of 4 jobs, less than a minute left (a guess: no job like 1 of 1 has ended yet)" in told[0]
    assert "\x1b" not in stream.getvalue()
    assert line(watch.progress.by_stage(), None, 3.0) == "    0:03  3 of 4 jobs, time left not known yet"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(20, "less than a minute"), (400, "about 7 min"), (7200, "about 2 h 00 min"), (400_000, "about 5 days")],
)
def test_times_are_told_as_coarsely_as_they_are_known(seconds, words):
    assert about(seconds) == words


def test_times_that_are_known_are_told_exactly():
    assert [exactly(seconds) for seconds in (9.9, 751, 3723)] == ["0:09", "12:31", "1:02:03"]


class Answering(CostModel):
    """A model that answers at once, from a process of its own."""

    def __init__(self, program: str) -> None:
        super().__init__([])
        self._command = [sys.executable, "-c", program]


@pytest.mark.parametrize(("program", "answers"), [('print(\'{"sample": {"b": 50.0}}\')', True), ("1 / 0", False)])
def test_the_model_is_asked_when_much_is_unknown_for_long(program, answers):
    clock = Clock()
    model = Answering(program)
    watch = Watch({"sample": 2}, 1, clock, model)
    assert watch.left() is None
    assert model.process is None
    clock.now += PATIENCE + 1
    watch.left()
    process = model.process
    watch.left()
    assert model.process is process  # once
    process.wait(20)
    limit = time.monotonic() + 10
    while answers and watch.left() is None and time.monotonic() < limit:
        time.sleep(0.01)
    assert (watch.left() is not None) == answers
    model.stop()
