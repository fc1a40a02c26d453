"""Tables 5 and 6 of the RGD paper: examples of the prompts that name a concept and of those that leave it out, from its
test set. Writes csv (the prompts as they are used), Markdown and LaTeX."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from lethe.artefacts import typeset
from lethe.artefacts.outputs import add_table_outputs
from lethe.artefacts.typeset import Group, Table, Text
from lethe.errors import LetheError
from lethe.files import write_rows, write_text
from lethe.prompts import add_concept, concept_of, prompt_rows
from lethe.settings.concept import Concept

TITLE = "Tables 5 and 6: examples of forget and retain prompts"
COLUMNS = ("concept", "number", "forget_prompt", "retain_prompt")
# Words that begin with a vowel in writing only keep their article: a European, a one-armed, a uniformed, a used.
_ARTICLE = re.compile(r"\b(a) (?=[aeiou])(?!eu|one\b|once\b|uni[cfqtv]|us[eu])", re.IGNORECASE)


def pairs_of(concept: Concept, count: int) -> list[tuple[str, str]]:
    """The first ``count`` pairs of the concept's test set: its forget and its retain prompt."""
    if not 1 <= count <= concept.test_pairs:
        raise LetheError(f"--count {count}: the test set has {concept.test_pairs} pairs", "ask for 1 to that many")
    rows = prompt_rows(concept)
    forget, retain = ([row.prompt for row in rows if row.set == f"{side}_test"] for side in ("forget", "retain"))
    return list(zip(forget, retain, strict=True))[:count]


def with_articles(prompt: str) -> str:
    """``A excited dog`` as ``An excited dog``."""
    return _ARTICLE.sub(r"\1n ", prompt)


def as_table(concept: Concept, pairs: Sequence[tuple[str, str]]) -> Table:
    rule = (
        "The two columns are drawn on their own, so the prompts of a row do not belong together; a retain prompt has "
        "another name in the place of the concept."
        if concept.others
        else "The two prompts of a row are a pair: the retain prompt is the forget prompt without the concept's word."
    )
    return Table(
        caption=f"Examples of the test prompts for {concept.title}.",
        label=f"tab:prompts-{re.sub('[^a-z0-9]+', '-', concept.title.lower()).strip('-')}",
        groups=[Group("", 3)],
        columns=["No.", "Forget prompt", "Retain prompt"],
        blocks=[
            [
                [Text(str(number)), Text(with_articles(forget)), Text(with_articles(retain))]
                for number, (forget, retain) in enumerate(pairs)
            ]
        ],
        notes=[
            f"The first {len(pairs)} of {concept.test_pairs} pairs. {rule}",
            "The article is corrected to An before a vowel, as in the RGD paper's tables; in the prompts themselves it "
            "is always A.",
        ],
        left=3,
        widths=[None, 0.45, 0.45],
    )


def main(arguments: argparse.Namespace) -> None:
    concept = concept_of(arguments)
    pairs = pairs_of(concept, arguments.count)
    table = as_table(concept, pairs)
    lines = [
        {"concept": concept.title, "number": number, "forget_prompt": forget, "retain_prompt": retain}
        for number, (forget, retain) in enumerate(pairs)
    ]
    write_rows(arguments.csv, COLUMNS, lines)
    write_text(arguments.markdown, typeset.as_markdown(table))
    write_text(arguments.tex, typeset.as_latex(table))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_concept(parser)
    parser.add_argument("--count", type=int, default=15, help="pairs shown [15]")
    add_table_outputs(parser)
