"""What a preset cost, as tables whose numbers say how they were added up."""

from __future__ import annotations

from collections.abc import Sequence

from lethe.plan import Plan
from lethe.report import ledger
from lethe.report.markup import Child, Markup, element, joined, scrolling
from lethe.report.numbers import Numbers
from lethe.report.plain_table import table
from lethe.report.shelf import Shelf
from lethe.stages import STAGES

_JOBS = "of each job from start to end (benchmark files of Snakemake)"
_ENERGY = "sum over unlearnings that were not interrupted, of the GPU's counter (energy_joules in cost.json)"


def cost(plan: Plan, shelf: Shelf, numbers: Numbers) -> Markup:
    stages, rows = ledger.by_stage(plan), ledger.by_row(plan, shelf)
    if not stages and not rows:
        return element("p", "There are neither benchmark files nor cost files.")
    devices = " ".join(sorted({word for row in rows for word in row.devices.split()})) or "unknown"
    return joined(_stages(stages, devices, numbers) if stages else None, _rows(rows, numbers) if rows else None)


def _stages(stages: Sequence[ledger.Cost], devices: str, numbers: Numbers) -> Markup:
    whole = ledger.total(stages)
    has_energy = whole.joules is not None
    heads = ["stage", "jobs", "seconds", "share", f"device seconds ({devices})", "peak memory, MiB", "images"]
    heads += ["energy, kJ"] * has_energy
    lines = [_stage(STAGES[cost.stage], cost, whole, numbers) for cost in stages]
    return joined(
        element("h3", "By stage"),
        scrolling("Cost by stage", table(heads, lines, _stage("all", whole, whole, numbers))),
        element(
            "p",
            "From Snakemake's benchmark files. Seconds are those of every job from start to end, added up: jobs that "
            "ran side by side count each. Device seconds are those of jobs that run a network, which hold their "
            "device. Peak memory is the largest resident memory seen in one job, too small for jobs of a second or "
            "two. A job that was run again counts once, with its last time.",
            class_="note",
        ),
    )


def _stage(title: str, cost: ledger.Cost, whole: ledger.Cost, numbers: Numbers) -> list[Child]:
    seconds, has_energy = whole.seconds, whole.joules is not None
    over = f"over {cost.jobs:,} jobs"
    share = cost.seconds / seconds if seconds else None
    told: list[tuple[str, float | None, str, str]] = [
        ("jobs", cost.jobs, f"{cost.jobs:,}", "number of benchmark files"),
        ("seconds", cost.seconds, f"{cost.seconds:,.0f}", f"sum {over}, {_JOBS}"),
        ("share", share, "" if share is None else f"{share:.0%}", "seconds of the stage by those of all stages"),
        (
            "device seconds",
            cost.device_seconds or None,
            f"{cost.device_seconds:,.0f}",
            f"sum over the jobs that run a network, {_JOBS}",
        ),
        ("peak memory, bytes", cost.peak_bytes, megabytes(cost.peak_bytes), f"largest resident memory {over}"),
        ("images", cost.images, f"{cost.images:,}" if cost.images is not None else "", "images in the stage's files"),
        *[("energy, joules", cost.joules, kilojoules(cost.joules), _ENERGY)] * has_energy,
    ]
    cells: list[Child] = [title]
    for metric, value, words, formula in told:
        number = {"of": title, "metric": metric, "value": value, "more": [["made as", formula]], "file": "benchmarks/"}
        cells.append("" if value is None else numbers.button(words, numbers.add(number)))
    return cells


def _rows(rows: Sequence[ledger.RowCost], numbers: Numbers) -> Markup:
    heads = ["study", "row", "models", "seconds", "steps", "passes", "forwards", "peak memory, MiB", "stored, MiB"]
    has_energy = any(row.joules is not None for row in rows)
    heads += ["energy, kJ"] * has_energy
    marks = [{"data_study": row.study, "data_method": row.method} for row in rows]
    lines = [_row(row, numbers, has_energy) for row in rows]
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


def _row(row: ledger.RowCost, numbers: Numbers, has_energy: bool) -> list[Child]:
    told = {
        "seconds": (row.seconds, f"{row.seconds:,.1f}"),
        "steps": (row.steps, f"{row.steps:,.0f}"),
        "passes": (row.passes, f"{row.passes:,.0f}"),
        "forwards": (row.forwards, f"{row.forwards:,.0f}"),
        "peak_memory_bytes": (row.peak_bytes, megabytes(row.peak_bytes)),
        "storage_bytes": (row.storage_bytes, megabytes(row.storage_bytes)),
    }
    if has_energy:
        told["energy_joules"] = (row.joules, kilojoules(row.joules))
    cells: list[Child] = [row.study, row.title, str(row.cells)]
    for metric, (value, words) in told.items():
        more = [["made as", f"mean of '{metric}' in the cost.json of {row.cells} models"], ["device", row.devices]]
        number = {"of": row.title, "study": row.study, "metric": metric, "value": value, "more": more}
        number |= {"file": "cost.json of each model"}
        cells.append("" if value is None else numbers.button(words, numbers.add(number)))
    return [*cells, row.devices]


def megabytes(size: float | None) -> str:
    return "" if size is None else f"{size / 2**20:,.0f}" if size >= 10 * 2**20 else f"{size / 2**20:,.1f}"


def kilojoules(joules: float | None) -> str:
    return "" if joules is None else f"{joules / 1000:,.2f}"
