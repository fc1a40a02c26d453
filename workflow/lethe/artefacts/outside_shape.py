"""The shape of table ``outside``: what each row leaves and keeps, target by target; and the comparison of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lethe.artefacts.outside_numbers import COLUMNS, COMPARED, FORGET, RETAIN, Outside, Verdict
from lethe.artefacts.typeset import NOTHING, Group, Table, Text, number
from lethe.measures.bootstrap import Estimate

_DIGITS = 3
_MEANING = {"left": "concept left ↓", "CER": "CER ↑", "AS": "AS without the concept ↑"}


def as_table(
    study: str, titles: Mapping[str, str], controls: Sequence[str], targets: Mapping[str, str], shown: Sequence[Outside]
) -> Table:
    sets = {"left": FORGET, "CER": FORGET, "AS": RETAIN}
    return Table(
        caption=f"Inside and outside the unlearning set ({study}): what is left of the concept, and what is kept.",
        label=f"tab:outside-{study}",
        groups=[Group("", 1), *(Group(words, len(sets[quantity])) for quantity, words in _MEANING.items())],
        columns=["Method", *((FORGET | RETAIN)[column.prompts] for column in COLUMNS)],
        blocks=[
            [
                [Text(targets[target.name], bold=True), *[Text("")] * len(COLUMNS)],
                *(
                    [Text(titles[name], italic=name in controls), *(_cell(target.estimate(name, c)) for c in COLUMNS)]
                    for name in titles
                    if name in target.seeds
                ),
            ]
            for target in shown
        ],
        notes=_notes(shown),
        fitted=True,
    )


def _cell(estimate: Estimate | None) -> Text:
    if estimate is None:
        return Text(NOTHING)
    value = number(estimate.value, _DIGITS)
    if estimate.low is None or estimate.high is None:
        return Text(value)
    return Text(f"{value} [{number(estimate.low, _DIGITS)}, {number(estimate.high, _DIGITS)}]")


def comparison(
    study: str, titles: Mapping[str, str], targets: Mapping[str, str], verdicts: Mapping[str, Sequence[Verdict]]
) -> Table:
    return Table(
        caption=f"On prompts outside the unlearning set (other phrasings; {study}): the first row less the second.",
        label=f"tab:outside-{study}-paired",
        groups=[Group("", 1 + len(COMPARED) + 1)],
        columns=["Comparison", *(_MEANING[column.quantity] for column in COMPARED), "the first is"],
        blocks=[
            [
                [Text(targets[target], bold=True), *[Text("")] * (len(COMPARED) + 1)],
                *(
                    [
                        Text(f"{titles[verdict.first]} vs {titles[verdict.second]}"),
                        *(_cell(verdict.differences[column]) for column in COMPARED),
                        Text(verdict.words),
                    ]
                    for verdict in found
                ),
            ]
            for target, found in verdicts.items()
        ],
        notes=[
            *summaries(titles, targets, verdicts),
            "Differences are paired by prompt and seed of the image, with bootstrap intervals over prompts. better, "
            "worse: an interval lies on one side of zero (or all prompts differ alike); nothing is corrected for the "
            "number of comparisons. Intervals hold the training runs fixed: other training seeds may say otherwise.",
        ],
    )


_SAID = {
    "better": "better than",
    "worse": "worse than",
    "no difference": "no different from",
    "better in one, worse in another": "better in one and worse in another than",
}


def summaries(
    titles: Mapping[str, str], targets: Mapping[str, str], verdicts: Mapping[str, Sequence[Verdict]]
) -> list[str]:
    """One line for each target and compared row: than which rows it is better, worse, or neither."""
    lines = []
    for target, found in verdicts.items():
        for first in dict.fromkeys(verdict.first for verdict in found):
            by_words: dict[str, list[str]] = {}
            for verdict in found:
                if verdict.first == first:
                    by_words.setdefault(verdict.words, []).append(titles[verdict.second])
            said = "; ".join(f"{_SAID[words]} {', '.join(rows)}" for words, rows in by_words.items())
            lines.append(f"Outside the unlearning set of {targets[target]}, {titles[first]} is {said}.")
    return lines


def _notes(shown: Sequence[Outside]) -> list[str]:
    confidence = " and ".join(sorted({f"{100 * target.confidence:g} %" for target in shown}))
    counts = {
        words: "/".join(str(n) for n in sorted({target.resampled[name].count for target in shown}))
        for name, words in (FORGET | RETAIN).items()
    }
    seeds = sorted({count for target in shown for count in target.seeds.values()})
    judges = dict.fromkeys(judge.words for target in shown for judge in target.judges.values())
    return [
        "seen prompts: those of D_f (methods that learn from anchor images see others of the same words, with one name "
        "of the concept); held-out words: the same sentences with words that no method sees; other phrasings: "
        "sentences that no method sees, with held-out words.",
        "concept left: share of the images of prompts with the concept in which the attribute judge recognises it, or "
        "the detector finds it. CER: share of these images that are not nearer to the concept's name than to the "
        "anchor's. AS: mean cosine of image and prompt, on prompts without the concept.",
        f"In brackets: {confidence} BCa bootstrap intervals over prompts "
        f"({', '.join(f'{words} {count}' for words, count in counts.items())}), none where all prompts are alike; they "
        f"hold the training runs fixed. Mean over training seeds ({', '.join(map(str, seeds))} a row).",
        f"Judges: {'; '.join(judges)}. Italic: controls.",
    ]
