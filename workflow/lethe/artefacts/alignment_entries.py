"""What Tables 2, 4 and 8 are made of: for each target, row and column our number, what it lost, and the paper's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from lethe.artefacts.published import Published
from lethe.artefacts.rows import check_judged_alike
from lethe.artefacts.text_rows import Cell, TextRecords, summary_of
from lethe.artefacts.typeset import number
from lethe.errors import LetheError, nearest
from lethe.measures.summary import Summary
from lethe.prompts import LISTED


class Column(NamedTuple):
    """A number that every row has; ``published`` is its name among the paper's values, None where they lack it."""

    prompts: str
    metric: str
    title: str
    better: Literal["higher", "lower"]
    published: str | None = None


SETS = {"retain_train": "D_r,train", "retain_test": "D_r,test", "forget_test": "D_f,test"}
ALIGNMENT = (
    Column("retain_train", "AS", f"{SETS['retain_train']} ↑", "higher", "AS_train"),
    Column("retain_test", "AS", f"{SETS['retain_test']} ↑", "higher", "AS_test"),
)
SEEN = {name: Column("forget_test", name, f"{name} ↓", "lower") for name in ("detected", "recognised", "CS")}
SEEN["CER"] = Column("forget_test", "CER", "CER ↑", "higher")
KEPT = Column("forget_test", "kept:all", "kept ↑", "higher")


def set_title(prompts: str) -> str:
    """A prompt set as tables call it: ``D_f,test``, or ``I2P`` of a listed one."""
    return SETS.get(prompts) or prompts.removeprefix(LISTED).upper()


class Row(NamedTuple):
    """A row: a variant, the name of the paper's row beside it ("" for none), and the size of D_r where it is known."""

    variant: str
    title: str
    method: str
    is_control: bool
    published: str
    size: int | None

    @property
    def published_size(self) -> int | None:
        """The size of D_r that the name of the paper's row ends with, as in rgd_400."""
        found = re.search(r"_(\d+)$", self.published)
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Entry:
    """A number of ours by seed, and its difference to the base (empty where it was not measured); and the paper's."""

    cell: Cell
    difference: Cell
    paper: float | None
    paper_loss: float | None

    @property
    def summary(self) -> Summary:
        return summary_of(self.cell)

    @property
    def loss(self) -> Summary | None:
        """The base's value minus this one, as the paper prints it: positive = lost."""
        return summary_of(self.difference, -1) if self.difference else None


@dataclass(frozen=True)
class Shown:
    """A target: its entries by variant and column, those of our own columns that any row has, and the paper's ``task``
    that stands beside it ("" for none)."""

    name: str
    title: str
    task: str
    own: Sequence[Column]
    entries: Mapping[tuple[str, Column], Entry]

    @property
    def columns(self) -> list[Column]:
        return [*ALIGNMENT, *self.own]

    def best(self, rows: Sequence[Row], column: Column, digits: int) -> str:
        """The best mean of a method as printed, so that means that print alike share it; "" without any."""
        entries = [self.entries[row.variant, column] for row in rows if not row.is_control]
        means = [entry.summary.mean for entry in entries if entry.cell]
        if not means:
            return ""
        return number(max(means) if column.better == "higher" else min(means), digits)


def rows_of(
    records: TextRecords, titles: Mapping[str, str], published_rows: Mapping[str, str], sizes: Mapping[str, int]
) -> list[Row]:
    """A row for each title. The paper's row has the variant's name, unless ``published_rows`` gives another."""
    for option, named in (("--published-rows", published_rows), ("--sizes", sizes)):
        for variant in named:
            if variant not in titles:
                raise LetheError(f"{option} {variant}: not among the rows", nearest(variant, titles))
    return [
        Row(
            variant,
            title,
            records.method(variant),
            records.is_control(variant),
            published_rows.get(variant, variant),
            sizes.get(variant),
        )
        for variant, title in titles.items()
    ]


def shown_target(
    records: TextRecords,
    rows: Sequence[Row],
    name: str,
    title: str,
    task: str,
    published: Mapping[tuple[str, str], Published],
    seen_by: Column,
) -> Shown:
    """The entries of one target. ``published`` are the paper's values of ``task`` by (row, column), empty for none."""
    columns = (*ALIGNMENT, seen_by, KEPT)
    entries = {
        (row.variant, column): _entry(records, row, name, column, published) for column in columns for row in rows
    }
    for column in columns:
        measured = [record for row in rows for record in entries[row.variant, column].cell.values()]
        check_judged_alike(f"{column.metric} of {name}", measured)
    own = [column for column in (seen_by, KEPT) if any(entries[row.variant, column].cell for row in rows)]
    return Shown(name, title, task, own, entries)


def _entry(
    records: TextRecords, row: Row, target: str, column: Column, published: Mapping[tuple[str, str], Published]
) -> Entry:
    difference = records.cell(row.variant, target, column.prompts, "AS_difference") if column.metric == "AS" else {}
    base, own = (published.get((name, column.published or "")) for name in ("base", row.published))
    return Entry(
        cell=records.cell(row.variant, target, column.prompts, column.metric),
        difference=difference,
        paper=None if own is None else own.value,
        # Of two numbers with three decimals.
        paper_loss=None if own is None or base is None or row.published == "base" else round(base.value - own.value, 6),
    )
