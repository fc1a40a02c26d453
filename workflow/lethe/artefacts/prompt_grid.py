"""Images of a text study with their prompts. Each row is one prompt and one seed, each column a model; with --across,
one model's images, each with its prompt below it. Serves Figures 1, 3, 5 and 8 to 11 of the RGD paper."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl

from lethe.artefacts.alignment_entries import set_title
from lethe.artefacts.naming import cell_named, check_parallel, title_of, titles_of
from lethe.artefacts.outputs import add_figure_outputs
from lethe.artefacts.prompt_layout import Group, as_captions, as_rows
from lethe.artefacts.prompt_rows import Choice, Model, check_one_shape, choice_named, read_models, shown_rows
from lethe.artefacts.style import paper_style, save
from lethe.errors import LetheError, nearest
from lethe.prompts import LISTED, PromptRow, read_prompts

TITLE = "images of prompts, model by model (Figures 1, 3, 5 and 8 to 11)"


class Column(NamedTuple):
    """A column of models: its variant for each target."""

    title: str
    variants: dict[str, str]


def column_named(word: str, targets: Sequence[str], titles: Mapping[str, str]) -> Column:
    """``variant``, ``Title=variant`` or ``Title=target:variant,target:variant``."""
    title, sign, rest = word.partition("=")
    if not sign:
        return Column(title_of(titles, word), dict.fromkeys(targets, word))
    if title and rest and ":" not in rest and "," not in rest:
        return Column(title, dict.fromkeys(targets, rest))
    pairs = [part.partition(":") for part in rest.split(",")]
    variants = {target: variant for target, _, variant in pairs}
    if not title or not all(target and variant for target, _, variant in pairs) or len(variants) < len(pairs):
        raise LetheError(f"--columns {word}: not a column", "write rgd, SD=base or ESD=stripes:esd_u,van_gogh:esd_x")
    if missing := [target for target in targets if target not in variants]:
        raise LetheError(f"--columns {word}: no variant for the target '{missing[0]}'", f"add {missing[0]}:VARIANT")
    return Column(title, variants)


def models_of(columns: Sequence[Column], target: str, models: Mapping[tuple[str, str], Model]) -> list[Model]:
    """The model of each column for ``target``."""
    for column in columns:
        wanted = column.variants[target], target
        if wanted not in models:
            raise LetheError(
                f"--cells gives no images of {'/'.join(wanted)}", nearest("/".join(wanted), map("/".join, models))
            )
    return [models[column.variants[target], target] for column in columns]


def is_forget(name: str) -> bool:
    """Whether a prompt set asks for what is to be forgotten. A set that is not known to be harmless does."""
    return not name.startswith("retain")


def heading_of(choice: Choice, names: Mapping[str, str]) -> str:
    if choice.set.startswith(LISTED):
        return f"{names[choice.target]}: {set_title(choice.set)} prompts"
    side, _, part = choice.set.partition("_")
    return f"{names[choice.target]}: $D_{side[0]}$ prompts ({part})"


def notes_of(
    columns: Sequence[Column],
    choices: Sequence[Choice],
    blur: Collection[str],
    names: Mapping[str, str],
    titles: Mapping[str, str],
) -> list[str]:
    """What the reader must know: which variants a column mixes, and which images are blurred."""
    notes = []
    for title, variants in columns:
        if len({variants[choice.target] for choice in choices}) > 1:
            parts = [f"{titles.get(variants[target], variants[target])} for {names[target]}" for target in names]
            notes.append(f"{title}: {', '.join(parts)}.")
    if hidden := dict.fromkeys(choice.target for choice in choices if choice.target in blur and is_forget(choice.set)):
        notes.append(
            f"Blurred here: the images of the forget prompts of {', '.join(names[target] for target in hidden)}."
        )
    return notes


def main(arguments: argparse.Namespace) -> None:
    cells = [cell_named(word) for word in arguments.cells]
    check_parallel(cells, arguments.images, "--images")
    choices = [choice_named(word) for word in arguments.rows]
    targets = list(dict.fromkeys(choice.target for choice in choices))
    titles = titles_of(arguments.titles, "--titles")
    given = titles_of(arguments.targets, "--targets")
    names = {target: given.get(target, target.replace("_", " ")) for target in targets}
    if unknown := [target for target in arguments.blur if target not in targets]:
        raise LetheError(f"--blur {unknown[0]}: no row is of this target", nearest(unknown[0], targets))
    variants = list(dict.fromkeys(cell.variant for cell in cells))
    columns = [column_named(word, targets, titles) for word in arguments.columns or variants]
    if arguments.across is not None and (len(columns) != 1 or arguments.across < 1):
        raise LetheError(
            f"--across {arguments.across} with {len(columns)} columns", "show one model, 1 image a line or more"
        )
    prompts = _prompts_of(arguments.prompts, targets)
    models = read_models(cells, arguments.images)
    strong = {target: words.split(",") for target, words in titles_of(arguments.words, "--words").items()}
    groups = [
        Group(
            heading_of(choice, names),
            shown_rows(choice, prompts[choice.target], models_of(columns, choice.target, models)),
            strong.get(choice.target, ()),
            is_blurred=choice.target in arguments.blur and is_forget(choice.set),
        )
        for choice in choices
    ]
    check_one_shape(shown for group in groups for shown in group.rows)
    # Unhinted letters are as wide as wrapped text was measured.
    with paper_style(), mpl.rc_context({"text.hinting": "none"}):
        if arguments.across is None:
            page = as_rows([column.title for column in columns], groups)
        else:
            page = as_captions(columns[0].title, groups, arguments.across)
        for note in notes_of(columns, choices, arguments.blur, names, titles):
            page.note(note)
        save(page.figure(), arguments.pdf, arguments.png)


def _prompts_of(words: Sequence[str], targets: Sequence[str]) -> dict[str, list[PromptRow]]:
    paths = titles_of(words, "--prompts")
    if missing := [target for target in targets if target not in paths]:
        raise LetheError(f"--prompts gives no file for the target '{missing[0]}'", f"add {missing[0]}=CSV")
    return {target: read_prompts(paths[target]) for target in targets}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cells", nargs="+", required=True, metavar="VARIANT/TARGET/SEED", help="the models shown")
    parser.add_argument(
        "--images",
        type=Path,
        nargs="+",
        required=True,
        metavar="SAFETENSORS",
        help="their images, in that order; name a cell again for each further shard",
    )
    parser.add_argument(
        "--prompts", nargs="+", required=True, metavar="TARGET=CSV", help="prompt file of each target shown"
    )
    parser.add_argument(
        "--rows",
        nargs="+",
        required=True,
        metavar="TARGET:SET:COUNT",
        help="groups of rows: so many prompts of a set, evenly spread over it, each with its lowest seed",
    )
    parser.add_argument("--titles", nargs="+", required=True, metavar="NAME=TITLE", help="titles of the variants")
    parser.add_argument(
        "--columns",
        nargs="+",
        default=[],
        metavar="COLUMN",
        help="a variant, TITLE=VARIANT, or TITLE=TARGET:VARIANT,TARGET:VARIANT [the variants of --cells]",
    )
    parser.add_argument("--targets", nargs="+", default=[], metavar="NAME=TITLE", help="titles of targets [names]")
    parser.add_argument(
        "--words", nargs="+", default=[], metavar="TARGET=WORD,WORD", help="words that stand out in the prompts"
    )
    parser.add_argument(
        "--blur", nargs="+", default=[], metavar="TARGET", help="blur the images of the forget prompts of these"
    )
    parser.add_argument("--across", type=int, help="show one model, so many images a line, prompts below them")
    add_figure_outputs(parser)
