"""Snakemake's log, shown as progress: what the plugin ``lethe`` does with each record.

Until Snakemake has counted its jobs, in a dry run, and with --quiet, everything is shown as Snakemake shows it. Then
what it says of jobs that start, end and fail becomes progress; all else, above all warnings and errors, is still shown
as Snakemake shows it. Its own complete log in .snakemake/log is not touched.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.settings import LogHandlerSettingsBase

from lethe.stages import TARGETS
from lethe.watch.lines import LinesView
from lethe.watch.model import CostModel
from lethe.watch.state import Watch

if TYPE_CHECKING:
    from snakemake.logging import ColorizingTextHandler

_CHATTER = ("Select jobs to execute", "Execute ", "DAG of jobs will be updated")
_FIRST_LANES = 1.0


@dataclass
class LogHandlerSettings(LogHandlerSettingsBase):
    """Become Snakemake's options --logger-lethe-..."""

    view: str | None = field(
        default="auto",
        metadata={
            "help": "How a run is shown: live (drawn on the terminal; needs rich), lines (now and then a line), plain "
            "(as Snakemake does), or auto: live on a terminal, else lines.",
            "choices": ["auto", "live", "lines", "plain"],
            "type": str,
        },
    )
    interval: float | None = field(
        default=30.0, metadata={"help": "Least seconds between two lines of progress.", "type": float}
    )


class View(Protocol):
    """Where progress is shown."""

    def begin(self) -> None: ...

    def say(self, text: str) -> None: ...

    def changed(self) -> None: ...

    def pause(self) -> None: ...

    def go_on(self) -> None: ...

    def end(self) -> None: ...


class LogHandler(LogHandlerBase):
    """Snakemake calls ``emit`` in a thread of its own, one record after the other, and ``close`` at the end."""

    def __post_init__(self) -> None:
        from snakemake.logging import ColorizingTextHandler, DefaultFormatter

        self._settings = self.settings or LogHandlerSettings()
        told = self.common_settings
        self._stream = sys.stdout if told.stdout else sys.stderr
        formatter = DefaultFormatter(told.quiet, told.show_failed_logs)
        self._plain: ColorizingTextHandler = ColorizingTextHandler(told.nocolor, self._stream, formatter)
        self._is_plain = told.dryrun or bool(told.quiet) or self._settings.view == "plain"
        self._lanes = _FIRST_LANES
        self._model: CostModel | None = None
        self._watch: Watch | None = None
        self._view: View | None = None
        self._writers: set[int] = set()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._is_plain or (self._watch is None and not self._begins(record)):
                self._plain.emit(record)
            else:
                self._take(record)
                self._view.changed()
        except Exception:  # progress must not end a run: what follows is shown as Snakemake shows it
            self._is_plain = True
            self._stop()
            self._plain.handleError(record)
            self._plain.emit(record)

    def _begins(self, record: logging.LogRecord) -> bool:
        event, told = getattr(record, "event", None), vars(record)
        if event == LogEvent.WORKFLOW_STARTED:
            self._model = CostModel([str(path) for path in told.get("configfiles") or ()])
        if event == LogEvent.RESOURCES_INFO:
            self._lanes = float(told.get("cores") or told.get("nodes") or self._lanes)
        if event != LogEvent.RUN_INFO:
            return False
        planned = {rule: count for rule, count in told["stats"].items() if rule != "total"}
        if planned.keys() <= TARGETS:  # a target that is asked for by force: there is no progress to show
            return False
        self._watch = Watch(planned, min(self._lanes, float(sum(planned.values()))), model=self._model)
        self._view = self._new_view(self._watch)
        self._view.begin()
        return True

    def _new_view(self, watch: Watch) -> View:
        has_rich = importlib.util.find_spec("rich") is not None
        on_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        if has_rich and (self._settings.view == "live" or (self._settings.view == "auto" and on_terminal)):
            from lethe.watch.live import LiveView

            return LiveView(self._stream, watch, not self._plain.nocolor)
        return LinesView(self._stream, watch, 30.0 if self._settings.interval is None else self._settings.interval)

    def _take(self, record: logging.LogRecord) -> None:
        watch, told = self._watch, vars(record)
        match getattr(record, "event", None):
            case LogEvent.JOB_INFO:
                watch.start(told)
                self._note_writer(told)
            case LogEvent.JOB_FINISHED:
                watch.finish(told["job_id"])
                self._writer_ends(told["job_id"])
            case LogEvent.JOB_ERROR:
                self._writer_ends(told["jobid"])
                failure = watch.fail(told)
                if failure is not None and failure.job.logs:
                    self._view.say(self._red(failure.at_once()))
                else:
                    self._show(record)
            case LogEvent.ERROR if "CalledProcessError in" in record.getMessage() and watch.progress.running:
                watch.note_exception(record.getMessage())  # of a job, which is told of next; without one, of a hook
            case LogEvent.ERROR:
                watch.note_exception(record.getMessage())
                self._show(record)
            case LogEvent.RUN_INFO | LogEvent.PROGRESS | LogEvent.JOB_STARTED | LogEvent.GROUP_INFO:
                pass
            case LogEvent.GROUP_ERROR:  # of a group's members each is told of by itself, but not of their common log
                watch.note_group([info["jobid"] for info in told["job_error_info"]], told["aux_logs"])
            case LogEvent.RESOURCES_INFO | LogEvent.WORKFLOW_STARTED:
                pass
            case None if record.levelno == logging.INFO and record.getMessage().startswith(_CHATTER):
                pass
            case _:
                self._show(record)

    def _show(self, record: logging.LogRecord) -> None:
        """As Snakemake shows it."""
        text = self._plain.format(record)
        if text and text != "None":
            self._view.say(self._plain.decorate(record, text))

    def _red(self, text: str) -> str:
        return text if self._plain.nocolor else f"\033[31m{text}\033[0m"

    def _note_writer(self, told: dict[str, Any]) -> None:
        """A job whose command writes to the terminal as well as to its log has the terminal to itself."""
        if "| tee " in (told.get("shellcmd") or ""):
            if not self._writers:
                self._view.pause()
            self._writers.add(told["jobid"])

    def _writer_ends(self, number: int) -> None:
        if number in self._writers:
            self._writers.discard(number)
            if not self._writers:
                self._view.go_on()

    def _stop(self) -> None:
        view, self._view = self._view, None
        with contextlib.suppress(Exception):  # a broken view must not take with it what is still to be said
            if view is not None:
                view.end()
        if self._model is not None:
            self._model.stop()

    def close(self) -> None:
        if self._view is not None and self._watch is not None:
            self._stop()
            summary = self._watch.summary()
            self._stream.write(f"{self._red(summary) if self._watch.failures else summary}\n")
            self._stream.flush()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        return True

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return False

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False
