"""``python -m lethe.card`` writes the card of an unlearned model: what it forgot, how, from what, and how well.

Of an imported model: which files it was read from, how it differs from the base, and how well it has forgotten."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lethe.cli import command
from lethe.errors import LetheError
from lethe.files import read_provenance, write_text
from lethe.imported.marks import KEY, in_words
from lethe.methods import method_named
from lethe.methods.method import KINDS, Control, Method
from lethe.model_files import Family, weights_of
from lethe.models import family_of
from lethe.record import Record, read_records


class Base(NamedTuple):
    """What a model was made from: in words, the ``terms`` it may be used under, and its ``name`` on the hub."""

    words: str = ""
    terms: str = ""
    name: str = ""


# The bases that the workflow trains, by their data.
TRAINED = {
    "cifar10": Base("trained by Lethe on CIFAR-10 (no licence is stated; Krizhevsky 2009)"),
    "digits": Base("trained by Lethe on scikit-learn's digits (UCI, CC BY 4.0)", "CC BY 4.0"),
    "shapes": Base("trained by Lethe on pictures that it draws itself (MIT, as Lethe)", "MIT"),
}
# How the hub writes them; any other is one with a name of its own there.
_HUB_LICENCES = {
    "Apache-2.0": "apache-2.0",
    "CC BY 4.0": "cc-by-4.0",
    "CC BY-NC-SA 4.0": "cc-by-nc-sa-4.0",
    "CreativeML Open RAIL-M": "creativeml-openrail-m",
    "MIT": "mit",
}
# By pipeline, what from_pretrained and a call of it are told beside the folder and the prompt.
_PIPELINES: dict[Family, tuple[str, str, str]] = {
    "stable_diffusion": ("StableDiffusionPipeline", "", ""),
    "stable_diffusion_3": (
        "StableDiffusion3Pipeline",
        ", text_encoder_3=None, tokenizer_3=None",
        ", max_sequence_length=0",
    ),
}
_TASKS: dict[Family, str] = {
    "edm": "unconditional-image-generation",
    "stable_diffusion": "text-to-image",
    "stable_diffusion_3": "text-to-image",
}
MEASURED = "Measured:"
"""The line of a card above its numbers."""
_USE = """
```python
from diffusers import {pipeline}

pipeline = {pipeline}.from_pretrained("this folder"{parts})
pipeline("a prompt"{call}).images[0]
```
"""


def _use(family: Family, record: Mapping[str, Any]) -> str:
    """How diffusers draws from the folder; a Stable Diffusion 3 that was trained without T5 has to be told so."""
    if family == "edm":
        return ""
    pipeline, parts, call = _PIPELINES[family]
    if record.get("t5_tokens", 0):  # zeros in their place, as the pipeline has it where it is given no T5
        call = ""
    return _USE.format(pipeline=pipeline, parts=parts, call=call)


def model_card(
    method: Method | Control,
    family: Family,
    record: Mapping[str, Any],
    measured: Iterable[Record] = (),
    base: Base | None = None,
) -> str:
    """Markdown, with the front matter that model hubs read. ``record`` is the provenance of the weights, ``base`` what
    is known of the base."""
    base = base or Base()
    if KEY in record:
        return _imported_card(family, record, measured, base)
    card = method.card
    forgotten = (
        f"{'class ' if family == 'edm' else ''}{record['target']} forgotten" if "target" in record else "a control"
    )
    sets = ""
    if "target" in record:
        seen = record["forget_images"], record["retain_images"]
        sets = f", {seen[0]} images in D_f, {seen[1]} in D_r" if any(seen) else ", no images"
    code = " ".join(part for part in (card.code, card.commit and f"at {card.commit}") if part) or "none"
    lines = [
        *_front_matter(family, record["method"], base),
        "",
        f"# {card.title}: {forgotten}",
        "",
        f"Method `{record['method']}` of Lethe {record['versions']['lethe']}, training seed {record['seed']}{sets}.",
        _use(family, record),
        f"- Paper: {card.paper or 'none, a control'}",
        f"- Authors' code: {code}{f' (licence: {card.licence})' if card.licence else ''}",
        f"- Base: {base.words or 'licence not known'}",
        *(f"- Difference: {difference}" for difference in card.differences),
        "",
        "Settings:",
        "",
        "```json",
        json.dumps(record["settings"], indent=2, sort_keys=True),
        "```",
        "",
        *_measured(list(measured)),
    ]
    return "\n".join(lines)


def _front_matter(family: Family, method: str, base: Base) -> list[str]:
    """What model hubs read. The licence is the base's, since the model is made from it."""
    licence = [f"license: {_HUB_LICENCES.get(base.terms, 'other' if base.terms else 'unknown')}"]
    if base.terms and base.terms not in _HUB_LICENCES:
        licence.append(f"license_name: {json.dumps(base.terms)}")
    return [
        "---",
        "library_name: diffusers",
        *licence,
        *([f"base_model: {base.name}"] if base.name else []),
        f"pipeline_tag: {_TASKS[family]}",
        f"tags: [machine-unlearning, lethe, {method}]",
        "---",
    ]


def _imported_card(family: Family, record: Mapping[str, Any], measured: Iterable[Record], base: Base) -> str:
    """Of a model that others have unlearned: what is known of it is its files."""
    told = record[KEY]
    lines = [
        # Its own licence is not known; the base's need not be it.
        *_front_matter(family, record["method"], base._replace(terms="")),
        "",
        f"# {told['name']}: imported",
        "",
        f"A model that others have unlearned, laid over the study's base by Lethe {record['versions']['lethe']}. "
        "How it was unlearned, and under which licence, is not known here.",
        _use(family, record),
        f"- Base: {base.words or 'licence not known'}",
        *(f"- {sentence}" for sentence in in_words(told)),
        "",
        "Read from:",
        "",
        "| file | sha256 |",
        "|---|---|",
        *(f"| {name} | {digest} |" for name, digest in told["files"].items()),
        "",
        *_measured(list(measured)),
    ]
    return "\n".join(lines)


def _measured(records: list[Record]) -> list[str]:
    if not records:
        return []
    rows = [
        f"| {record.metric} | {record.prompts} | {record.value:.4g} | {_interval(record)} | {record.n} |"
        for record in records
    ]
    judges = sorted({f"{record.judge} ({record.judge_sha256[:12]})" for record in records})
    return [
        MEASURED,
        "",
        "| metric | prompts | value | interval | n |",
        "|---|---|---|---|---|",
        *rows,
        "",
        f"Judges: {', '.join(judges)}. Sampler: {records[0].sampler}.",
        "",
    ]


def _interval(record: Record) -> str:
    return "" if record.low is None or record.high is None else f"{record.low:.4g} to {record.high:.4g}"


def card_of(arguments: argparse.Namespace) -> str:
    """The text of the card that the command's ``arguments`` ask for."""
    family = family_of(arguments.kind, arguments.model)
    record = read_provenance(arguments.model / weights_of(family))
    if "method" not in record:
        raise LetheError(f"{arguments.model}: not an unlearned model", "give the model folder of the unlearn stage")
    given = Base(arguments.licence, arguments.terms, arguments.base_model)
    base = given if arguments.licence else TRAINED.get(arguments.source)
    return model_card(method_named(record["method"]), family, record, read_records([arguments.records]), base)


def main(arguments: argparse.Namespace) -> None:
    write_text(arguments.output, card_of(arguments))


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.card", description=__doc__, allow_abbrev=False)
    parser.add_argument("--kind", choices=KINDS, required=True, help="the kind of study")
    parser.add_argument("--model", type=Path, required=True, help="folder of the unlearned model")
    parser.add_argument("--records", type=Path, required=True, help="its records, from the measure stage")
    parser.add_argument("--source", default="", help="what data the base was trained on, for its licence")
    parser.add_argument("--licence", default="", help="what a base is that was not trained here, and its licence")
    parser.add_argument("--terms", default="", help="the licence of such a base alone")
    parser.add_argument("--base-model", default="", help="the name of such a base on the hub")
    parser.add_argument("--output", type=Path, required=True, help="Markdown file to write")
    return parser


if __name__ == "__main__":
    command(parser(), main)
