"""``python -m lethe.card`` writes the card of an unlearned model: what it forgot, how, from what, and how well."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lethe.cli import command
from lethe.errors import LetheError
from lethe.files import read_provenance, write_text
from lethe.methods import method_named
from lethe.methods.method import KINDS, Control, Method
from lethe.model_files import Family, weights_of
from lethe.models import family_of
from lethe.record import Record, read_records

# What the bases that the workflow trains are made from.
LICENCES = {
    "cifar10": "trained by Lethe on CIFAR-10 (no licence is stated; Krizhevsky 2009)",
    "digits": "trained by Lethe on scikit-learn's digits (UCI, CC BY 4.0)",
    "shapes": "trained by Lethe on pictures that it draws itself (MIT, as Lethe)",
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
    licence: str = "",
) -> str:
    """Markdown, with the front matter that model hubs read. ``record`` is the provenance of the weights, ``licence``
    what is known of the base's."""
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
        "---",
        "library_name: diffusers",
        "tags: [machine-unlearning, lethe]",
        "---",
        "",
        f"# {card.title}: {forgotten}",
        "",
        f"Method `{record['method']}` of Lethe {record['versions']['lethe']}, training seed {record['seed']}{sets}.",
        _use(family, record),
        f"- Paper: {card.paper or 'none, a control'}",
        f"- Authors' code: {code}{f' (licence: {card.licence})' if card.licence else ''}",
        f"- Base: {licence or 'licence not known'}",
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


def main(arguments: argparse.Namespace) -> None:
    family = family_of(arguments.kind, arguments.model)
    record = read_provenance(arguments.model / weights_of(family))
    if "method" not in record:
        raise LetheError(f"{arguments.model}: not an unlearned model", "give the model folder of the unlearn stage")
    text = model_card(
        method_named(record["method"]),
        family,
        record,
        read_records([arguments.records]),
        arguments.licence or LICENCES.get(arguments.source, ""),
    )
    write_text(arguments.output, text)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.card", description=__doc__, allow_abbrev=False)
    parser.add_argument("--kind", choices=KINDS, required=True, help="the kind of study")
    parser.add_argument("--model", type=Path, required=True, help="folder of the unlearned model")
    parser.add_argument("--records", type=Path, required=True, help="its records, from the measure stage")
    parser.add_argument("--source", default="", help="what data the base was trained on, for its licence")
    parser.add_argument("--licence", default="", help="what a base is that was not trained here, and its licence")
    parser.add_argument("--output", type=Path, required=True, help="Markdown file to write")
    return parser


if __name__ == "__main__":
    command(parser(), main)
