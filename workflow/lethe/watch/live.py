"""Progress on a terminal, drawn anew twice a second by rich."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lethe.stages import STAGES
from lethe.watch.lines import left_in_words
from lethe.watch.progress import Job, StageCount
from lethe.watch.state import Watch
from lethe.watch.words import exactly

_JOBS_SHOWN = 6


class LiveView:
    """One line a stage, the jobs under way, and what is left; what is said stands above it."""

    def __init__(self, stream: TextIO, watch: Watch, colour: bool) -> None:
        self._watch = watch
        self._has_ended = False
        self._console = Console(file=stream, no_color=not colour, highlight=False)
        self._live = Live(console=self._console, refresh_per_second=2, get_renderable=self._drawing)

    def begin(self) -> None:
        self._live.start()

    def say(self, text: str) -> None:
        """Escape sequences for colours are kept."""
        self._console.print(Text.from_ansi(text), soft_wrap=True)

    def pause(self) -> None:
        """While a job writes to the terminal itself."""
        self._live.stop()

    def go_on(self) -> None:
        self._live.start()

    def changed(self) -> None: ...

    def end(self) -> None:
        self._has_ended = True
        self._live.stop()

    def _drawing(self) -> Group:
        with self._watch.lock:
            counts, running = self._watch.progress.by_stage(), list(self._watch.progress.running.values())
            elapsed, left = self._watch.elapsed(), self._watch.left()
            jobs = self._jobs(running, elapsed)
        done, total = sum(count.done for count in counts), sum(count.total for count in counts)
        head = Text.assemble((f"{done:,} of {total:,} jobs", "bold"), f"   {exactly(elapsed)} so far")
        if done < total and not self._has_ended:
            head.append(f"   {left_in_words(left)}")
        return Group("", head, _stages(counts), jobs)

    def _jobs(self, running: list[Job], elapsed: float) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column(justify="right", no_wrap=True)
        for job in running[:_JOBS_SHOWN]:
            expected = self._watch.forecast.expected(job)
            times = exactly(elapsed - (job.started - self._watch.progress.begun))
            table.add_row(Text(job.title), times + (f" of about {exactly(expected)}" if expected else ""))
        if len(running) > _JOBS_SHOWN:
            table.add_row(f"and {len(running) - _JOBS_SHOWN} more", "")
        return table


def _stages(counts: list[StageCount]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(width=24)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for count in counts:
        style = "green" if count.done == count.total else "cyan"
        bar = ProgressBar(total=count.total, completed=count.done, complete_style=style, finished_style=style)
        notes = [
            (f"{number} {word}", colour)
            for number, word, colour in ((count.running, "running", "cyan"), (count.failed, "failed", "bold red"))
            if number
        ]
        told = Text(", ").join(Text(*note) for note in notes)
        table.add_row(STAGES[count.stage], bar, f"{count.done}/{count.total}", told)
    return table
