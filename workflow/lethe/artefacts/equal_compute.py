"""Which variant stands for each row at equal compute: its twin, or itself where its own compute is that already."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lethe.artefacts.naming import cell_named, check_parallel, titles_of
from lethe.artefacts.typeset import NOTHING, Text, span_of
from lethe.errors import LetheError, nearest
from lethe.files import read_json
from lethe.measures.compute import FORWARDS_OF_A_PASS, Compute, compute_of

HEADING = "at equal compute"
CSV_COLUMNS = ("at", "compute", "steps_min", "steps_max")
COLUMN = "examples"
_KEYS = ("steps", "batch", "passes", "forwards", "passes_per_step", "forwards_per_step")

Computes = Mapping[str, Mapping[tuple[str, str], Compute]]
"""By variant, then by (target, seed)."""


@dataclass(frozen=True)
class EqualCompute:
    """``variants`` has for each row the variant that has the compute of ``to``; ``without`` are the rows with none."""

    to: str
    variants: Mapping[str, str]
    without: Sequence[str]
    tolerance: float
    computes: Computes

    def examples(self, variant: str) -> float | None:
        """The mean over its cells; None for what takes no steps."""
        cells = self.computes.get(variant, {})
        return sum(compute.total for compute in cells.values()) / len(cells) if cells else None

    def steps(self, variant: str) -> list[int]:
        return [compute.steps for compute in self.computes.get(variant, {}).values()]

    def shown(self, variant: str) -> Text:
        """The cell of the column :data:`COLUMN`."""
        examples = self.examples(variant)
        return Text(NOTHING if examples is None else f"{examples:,.0f}")

    def titles(self, rows: Mapping[str, str]) -> dict[str, str]:
        """The variants that stand at equal compute, in the order of the rows (name to title), with their steps."""
        return {
            variant: f"{title}, {span_of(self.steps(variant))} steps"
            for row, title in rows.items()
            if (variant := self.variants.get(row)) is not None
        }

    def csv_columns(self, variant: str, is_equal: bool) -> dict[str, object]:
        line: dict[str, object] = {"at": HEADING if is_equal else "equal steps"}
        if steps := self.steps(variant):
            line |= {"compute": self.examples(variant), "steps_min": min(steps), "steps_max": max(steps)}
        return line

    def notes(self, titles: Mapping[str, str]) -> list[str]:
        wanted = self.examples(self.to)
        allowed = f", or {100 * self.tolerance:g} % of it" if self.tolerance else ""
        without = "; ".join(titles[row] for row in self.without if row in titles)
        return [
            f"{COLUMN}: through the network forward and backward, as measured; one through it forward only counts "
            f"1/{FORWARDS_OF_A_PASS}, since a backward pass counts as two forwards. What is done before the first step "
            "is in it. Mean over the cells.",
            f"{HEADING[0].upper()}{HEADING[1:]}: each method with the number of steps that takes it to the "
            f"{wanted:,.0f} examples of {titles.get(self.to, self.to)}, within one step{allowed}; a method whose "
            "compute is that already stands there as it is."
            + (f" Without a run at this compute: {without}." if without else ""),
        ]


def read_computes(cells: Sequence[str], costs: Sequence[Path]) -> Computes:
    """What the cells (variant/target/seed) took, from their cost.json, given in the same order."""
    check_parallel(cells, costs, "--costs")
    computes: dict[str, dict[tuple[str, str], Compute]] = {}
    for name, path in zip(map(cell_named, cells), costs, strict=True):
        of_variant = computes.setdefault(name.variant, {})
        if name[1:] in of_variant:
            raise LetheError(f"--cells: {'/'.join(name)} is there twice", "give each cell once")
        of_variant[name[1:]] = read_compute(path)
    return computes


def read_compute(path: Path) -> Compute:
    cost = read_json(path)
    for key in _KEYS:
        if not cost.get(key) and not key.startswith("forwards"):
            raise LetheError(f"{path}: it does not say '{key}'", "give the cost.json of a method, or unlearn it again")
    return compute_of(cost)


def equal_compute(
    computes: Computes, rows: Iterable[str], to: str, twins: Mapping[str, str], tolerance: float
) -> EqualCompute:
    """Choose the variant of each row. A twin whose compute is not that of ``to`` in a cell is a LetheError that says
    how many steps would fit; rows that took no steps (controls) are left out."""
    if to not in computes:
        raise LetheError(f"there is no cost of the variant '{to}'", nearest(to, computes))
    variants, without = {}, []
    for row in rows:
        if row in twins:
            _check_twin(computes, row, twins[row], to, tolerance)
            variants[row] = twins[row]
        elif row in computes:
            if not _unequal_cells(computes, row, to, tolerance):
                variants[row] = row
            else:
                without.append(row)
    return EqualCompute(to, variants, without, tolerance, computes)


def _unequal_cells(computes: Computes, variant: str, to: str, tolerance: float) -> list[tuple[str, str]]:
    own, wanted = computes[variant], computes[to]
    for cell in own:
        if cell not in wanted:
            raise LetheError(
                f"'{variant}' has target {cell[0]}, seed {cell[1]}, but '{to}' has not", "compare it with another row"
            )
    return [cell for cell, compute in own.items() if not compute.is_near(wanted[cell].total, tolerance)]


def _check_twin(computes: Computes, row: str, twin: str, to: str, tolerance: float) -> None:
    if twin not in computes:
        raise LetheError(f"there is no cost of the variant '{twin}', the twin of '{row}'", nearest(twin, computes))
    for cell in _unequal_cells(computes, twin, to, tolerance):
        compute, wanted = computes[twin][cell], computes[to][cell].total
        raise LetheError(
            f"'{twin}', the twin of '{row}', took {compute.total:,.0f} examples in {compute.steps} steps on target "
            f"{cell[0]}, seed {cell[1]}, and '{to}' took {wanted:,.0f}: they differ by more than one step "
            f"({compute.step:,.1f} examples)",
            f"give '{twin}' steps: {compute.fitting_steps(wanted)}",
        )


def from_options(arguments: argparse.Namespace, rows: Iterable[str]) -> EqualCompute | None:
    """What the options of a table say; None where it shows no equal compute."""
    if arguments.equal_to is None:
        return None
    computes = read_computes(arguments.cells, arguments.costs)
    twins = titles_of(arguments.twins, "--twins")
    return equal_compute(computes, rows, arguments.equal_to, twins, arguments.tolerance)


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("equal compute", "a second block of rows; --records has the twins' records too")
    group.add_argument("--equal-to", metavar="NAME", help="the row whose compute the others are given [no such block]")
    group.add_argument("--twins", nargs="+", default=[], metavar="NAME=TWIN", help="the twins of rows [none]")
    group.add_argument("--tolerance", type=float, default=0.0, help="share of the compute that a twin may be off [0]")
    group.add_argument(
        "--cells", nargs="+", default=[], metavar="VARIANT/TARGET/SEED", help="the cells, in the order of --costs"
    )
    group.add_argument("--costs", type=Path, nargs="+", default=[], metavar="JSON", help="cost.json of each cell")
