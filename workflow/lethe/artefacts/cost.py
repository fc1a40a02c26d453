"""What unlearning cost each variant: time, memory, network passes, and the storage of its model, over targets and
seeds. Writes csv (full precision), Markdown and LaTeX."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lethe.artefacts import typeset
from lethe.artefacts.naming import cell_named, check_parallel, title_of, titles_of
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.rows import DDOF
from lethe.artefacts.typeset import NOTHING, Group, Table, Text, decimals_of, mean_and_std, span_of
from lethe.errors import LetheError
from lethe.files import read_json, write_rows, write_text
from lethe.measures.summary import Summary, summarise

TITLE = "what each variant cost: time, memory, network passes, storage"
COLUMNS = (
    *("study", "variant", "title", "quantity", "mean", "std", "ddof", "min", "max"),
    *("n_cells", "targets", "seeds", "devices", "formula"),
)


class Quantity(NamedTuple):
    """A key of cost.json; the table shows it in ``unit``."""

    name: str
    title: str
    unit: float = 1.0


QUANTITIES = (
    Quantity("seconds", "seconds"),
    Quantity("peak_memory_bytes", "peak memory, MB", 1e6),
    Quantity("steps", "steps"),
    Quantity("passes_per_step", "passes a step"),
    Quantity("forwards_per_step", "forwards a step"),
    Quantity("passes", "passes"),
    Quantity("forwards", "forwards"),
    Quantity("storage_bytes", "model, MB", 1e6),
)
ENERGY = Quantity("energy_joules", "energy, kJ", 1e3)
"""Of the device; only where its driver counts it."""


class Row(NamedTuple):
    """The costs of one variant's cells."""

    variant: str
    title: str
    targets: list[str]
    seeds: list[str]
    costs: list[Mapping[str, Any]]

    def summary(self, quantity: Quantity, unit: float = 1.0) -> Summary:
        return summarise([cost[quantity.name] / unit for cost in self.costs if quantity.name in cost], DDOF)

    def quantities(self) -> tuple[Quantity, ...]:
        return (*QUANTITIES, *[ENERGY] * any(ENERGY.name in cost for cost in self.costs))

    @property
    def devices(self) -> list[str]:
        return sorted({cost["device"] for cost in self.costs})


def read_cost(path: Path) -> dict[str, Any]:
    """What the unlearn stage wrote of one cell."""
    cost = read_json(path)
    names = {quantity.name for quantity in QUANTITIES} | {"device"}
    if missing := sorted(names - set(cost)):
        raise LetheError(f"{path}: it does not say '{missing[0]}'", "run the unlearn stage of this cell again")
    return cost


def rows_of(cells: Sequence[str], costs: Sequence[Path], titles: Mapping[str, str]) -> list[Row]:
    """One row for each variant that has cells, in the order of ``titles``."""
    check_parallel(cells, costs, "--costs")
    if len(set(cells)) < len(cells):
        twice = next(cell for cell in cells if list(cells).count(cell) > 1)
        raise LetheError(f"--cells: {twice} is there twice", "give each cell once")
    names = [cell_named(word) for word in cells]
    for name in names:
        title_of(titles, name.variant, "--variants")
    rows = []
    for variant, title in titles.items():
        own = [(name, path) for name, path in zip(names, costs, strict=True) if name.variant == variant]
        if not own:
            raise LetheError(f"there is no cost of the variant '{variant}'", "give its cells, or leave the row out")
        targets, seeds = (list(dict.fromkeys(part)) for part in zip(*((n.target, n.seed) for n, _ in own), strict=True))
        rows.append(Row(variant, title, targets, seeds, [read_cost(path) for _, path in own]))
    return rows


def csv_rows(study: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One line for each variant and quantity, in the units of cost.json."""
    lines = []
    for row in rows:
        for quantity in row.quantities():
            summary = row.summary(quantity)
            lines.append(
                {
                    "study": study,
                    "variant": row.variant,
                    "title": row.title,
                    "quantity": quantity.name,
                    "mean": summary.mean,
                    "std": summary.std,
                    "ddof": summary.ddof,
                    "min": summary.low,
                    "max": summary.high,
                    "n_cells": summary.n,
                    "targets": " ".join(row.targets),
                    "seeds": " ".join(row.seeds),
                    "devices": "; ".join(row.devices),
                    "formula": f"mean of '{quantity.name}' in the cost.json of {summary.n} models; ±: their sample "
                    f"standard deviation (ddof {DDOF})",
                }
            )
    return lines


def as_table(study: str, rows: Sequence[Row]) -> Table:
    devices = sorted({device for row in rows for device in row.devices})
    quantities = max((row.quantities() for row in rows), key=len)
    return Table(
        caption=f"What unlearning cost on {study}: mean ± standard deviation over targets and seeds.",
        label=f"tab:cost-{study}",
        groups=[Group("", 2 + len(quantities))],
        columns=["Method", "n", *(quantity.title for quantity in quantities)],
        blocks=[[_line(row, quantities) for row in rows]],
        notes=[
            f"n: cells, one for each target and seed. ±: sample standard deviation (ddof {DDOF}) over them, where they "
            "differ.",
            "passes: forward and backward through the network, over one batch of the method's own size; forwards: "
            "without a gradient (a teacher, a sampling). The totals also have what is done before the first step, such "
            "as a mask.",
            "peak memory: on a CPU that of the process, on a GPU what torch allocated. model: the whole folder.",
            *["energy: of the whole GPU by its driver's counter, of the runs that were not interrupted."]
            * (ENERGY in quantities),
            f"Device{'s' * (len(devices) > 1)}: {'; '.join(devices)}."
            + (" Seconds and memory of different devices do not compare." if len(devices) > 1 else ""),
        ],
    )


def _line(row: Row, quantities: Sequence[Quantity]) -> list[Text]:
    cells = [Text(row.title), Text(span_of([len(row.costs)]))]
    for quantity in quantities:
        if quantity not in row.quantities():
            cells.append(Text(NOTHING))
            continue
        summary = row.summary(quantity, quantity.unit)
        whole = summary.low == summary.high and summary.mean.is_integer()
        std = summary.std if summary.high > summary.low else None
        cells.append(Text(mean_and_std(summary.mean, std, 0 if whole else decimals_of(summary.mean))))
    return cells


def main(arguments: argparse.Namespace) -> None:
    rows = rows_of(arguments.cells, arguments.costs, titles_of(arguments.variants, "--variants"))
    table = as_table(arguments.study, rows)
    write_rows(arguments.csv, COLUMNS, csv_rows(arguments.study, rows))
    write_text(arguments.markdown, typeset.as_markdown(table))
    write_text(arguments.tex, typeset.as_latex(table))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cells", nargs="+", required=True, metavar="VARIANT/TARGET/SEED", help="the cells, in the order of --costs"
    )
    parser.add_argument("--costs", type=Path, nargs="+", required=True, metavar="JSON", help="cost.json of each cell")
    parser.add_argument(
        "--variants", nargs="+", required=True, metavar="NAME=TITLE", help="the rows, in this order, and their titles"
    )
    parser.add_argument("--study", required=True, help="the study that the cells are of")
    add_table_outputs(parser)
