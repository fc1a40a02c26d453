"""Records of a text study as the numbers of a table: one for each row, target, prompt set and metric, over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lethe.artefacts.rows import DDOF
from lethe.errors import LetheError, nearest
from lethe.measures.summary import Summary, summarise
from lethe.methods import is_control
from lethe.record import Record

Cell = dict[int, Record]
"""One number of a table: its record for each training seed."""


class TextRecords:
    """Records by variant, target, prompt set and metric."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._cells: dict[tuple[str, str, str, str], Cell] = {}
        self._methods: dict[str, str] = {}
        self._targets: set[str] = set()
        for record in records:
            cell = self._cells.setdefault((record.variant, record.target, record.prompts, record.metric), {})
            if record.seed in cell:
                raise LetheError(
                    f"two records of {record.metric} on {record.prompts} for {record.variant}, target {record.target}, "
                    f"seed {record.seed}",
                    "give each record file once",
                )
            cell[record.seed] = record
            method = self._methods.setdefault(record.variant, record.method)
            if method != record.method:
                raise LetheError(
                    f"the variant '{record.variant}' has records of several methods: {method}, {record.method}",
                    "measure its cells again: they are of different runs",
                )
            self._targets.add(record.target)

    def cell(self, variant: str, target: str, prompts: str, metric: str) -> Cell:
        """By training seed, in their order; empty where it was not measured."""
        return dict(sorted(self._cells.get((variant, target, prompts, metric), {}).items()))

    def method(self, variant: str) -> str:
        if variant not in self._methods:
            raise LetheError(f"there is no record of the variant '{variant}'", nearest(variant, sorted(self._methods)))
        return self._methods[variant]

    def is_control(self, variant: str) -> bool:
        return is_control(self.method(variant))

    def check_targets(self, targets: Sequence[str]) -> None:
        """LetheError for a target that no record is of."""
        for target in targets:
            if target not in self._targets:
                raise LetheError(f"there is no record of the target '{target}'", nearest(target, sorted(self._targets)))


def summary_of(cell: Cell, sign: int = 1) -> Summary:
    """Of the values times ``sign`` over training seeds, each weighing alike."""
    return summarise([sign * record.value for record in cell.values()], DDOF)
