"""From which cells the table quirks is made."""

from __future__ import annotations

from collections.abc import Mapping

from lethe.config.shown_quirks import Quirks
from lethe.config.shown_text import TextArtefacts
from lethe.plan.artefacts_text import set_of
from lethe.plan.study import StudyPlan
from lethe.plan.text import TextPlan


class QuirksPlan:
    """One table for each study, in one file: rows evaluated here beside the same rows evaluated as released."""

    def __init__(self, plans: Mapping[str, StudyPlan], quirks: Quirks, text: TextArtefacts | None) -> None:
        self.plans = {plans[name]: rows for name, rows in quirks.items()}
        self._counted_on = _counted_on(text)

    def tables(self) -> list[str]:
        return ["quirks"]

    def figures(self) -> list[str]:
        return []

    @property
    def records(self) -> list[str]:
        """Of both rows of each pair, on the targets that both have."""
        found: dict[str, None] = {}
        for plan, rows in self.plans.items():
            for pair in rows.items():
                found |= dict.fromkeys(plan.records(pair, self._targets(plan, *pair)))
        return list(found)

    def _targets(self, plan: StudyPlan, row: str, released: str) -> list[str]:
        return [target for target in plan.study.targets_of(row) if target in plan.study.targets_of(released)]

    @property
    def options(self) -> list[str]:
        words = ["--rows"]
        for plan, rows in self.plans.items():
            words += [f"{plan.name}/{row}:{released}={plan.study.title(row)}" for row, released in rows.items()]
        texts = [plan for plan in self.plans if isinstance(plan, TextPlan)]
        titles = [f"{p.name}/{target}={concept.title}" for p in texts for target, concept in p.study.targets.items()]
        counted = [
            f"{plan.name}/{target}={set_of(self._counted_on.get((plan.name, target)))}"
            for plan in texts
            for target in plan.study.targets
            if not plan.is_seen_by_name(target)
        ]
        words += ["--targets", *titles] if titles else []
        return words + (["--counted", *counted] if counted else [])


def _counted_on(text: TextArtefacts | None) -> dict[tuple[str, str], str | None]:
    """By study and target, the listed prompts whose images Figure 4 and Table 7 count."""
    if text is None:
        return {}
    found = {(text.study, text.content): text.counted_on} if text.content else {}
    return found | ({(text.table7.study, text.table7.target): text.table7.counted_on} if text.table7 else {})
