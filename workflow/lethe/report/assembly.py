"""The page put together from its parts: HTML, style, scripts and data in one file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lethe.plan import Plan
from lethe.report import ledger, sections, words
from lethe.report.cost_section import cost
from lethe.report.markup import Markup, element, joined
from lethe.report.numbers import Numbers
from lethe.report.pictures import pictures
from lethe.report.records import Records, read_all
from lethe.report.results_section import ResultsSection, legend
from lethe.report.shelf import Shelf
from lethe.report.verdict import WORDS

TEMPLATES = Path(__file__).with_name("page")
_SCRIPTS = ("data.js", "state.js", "theme.js", "protocol.js", "compare.js", "numbers.js")
_NO_TABLES = "There are no tables yet. What was measured stands under All numbers."
_SLOT = re.compile(r"\{\{(\w+)\}\}")


def template_files() -> list[Path]:
    """What the page is made of besides code."""
    return sorted([*TEMPLATES.iterdir(), words.FILE])


def page(plan: Plan) -> str:
    """The whole report of a preset, of what there is of its results."""
    shelf = Shelf()
    records = read_all(plan, shelf)
    numbers = Numbers()
    results = ResultsSection(plan, records, shelf, numbers)
    spent = cost(plan, shelf, numbers)
    shown = pictures(plan, shelf)
    style = _read("style.css")
    script = "\n".join(_read(name) for name in _SCRIPTS)
    data = {
        "preset": plan.config.preset,
        "records": records.coded(),
        "numbers": numbers.told,
        "pictures": shown,
        "filters": _filters(plan, records),
        "metrics": _told(record.metric for record in records.all),
        "prompts": {name: words.prompts_title(name) for name in _prompt_sets(records, shown)},
    }
    slots = {
        "policy": f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        "preset": Markup(element("span", plan.config.preset)),
        "style": style,
        "script": script,
        "data": _as_script(data),
        "summary": _summary(plan, records, shown, results.verdicts),
        "highlights": results.highlights,
        "legend": legend(results.verdicts) if results.verdicts else "",
        "results": results.html or element("p", _NO_TABLES),
        "figures": sections.figures(plan, shelf) or element("p", "There are no figures yet."),
        "cost": spent,
        "cards": sections.cards(plan, records, shelf) or element("p", "There are no model cards yet."),
        "provenance": sections.origin(plan, records),
        "missing": sections.missing(plan, shelf),
        "prompts": str(plan.config.report.prompts),
        "pixels": str(plan.config.report.pixels),
    }
    return filled(_read("page.html"), slots)


def filled(template: str, slots: Mapping[str, str]) -> str:
    """``template`` with every ``{{name}}`` filled once; what is filled in is not looked at again."""
    return _SLOT.sub(lambda slot: slots[slot[1]], template)


def _read(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """How a content security policy names the one script or style that may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _as_script(data: Any) -> str:
    """JSON that cannot end the script element which holds it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", r"\u003c").replace("\u2028", r"\u2028").replace("\u2029", r"\u2029")


def _filters(plan: Plan, records: Records) -> dict[str, Any]:
    """What the reader can choose: targets by study with their titles, and methods with theirs; of what was measured."""
    targets = {(record.study, record.target) for record in records.all}
    measured = {record.method for record in records.all}
    studies: dict[str, dict[str, str]] = {}
    methods: dict[str, str] = {}
    for study in plan.studies.values():
        for name in study.study.target_names():
            if (study.name, name) in targets:
                studies.setdefault(study.name, {})[name] = words.target_title(study, name)
        for variant, row in study.study.variants.items():
            if row.method in measured:
                methods.setdefault(row.method, study.study.method(variant).card.title)
    return {"studies": studies, "methods": methods}


def _told(metrics: Any) -> dict[str, str]:
    return {metric: words.metric_means(metric) for metric in dict.fromkeys(metrics)}


def _prompt_sets(records: Records, shown: list[dict[str, Any]]) -> list[str]:
    in_records = (record.prompts for record in records.all if record.prompts)
    return list(dict.fromkeys([*in_records, *(one["name"] for group in shown for one in group["sets"])]))


def _summary(plan: Plan, records: Records, shown: list[dict[str, Any]], verdicts: Counter[str]) -> Markup:
    seconds = sum(stage.seconds for stage in ledger.by_stage(plan))
    facts = {
        "studies": ", ".join(dict.fromkeys(record.study for record in records.all)) or "none measured",
        "numbers with a protocol": f"{len(records.all):,}",
        "images to compare": f"{sum(len(images) for group in shown for images in group['images']):,}",
        "time of all jobs": _duration(seconds) if seconds else "not known",
        "against the paper": ", ".join(f"{verdicts[code]} {WORDS[code]}" for code in WORDS if verdicts[code])
        or "nothing to compare",
    }
    return joined(element("div", element("dt", name), element("dd", fact)) for name, fact in facts.items())


def _duration(seconds: float) -> str:
    if seconds < 5400:
        return f"{max(1, round(seconds / 60))} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 86400:.0f} days"
