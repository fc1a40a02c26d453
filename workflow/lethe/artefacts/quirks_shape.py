"""The shape of the table quirks: a pair of columns a quantity, a block of rows a target."""

from __future__ import annotations

from collections.abc import Iterable

from lethe.artefacts.quirks_values import Block, Pair, Quantity, Study, Values
from lethe.artefacts.rows import DDOF
from lethe.artefacts.typeset import NOTHING, Group, Table, Text, decimals_of, mean_and_std
from lethe.measures.summary import Summary
from lethe.methods import is_control


def as_table(study: Study) -> Table:
    quantities = study.quantities
    width = 2 + 2 * len(quantities)
    blocks = []
    for block in study.blocks:
        heading = [[Text(block.title, bold=True), *[Text("")] * (width - 1)]] if block.title else []
        rows = [pair for pair in study.pairs if any((pair, quantity) in block.values for quantity in quantities)]
        blocks.append([*heading, *(_line(pair, block, quantities) for pair in rows)])
    return Table(
        caption=f"The same models under our evaluation and under the released one ({study.name}).",
        label=f"tab:quirks-{study.name}",
        groups=[Group("", 2), *(Group(quantity.heading, 2) for quantity in quantities)],
        columns=["Method", "n", *["fixed", "as released"] * len(quantities)],
        blocks=blocks,
        notes=_notes(study),
        fitted=width > 10,
    )


def _line(pair: Pair, block: Block, quantities: Iterable[Quantity]) -> list[Text]:
    found = [block.values.get((pair, quantity)) for quantity in quantities]
    (some, *_) = [values for values in found if values is not None]
    cells = [Text(pair.title, italic=is_control(some.fixed[0].method)), Text(str(len(some.fixed)))]
    for values in found:
        cells += _both(values)
    return cells


def _both(values: Values | None) -> list[Text]:
    if values is None:
        return [Text(NOTHING), Text(NOTHING)]
    sides = values.fixed_summary, values.released_summary
    whole = values.fixed[0].metric.startswith("detections")
    digits = min(decimals_of(side.mean) for side in sides)
    return [_number(side, whole, digits) for side in sides]


def _number(summary: Summary, whole: bool, digits: int) -> Text:
    """A count as it is, anything else in as many digits on both sides."""
    if whole and summary.n == 1:
        return Text(f"{summary.mean:g}")
    return Text(mean_and_std(summary.mean, summary.std, 1 if whole else digits))


def _notes(study: Study) -> list[str]:
    sides = {"fixed": "Fixed", "released": "As released"}
    notes = []
    for side, words in sides.items():
        every = [r for block in study.blocks for values in block.values.values() for r in getattr(values, side)]
        looks = _distinct(f"{record.metric}: {record.features}" for record in every if record.features)
        references = _distinct(f"{r.metric} to {r.reference}" for r in every if r.reference)
        samplers = _distinct(record.sampler for record in every)
        notes.append(f"{words}: {'. '.join(filter(None, (looks, references, f'Images: {samplers}')))}.")
    notes += [
        "Both are of the same models, but for rows whose method has released quirks of its own. As released, images "
        "have other seeds in each run, so the numbers of that side vary from run to run.",
        f"n: training seeds, or cells (target and seed) of a class study; ±: sample standard deviation (ddof {DDOF}) "
        "over them, none for one. Italic: controls.",
        f"Judges: {_distinct(f'{r.judge}, sha256 {r.judge_sha256[:12]}' for r in study.records)}.",
    ]
    return notes


def _distinct(words: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(words))
