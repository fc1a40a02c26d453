"""What a preset cost, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from lethe.plan import Plan
from lethe.report import ledger
from lethe.report.markup import Markup, element, joined, scrolling
from lethe.report.plain_table import table
from lethe.report.shelf import Shelf


def cost(plan: Plan, shelf: Shelf) -> Markup:
    stages, rows = ledger.by_stage(plan), ledger.by_row(plan, shelf)
    if not stages and not rows:
        return element("p", "There are neither benchmark files nor cost files.")
    devices = " ".join(sorted({word for row in rows for word in row.devices.split()})) or "unknown"
    return joined(_stages(stages, devices) if stages else None, _rows(rows) if rows else None)


def _stages(stages: Sequence[ledger.Cost], devices: str) -> Markup:
    seconds = sum(cost.seconds for cost in stages)
    has_energy = any(cost.joules is not None for cost in stages)
    lines = [
        [
            ledger.STAGES[cost.stage],
            f"{cost.jobs:,}",
            f"{cost.seconds:,.0f}",
            f"{cost.seconds / seconds:.0%}" if seconds else "",
            f"{cost.device_seconds:,.0f}" if cost.device_seconds else "",
            megabytes(cost.peak_bytes),
            "" if cost.images is None else f"{cost.images:,}",
            *[kilojoules(cost.joules)] * has_energy,
        ]
        for cost in stages
    ]
    peak = max((cost.peak_bytes for cost in stages if cost.peak_bytes is not None), default=None)
    total = [
        "all",
        f"{sum(cost.jobs for cost in stages):,}",
        f"{seconds:,.0f}",
        "100%",
        f"{sum(cost.device_seconds for cost in stages):,.0f}",
        megabytes(peak),
        f"{sum(cost.images or 0 for cost in stages):,}",
        *[""] * has_energy,
    ]
    heads = ["stage", "jobs", "seconds", "share", f"device seconds ({devices})", "peak memory, MiB", "images"]
    heads += ["energy, kJ"] * has_energy
    return joined(
        element("h3", "By stage"),
        scrolling("Cost by stage", table(heads, lines, total)),
        element(
            "p",
            "From Snakemake's benchmark files. Seconds are those of every job from start to end, added up: jobs that "
            "ran side by side count each. Device seconds are those of jobs that run a network, which hold their "
            "device. Peak memory is the largest resident memory seen in one job, too small for jobs of a second or "
            "two. A job that was run again counts once, with its last time."
            + " Energy is that of the GPU, of unlearnings that were not interrupted."
            * has_energy,
            class_="note",
        ),
    )


def _rows(rows: Sequence[ledger.RowCost]) -> Markup:
    has_energy = any(row.joules is not None for row in rows)
    lines = [
        [
            row.study,
            row.title,
            str(row.cells),
            f"{row.seconds:,.1f}",
            f"{row.steps:,.0f}",
            f"{row.passes:,.0f}",
            f"{row.forwards:,.0f}",
            megabytes(row.peak_bytes),
            megabytes(row.storage_bytes),
            *[kilojoules(row.joules)] * has_energy,
            row.devices,
        ]
        for row in rows
    ]
    heads = ["study", "row", "models", "seconds", "steps", "passes", "forwards", "peak memory, MiB", "stored, MiB"]
    heads += ["energy, kJ"] * has_energy
    marks = [{"data_study": row.study, "data_method": row.method} for row in rows]
    return joined(
        element("h3", "Unlearning by row"),
        scrolling("Cost of unlearning by row", table([*heads, "device"], lines, marks=marks, left=2)),
        element(
            "p",
            "From cost.json of each model, mean over the models of a row. Passes go through the network forward and "
            "backward, forwards only forward.",
            class_="note",
        ),
    )


def megabytes(size: float | None) -> str:
    return "" if size is None else f"{size / 2**20:,.0f}" if size >= 10 * 2**20 else f"{size / 2**20:,.1f}"


def kilojoules(joules: float | None) -> str:
    return "" if joules is None else f"{joules / 1000:,.2f}"
