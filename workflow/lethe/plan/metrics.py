"""Image metrics: the jobs that measure them, and what their table is made from."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from lethe.plan.study import Cell, Job, StudyPlan
from lethe.settings.options import as_options


class MetricPlan:
    """Of the studies that have ``metrics``."""

    def __init__(self, plans: Mapping[str, StudyPlan]) -> None:
        self.plans = {name: plan for name, plan in plans.items() if plan.study.metrics}

    @property
    def cells(self) -> list[Cell]:
        return [cell for plan in self.plans.values() for cell in plan.cells(plan.study.shown_rows)]

    def file(self, cell: Cell) -> str:
        return f"{self.plans[cell.study].folder(cell)}/metrics.csv"

    @property
    def records(self) -> list[str]:
        return [self.file(cell) for cell in self.cells]

    def beside(self, cell: Cell) -> dict[str, list[str]]:
        """What a measuring reads beside the images, by the option that takes it."""
        plan = self.plans[cell.study]
        return (
            {"--prompts": plan.prompts_files(cell)} if plan.kind == "text" else {"--held-out": [plan.data_file("test")]}
        )

    @functools.cache  # noqa: B019 - a plan lives as long as the process
    def job(self, cell: Cell) -> Job:
        plan = self.plans[cell.study]
        names = plan.study.metrics
        options = [
            plan.identity(cell),
            f"--metrics {' '.join(names)}",
            as_options(plan.study.measures),
            as_options(plan.sampling_of(cell), prefix="sampling."),
        ]
        modules = ["lethe.measure.metrics", "lethe.measure.__main__", *(f"lethe.metrics.{name}" for name in names)]
        real = [plan.data] if plan.kind == "class" else []
        inputs = plan.sample(plan.images_of(cell)), *real
        return plan.job("metrics", modules, " ".join(options), *inputs, merges=True)

    @property
    def options(self) -> list[str]:
        """Of the table's command."""
        rows = [
            f"{name}/{row}={plan.study.title(row)}"
            for name, plan in self.plans.items()
            for row in plan.study.shown_rows
        ]
        return ["--rows", *rows]

    def tables(self) -> list[str]:
        """The names of the tables."""
        return ["metrics"] if self.plans else []

    def figures(self) -> list[str]:
        return []

    def expected(self) -> dict[str, str]:
        return {self.file(cell): self.job(cell).fingerprint for cell in self.cells}
