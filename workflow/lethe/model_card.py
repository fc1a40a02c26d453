"""The model card that goes with an unlearned model: what it forgot, how, from what."""

from __future__ import annotations

import json
from typing import Any

from lethe.methods.method import Control, Method


def model_card(method: Method | Control, record: dict[str, Any]) -> str:
    """Markdown, with the front matter that model hubs read. ``record`` is the provenance of the weights."""
    card = method.card
    forgotten = f"class {record['target']} forgotten" if "target" in record else "a control"
    sets = f", {record['forget_images']} images in D_f, {record['retain_images']} in D_r" if "target" in record else ""
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
        "",
        f"- Paper: {card.paper or 'none, a control'}",
        f"- Authors' code: {code}{f' (licence: {card.licence})' if card.licence else ''}",
        *(f"- Difference: {difference}" for difference in card.differences),
        "",
        "Settings:",
        "",
        "```json",
        json.dumps(record["settings"], indent=2, sort_keys=True),
        "```",
        "",
    ]
    return "\n".join(lines)
