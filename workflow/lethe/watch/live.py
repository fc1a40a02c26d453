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
        return Group("", head, _stages(counts, 24 if self._console.width >= 80 else 8), jobs)

    def _jobs(self, running: list[Job], elapsed: float) -> Table:
        table = Table.grid(padding=(0, 2))
        times = [(job, self._times(job, elapsed)) for job in running[:_JOBS_SHOWN]]
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        room = self._console.width - max((len(time) for _, time in times), default=0) - 2
        for job, time in times:
            title = Text(job.title)
            title.truncate(max(room, 8), overflow="ellipsis")
            table.add_row(title, time)
        if len(running) > _JOBS_SHOWN:
            table.add_row(f"and {len(running) - _JOBS_SHOWN} more", "")
        return table

    def _times(self, job: Job, elapsed: float) -> str:
        expected = self._watch.forecast.expected(job)
        so_far = exactly(elapsed - (job.started - self._watch.progress.begun))
        return so_far if expected is None else f"{so_far} of about {exactly(expected)}"


def _stages(counts: list[StageCount], width: int) -> Table:
    """``width`` of the bars. On a narrow terminal it is the names that are cut."""
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(min_width=width, max_width=width)
    table.add_column(justify="right", no_wrap=True, min_width=max(len(f"{one.done}/{one.total}") for one in counts))
    table.add_column(no_wrap=True, min_width=max(len(_notes(one)) for one in counts))
    for count in counts:
        style = "green" if count.done == count.total else "cyan"
        bar = ProgressBar(total=count.total, completed=count.done, complete_style=style, finished_style=style)
        table.add_row(STAGES[count.stage], bar, f"{count.done}/{count.total}", _notes(count))
    return table


def _notes(count: StageCount) -> Text:
    kinds = ((count.running, "running", "cyan"), (count.failed, "failed", "bold red"))
    return Text(", ").join(Text(f"{number} {word}", style) for number, word, style in kinds if number)
