"""The prompts of a text study: ``python -m lethe.prompts`` writes the forget and retain prompts of one concept.

The rule is the RGD paper's (section 3, appendix D). Sentences are drawn without repetition from the grid of templates
and words; the concept's word is drawn on top. A retain prompt is the forget prompt without that word (and its space);
where the concept has ``others``, retain prompts are sentences drawn on their own, with one of them in its place. The
article stays "A" whatever follows, as in the paper's published files.

A concept with an anchor has aligned anchor and target prompts besides, as DoCo and Concept Ablation learn from; one
with other phrasings or with neighbours has prompts of these, of the words of test. Prompts that somebody else has
listed are taken as they stand.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lethe.cli import command
from lethe.errors import LetheError, nearest
from lethe.files import write_rows
from lethe.listed import listed_prompts
from lethe.randomness import derived_seed
from lethe.rewriting import target_prompt
from lethe.settings.concept import LEAVABLE, SLOT, Concept, Vocabulary, load_concept
from lethe.settings.options import add_options, from_options

SETS = ("forget_train", "retain_train", "forget_test", "retain_test", "forget_uniform", "retain_uniform")
ANCHORED = ("anchor_train", "target_train")
OUTSIDE = ("forget_outside", "retain_outside")
NEIGHBOUR = "neighbour_"
"""What the sets of prompts of neighbours begin with; their names follow."""
LISTED = "listed_"
"""The same of sets that somebody else has listed: their prompts may repeat, and may be too long for a text encoder."""


class PromptRow(NamedTuple):
    """A row of a prompt file: the ``number`` of its pair in its ``set``, and what it says besides the concept. ``seed``
    and ``guidance`` are None where its images are drawn like all others."""

    set: str
    number: int
    prompt: str
    expects: dict[str, str]
    seed: int | None = None
    guidance: float | None = None


class _Sentence(NamedTuple):
    """A template and a word for each of its dimensions; as a prompt it comes with these words, its expectations."""

    template: str
    words: dict[str, str]

    def naming(self, name: str) -> tuple[str, dict[str, str]]:
        return self.template.format(**self.words, **{SLOT: name}), self.words

    def leaving_out(self) -> tuple[str, dict[str, str]]:
        return LEAVABLE.sub("", self.template).format(**self.words), self.words


def prompt_rows(concept: Concept) -> list[PromptRow]:
    """All prompts of a concept, set after set. More pairs only add rows: the first n of any draw are the draw of n."""
    rows: list[PromptRow] = []
    for part in ("train", "test"):
        for side, prompts in zip(("forget", "retain"), _sides(concept, part), strict=True):
            rows += [PromptRow(f"{side}_{part}", number, *prompt) for number, prompt in enumerate(prompts)]
    rows += [PromptRow(name, 0, prompt, {}) for name, prompt in zip(SETS[4:], concept.uniform, strict=True)]
    for name, prompts in _more_sets(concept):
        rows += [PromptRow(name, number, *prompt) for number, prompt in enumerate(prompts)]
    for name, listed in concept.listed.items():
        for number, (prompt, seed, guidance) in enumerate(listed_prompts(listed)):
            rows.append(PromptRow(f"{LISTED}{name}", number, prompt, {}, seed, guidance))
    _check_no_repetition(rows)
    return rows


def may_be_cut(rows: Iterable[PromptRow]) -> set[str]:
    """The prompts that a text encoder may cut where they are too long: those of listed sets alone."""
    rows = list(rows)
    listed = {row.prompt for row in rows if row.set.startswith(LISTED)}
    return listed - {row.prompt for row in rows if not row.set.startswith(LISTED)}


def cut_by_set(rows: Iterable[PromptRow], cut: Collection[str]) -> dict[str, int]:
    """How many prompts of each set are among those that were ``cut``."""
    return dict(sorted(Counter(row.set for row in rows if row.prompt in cut).items()))


_Prompts = list[tuple[str, dict[str, str]]]


def _sides(concept: Concept, part: str, outside: bool = False) -> tuple[_Prompts, _Prompts]:
    """Forget prompts and retain prompts, each with what it says besides the concept."""

    def drawn(side: str, names: tuple[str, ...]) -> Iterator[tuple[_Sentence, str]]:
        return _drawn(
            concept, part, f"{side} outside" if outside else side, names, concept.outside if outside else None
        )

    if not concept.others:
        pairs = list(drawn("both", concept.words))
        return [sentence.naming(word) for sentence, word in pairs], [sentence.leaving_out() for sentence, _ in pairs]
    forget = [sentence.naming(word) for sentence, word in drawn("forget", concept.words)]
    retain = [sentence.naming(other) for sentence, other in drawn("retain", concept.others)]
    return forget, retain


def _more_sets(concept: Concept) -> Iterator[tuple[str, _Prompts]]:
    """The sets that not every concept has: anchor and target prompts, other phrasings, neighbours."""
    if concept.anchor is not None:
        sentences = [s for s, _ in _drawn(concept, "train", "anchor", (concept.anchor,), concept.anchor_templates)]
        anchors = [s.naming(concept.anchor) if concept.anchor else s.leaving_out() for s in sentences]
        targets = [
            (target_prompt(concept, number, anchor, sentence.naming(concept.prompt)[0]), words)
            for number, (sentence, (anchor, words)) in enumerate(zip(sentences, anchors, strict=True))
        ]
        yield from zip(ANCHORED, (anchors, targets), strict=True)
    if concept.outside:
        yield from zip(OUTSIDE, _sides(concept, "test", outside=True), strict=True)
    # Of the sentences of forget_test: whatever differs between the two sets is the word.
    side = "forget" if concept.others else "both"
    for name, word in concept.neighbours.items():
        yield f"{NEIGHBOUR}{name}", [s.naming(word) for s, _ in _drawn(concept, "test", side, concept.words)]


def _drawn(
    concept: Concept, part: str, side: str, names: tuple[str, ...], templates: tuple[str, ...] | None = None
) -> Iterator[tuple[_Sentence, str]]:
    """As many sentences of the templates (those of ``sentences``) as there are pairs, none twice, each with a name
    drawn for it."""
    source = random.Random(derived_seed(concept.seed, "prompts", part, side, "names"))
    seed = derived_seed(concept.seed, "prompts", part, side, "sentences")
    templates = concept.sentences if templates is None else templates
    for cell in permuted(concept.grid_size(part, templates), concept.pairs(part), seed):
        yield _sentence_at(concept.vocabulary(part), templates, cell), source.choice(names)


def permuted(size: int, count: int, seed: int) -> Iterator[int]:
    """The first ``count`` of a random permutation of range(size), at a cost that does not depend on ``size``.

    Fisher and Yates' shuffle that remembers only the places it has touched; a longer draw begins with the shorter.
    """
    source = random.Random(seed)  # integers of any size: grids outgrow numpy's
    moved: dict[int, int] = {}
    for place in range(count):
        other = source.randrange(place, size)
        yield moved.get(other, other)
        moved[other] = moved.pop(place, place)


def _sentence_at(vocabulary: Vocabulary, templates: tuple[str, ...], cell: int) -> _Sentence:
    """The sentence with number ``cell`` of the grid: its digits say which template and which word of each dimension."""
    cell, choice = divmod(cell, len(templates))
    template, words = templates[choice], {}
    for dimension, choices in vocabulary.items():
        cell, choice = divmod(cell, len(choices))
        words[dimension] = choices[choice]
    return _Sentence(template, words)


def _check_no_repetition(rows: Iterable[PromptRow]) -> None:
    seen: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.set.startswith(LISTED):
            continue
        first = seen.setdefault((row.set, row.prompt), row.number)
        if first != row.number:
            raise LetheError(
                f"{row.set}: numbers {first} and {row.number} are the same prompt, '{row.prompt}'",
                "reword the sentences or words that read alike once the slots are filled",
            )


def write_prompts(path: str | Path, rows: Iterable[PromptRow]) -> None:
    lines = [row._asdict() | {"expects": json.dumps(row.expects, ensure_ascii=False, sort_keys=True)} for row in rows]
    write_rows(path, PromptRow._fields, lines)


def read_prompts(path: str | Path) -> list[PromptRow]:
    """Read what :func:`write_prompts` wrote, in its order. Errors name the file, the line and the value."""
    rows = []
    try:
        with Path(path).open(newline="", encoding="utf-8") as stream:
            lines = csv.DictReader(stream, strict=True)
            if tuple(lines.fieldnames or ()) != PromptRow._fields:
                raise ValueError(f"its columns are not {', '.join(PromptRow._fields)}")
            for line in lines:
                try:
                    rows.append(_row_of(line))
                except ValueError as error:
                    raise ValueError(f"line {lines.line_num}: {error}") from None
        _check_sets(rows)
        _check_no_repetition(rows)
    except FileNotFoundError:
        raise LetheError(f"{path}: no such prompt file", "make it with python -m lethe.prompts") from None
    except (ValueError, csv.Error) as error:
        raise LetheError(f"{path}: {error}", "make it again with python -m lethe.prompts") from None
    except LetheError as error:
        raise LetheError(f"{path}: {error.problem}", error.remedy) from None
    return rows


def _row_of(line: dict[str, Any]) -> PromptRow:
    if None in line or None in line.values():
        raise ValueError(f"it does not have {len(PromptRow._fields)} columns")
    known = (*SETS, *ANCHORED, *OUTSIDE)
    if line["set"] not in known and not line["set"].startswith((NEIGHBOUR, LISTED)):
        raise ValueError(f"there is no set '{line['set']}'; {nearest(line['set'], known)}")
    if not line["number"].isdecimal():
        raise ValueError(f"number '{line['number']}' is not a count")
    if not line["prompt"]:
        raise ValueError("the prompt is empty")
    try:
        expects = json.loads(line["expects"])
    except json.JSONDecodeError as error:
        raise ValueError(f"expects '{line['expects']}' is not JSON ({error})") from None
    if not isinstance(expects, dict) or not all(isinstance(words, str) for words in expects.values()):
        raise ValueError(f"expects '{line['expects']}' is not an object of words by dimension")
    if line["seed"] and not line["seed"].isdecimal():
        raise ValueError(f"seed '{line['seed']}' is not a whole number")
    seed = int(line["seed"]) if line["seed"] else None
    try:
        guidance = float(line["guidance"]) if line["guidance"] else None
    except ValueError:
        raise ValueError(f"guidance '{line['guidance']}' is not a number") from None
    return PromptRow(line["set"], int(line["number"]), line["prompt"], expects, seed, guidance)


def _check_sets(rows: list[PromptRow]) -> None:
    """Every set that each concept has is there; all are numbered from 0, and a pair of sets is of one size."""
    numbers: dict[str, list[int]] = {name: [] for name in SETS}
    for row in rows:
        numbers.setdefault(row.set, []).append(row.number)
    for name, found in numbers.items():
        if found != list(range(len(found))) or not found:
            raise ValueError(f"the rows of {name} are not numbered 0, 1, 2, ... ({len(found)} rows)")
    for one, other in (*zip(SETS[::2], SETS[1::2], strict=True), ANCHORED, OUTSIDE):
        sizes = len(numbers.get(one, ())), len(numbers.get(other, ()))
        if sizes[0] != sizes[1]:
            raise ValueError(f"{sizes[0]} rows of {one}, but {sizes[1]} of {other}")


def add_concept(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--concept", type=Path, metavar="YAML", help="file with what is not given as an option")
    add_options(parser, Concept)


def concept_of(arguments: argparse.Namespace) -> Concept:
    return from_options(Concept, arguments, load_concept(arguments.concept) if arguments.concept else None)


def main(arguments: argparse.Namespace) -> None:
    write_prompts(arguments.output, prompt_rows(concept_of(arguments)))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.prompts", description=__doc__, allow_abbrev=False)
    add_concept(parser)
    parser.add_argument("--output", type=Path, required=True, help="csv file to write")
    return parser


if __name__ == "__main__":
    command(parser(), main)
