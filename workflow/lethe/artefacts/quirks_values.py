"""What the table quirks is made of: for each row and quantity the records of both evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from lethe.artefacts.alignment_entries import set_title
from lethe.artefacts.rows import DDOF, of_one_study
from lethe.errors import LetheError
from lethe.measures.summary import Summary, summarise
from lethe.record import Record


class Pair(NamedTuple):
    """A row, and the row of the same method that is evaluated as released."""

    row: str
    released: str
    title: str


class Quantity(NamedTuple):
    """A number: the metric that is fixed, and those that may be its counterpart as released, the first that is there;
    on a prompt set, "" in a class study."""

    title: str
    better: Literal["higher", "lower"]
    fixed: str
    released: tuple[str, ...]
    prompts: str = ""

    @property
    def heading(self) -> str:
        return f"{self.title} {'↑' if self.better == 'higher' else '↓'}"


OF_CLASSES = (
    Quantity("UA", "higher", "UA", ("UA",)),
    Quantity("RA", "higher", "RA", ("RA",)),
    Quantity("FD", "lower", "FD", ("FD_as_released",)),
    Quantity("FID", "lower", "FID", ("FID_reference", "FID_as_released")),
)


def of_text(counted: str | None) -> tuple[Quantity, ...]:
    """``counted`` is the set whose images' detections are counted, None where the detector does not know the target."""
    aligned = [
        Quantity(f"AS, {set_title(name)}", "higher", "AS", ("AS_as_released",), name)
        for name in ("retain_train", "retain_test")
    ]
    if counted is None:
        return tuple(aligned)
    where = set_title(counted)
    return (
        *aligned,
        Quantity(f"detections, {where}", "lower", "detections", ("detections",), counted),
        Quantity(f"of all labels, {where}", "lower", "detections_all", ("detections_all",), counted),
    )


@dataclass(frozen=True)
class Values:
    """The records of a number in both evaluations, over targets and training seeds."""

    fixed: Sequence[Record]
    released: Sequence[Record]

    @property
    def fixed_summary(self) -> Summary:
        return summarise([record.value for record in self.fixed], DDOF)

    @property
    def released_summary(self) -> Summary:
        return summarise([record.value for record in self.released], DDOF)


@dataclass(frozen=True)
class Block:
    """One target of a text study, or a class study over all its targets (``target`` ""): what was measured in both
    ways, by row and quantity."""

    target: str
    title: str
    values: Mapping[tuple[Pair, Quantity], Values]


@dataclass(frozen=True)
class Study:
    name: str
    pairs: Sequence[Pair]
    blocks: Sequence[Block]

    @property
    def quantities(self) -> list[Quantity]:
        """All that any row was measured in, without regard to the prompt set of its detections."""
        return list(dict.fromkeys(quantity for block in self.blocks for _, quantity in block.values))

    @property
    def records(self) -> list[Record]:
        every = (v for block in self.blocks for v in block.values.values())
        return [record for values in every for record in (*values.fixed, *values.released)]


def study_of(
    records: Sequence[Record],
    name: str,
    pairs: Sequence[Pair],
    titles: Mapping[tuple[str, str], str],
    counted: Mapping[tuple[str, str], str],
) -> Study:
    own = of_one_study(records, name)
    if any(record.prompts for record in own):
        targets = [target for study, target in titles if study == name]
        blocks = [
            _block(own, pairs, target, titles[name, target], of_text(counted.get((name, target)))) for target in targets
        ]
    else:
        blocks = [_block(own, pairs, "", "", OF_CLASSES)]
    blocks = [block for block in blocks if block.values]
    if not blocks:
        raise LetheError(f"no row of {name} was evaluated in both ways", "measure the cells of both rows of a pair")
    return Study(name, pairs, blocks)


def _block(
    records: Sequence[Record], pairs: Sequence[Pair], target: str, title: str, quantities: Sequence[Quantity]
) -> Block:
    values = {}
    for pair in pairs:
        for quantity in quantities:
            fixed = _records(records, pair.row, target, quantity.prompts, (quantity.fixed,))
            released = _records(records, pair.released, target, quantity.prompts, quantity.released)
            cells = [{(record.target, record.seed) for record in side} for side in (fixed, released)]
            if cells[0] != cells[1] and all(cells):
                raise LetheError(
                    f"{pair.row} and {pair.released} have {quantity.fixed} of different targets or seeds",
                    "measure the same cells of both",
                )
            if all(cells):
                values[pair, quantity] = Values(fixed, released)
    return Block(target, title, values)


def _records(
    records: Sequence[Record], variant: str, target: str, prompts: str, metrics: Sequence[str]
) -> list[Record]:
    own = [r for r in records if r.variant == variant and r.prompts == prompts and target in ("", r.target)]
    for metric in metrics:
        if found := [record for record in own if record.metric == metric]:
            return found
    return []
