"""Snakemake's plugin, given the records that Snakemake 9.27 makes."""

from __future__ import annotations

import io
import logging
import sys
import threading

import pytest

pytest.importorskip("snakemake")

from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry
from snakemake_interface_logger_plugins.tests import MockOutputSettings, TestLogHandlerBase

from lethe.watch.handler import LogHandler, LogHandlerSettings
from lethe.watch.lines import LinesView
from lethe.watch.live import LiveView
from lethe.watch.state import Watch

COMMAND = "python -m lethe.sample class > log 2>&1"


class TestAsSnakemakeTestsPlugins(TestLogHandlerBase):
    __test__ = True

    def get_log_handler_cls(self):
        return LogHandler

    def get_log_handler_settings(self):
        return LogHandlerSettings(view="lines")


def record(event: LogEvent | None = None, message: str | None = None, level: int = logging.INFO, **told: object):
    made = logging.LogRecord("snakemake", level, "file.py", 1, str(message), (), None)
    return logging.makeLogRecord(vars(made) | told | ({} if event is None else {"event": event}))


def info(number: int, rule: str = "sample", **more: object) -> logging.LogRecord:
    told = {"jobid": number, "rule_name": rule, "rule_msg": f"{rule}: digits {number}", "wildcards": {"target": "3"}}
    told |= {"log": ["results/no.log"], "benchmark": None, "shellcmd": COMMAND}
    return record(LogEvent.JOB_INFO, **told | more)


def failed(number: int, log: str, rule: str = "sample") -> list[logging.LogRecord]:
    text = (
        f"RuleException:\nCalledProcessError in file x, line 1:\nCommand '{COMMAND}' returned non-zero exit status 2."
    )
    told = {"jobid": number, "rule_name": rule, "rule_msg": None, "log": [log], "shellcmd": COMMAND}
    told |= {"input": [], "output": [], "aux": {}, "conda_env": None}
    return [
        record(LogEvent.ERROR, text, logging.ERROR, exception="RuleException"),
        record(LogEvent.JOB_ERROR, "Error in rule", logging.ERROR, **told),
    ]


def shown(
    records: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch, view: str = "lines", **told: object
) -> str:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    common = MockOutputSettings()
    vars(common).update({"printshellcmds": False} | told)
    handler = LogHandler(common, LogHandlerSettings(view=view))
    for one in records:
        handler.emit(one)
    handler.close()
    return stream.getvalue()


STATS = record(LogEvent.RUN_INFO, "Job stats:\njob  count", stats={"sample": 2, "measure": 1, "all": 1, "total": 4})
CORES = record(LogEvent.RESOURCES_INFO, "Provided cores: 2", cores=2)


def test_snakemake_finds_it():
    assert "lethe" in LoggerPluginRegistry().get_registered_plugins()


def test_jobs_become_progress_and_the_rest_is_shown_as_it_is(monkeypatch):
    text = shown(
        [
            record(None, "Building DAG of jobs..."),
            CORES,
            STATS,
            record(None, "Select jobs to execute..."),
            info(1),
            record(None, "something to heed", logging.WARNING),
            record(LogEvent.JOB_FINISHED, "Finished jobid: 1", job_id=1),
            record(LogEvent.PROGRESS, done=1, total=4),
            info(2),
            record(LogEvent.JOB_FINISHED, "Finished jobid: 2", job_id=2),
            record(LogEvent.ERROR, "MissingInputException in rule x", logging.ERROR, exception="MissingInputException"),
        ],
        monkeypatch,
    )
    for seen in ("Building DAG", "Provided cores: 2", "3 jobs: 2 sampling, 1 measuring", "2 of 3 jobs"):
        assert seen in text
    assert "something to heed" in text
    assert "MissingInputException in rule x" in text
    for unseen in ("Job stats", "Select jobs", "Finished jobid", "digits 1", "None"):
        assert unseen not in text


def test_a_failed_job_is_told_at_once_and_at_the_end(monkeypatch, tmp_path):
    log = tmp_path / "own.log"
    log.write_text("python -m lethe.sample: error: weights are gone\n  remedy: make them again\n")
    text = shown([CORES, STATS, info(1), *failed(1, str(log))], monkeypatch)
    at_once, at_the_end = text.split("1 job failed, 0 done, 2 not made")
    for part in (at_once, at_the_end):
        assert "sample: digits 1" in part
        assert "weights are gone" in part
        assert "remedy: make them again" in part
        assert str(log) in part
    assert "rule: sample (target=3)" in at_the_end
    assert "CalledProcessError" not in text


def test_a_job_that_is_tried_again_and_ends_well_did_not_fail(monkeypatch, tmp_path):
    end = [record(LogEvent.JOB_FINISHED, "Finished", job_id=number) for number in (1, 2)]
    again = [info(1), *failed(1, str(tmp_path / "none")), info(1), info(2), *end]
    text = shown([CORES, STATS, *again, info(3, "measure"), record(LogEvent.JOB_FINISHED, "", job_id=3)], monkeypatch)
    assert "FAILED" in text
    assert "all 3 jobs done in" in text


def test_a_job_without_its_outputs_failed_and_snakemake_says_why(monkeypatch):
    text = "MissingOutputException in rule sample:\nJob 1  completed successfully, but some output files are missing."
    told = shown([CORES, STATS, info(1), record(LogEvent.ERROR, text, logging.ERROR)], monkeypatch)
    assert "MissingOutputException" in told
    assert "1 job failed" in told


@pytest.mark.parametrize("how", [{"dryrun": True, "stdout": True}, {"quiet": {"progress"}}])
def test_a_dry_run_and_a_quiet_one_are_shown_as_snakemake_does(monkeypatch, how):
    text = shown([STATS, info(1, local=False, indent=False, reason="")], monkeypatch, **how)
    assert "Job stats" in text
    assert "Job 1: sample: digits 1" in text
    assert "jobs: 2 sampling" not in text


def test_an_error_of_its_own_does_not_silence_snakemake(monkeypatch):
    broken = record(LogEvent.JOB_INFO, "no job in it")
    text = shown([CORES, STATS, broken, record(None, "and on it goes")], monkeypatch)
    assert "and on it goes" in text


@pytest.mark.parametrize("view", ["lines", "live"])
def test_a_target_that_is_asked_for_by_force_is_shown_as_snakemake_does(monkeypatch, view):
    only = record(LogEvent.RUN_INFO, "Job stats:\njob  count\nall  1", stats={"all": 1, "total": 1})
    text = shown([CORES, only, record(LogEvent.JOB_FINISHED, "Finished jobid: 0", job_id=0)], monkeypatch, view)
    assert "Job stats" in text
    assert "Finished jobid: 0" in text
    assert "Logging error" not in text


def test_an_error_of_a_hook_is_no_jobs_and_is_shown(monkeypatch):
    text = "CalledProcessError in file Snakefile, line 3:\nCommand 'x' returned non-zero exit status 1."
    assert "Command 'x'" in shown([CORES, STATS, record(LogEvent.ERROR, text, logging.ERROR)], monkeypatch)


def test_the_schedulers_log_of_a_group_that_failed_is_told_of_each_member(monkeypatch, tmp_path):
    (tmp_path / "slurm.log").write_text("slurmstepd: error: Detected 1 oom_kill event\n")
    members = [{"jobid": number} for number in (1, 2)]
    group = record(LogEvent.GROUP_ERROR, job_error_info=members, aux_logs=[str(tmp_path / "slurm.log")])
    errors = [failed(number, str(tmp_path / "own.log"))[1] for number in (1, 2)]
    text = shown([CORES, STATS, info(1), info(2), group, *errors], monkeypatch)
    assert text.count(str(tmp_path / "slurm.log")) == 4  # of both, at once and at the end
    assert text.count("mem_mb") == 4


def test_no_thread_is_left_at_the_end(monkeypatch):
    before = set(threading.enumerate())
    shown([CORES, STATS, info(1)], monkeypatch)
    assert set(threading.enumerate()) <= before


def test_a_view_that_breaks_hides_no_failure(monkeypatch, tmp_path):
    def broken(view: LinesView) -> None:
        view._stop.set()
        raise OSError("no terminal any more")

    monkeypatch.setattr(LinesView, "end", broken)
    text = shown([CORES, STATS, info(1), *failed(1, str(tmp_path / "none"))], monkeypatch)
    assert "1 job failed, 0 done, 2 not made" in text
    odd = record(LogEvent.JOB_INFO, "no job in it")
    assert "an error after it" in shown([CORES, STATS, odd, record(None, "an error after it")], monkeypatch)


def test_without_rich_there_are_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    text = shown([CORES, STATS, info(1)], monkeypatch, view="live")
    assert "3 jobs: 2 sampling" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [100, 60])
def test_the_drawing_has_stages_jobs_under_way_and_what_is_left(width):
    stream = io.StringIO()
    watch = Watch({"sample": 4, "measure": 2}, 2)
    watch.start({"jobid": 1, "rule_name": "sample"})
    watch.finish(1)
    watch.start({"jobid": 2, "rule_name": "sample", "rule_msg": f"sample: digits 3 {'long ' * 8}name"})
    view = LiveView(stream, watch, colour=False)
    view._console.width = width
    view._console.print(view._drawing())
    lines = stream.getvalue().splitlines()
    assert all(len(one) <= width for one in lines)
    text = stream.getvalue()
    for words in ("1 of 6 jobs", "sampling", "1/4  1 running", "sample: digits 3 long", "0/2", "left"):
        assert words in text
    assert lines[-1].endswith("0:00 of about 0:00")
    assert ("name" in lines[-1]) == (width == 100)
