"""The plan of a preset: its cells, and for each rule the options, the code and the fingerprint of each of its jobs.

The Snakefile asks here; nothing here imports torch. A cell is (study, target, variant, seed); its folder is
``results/<preset>/<study>/<target>/<variant>/seed<seed>``. Models that serve every target stand under target ``any``.
What depends on the kind of a study is in ``classes.py`` and ``text.py``, the tables and figures of each in
``artefacts_classes.py``, ``artefacts_text.py``, ``artefacts_doco.py`` and, of both, ``artefacts_laboratory.py`` and
``artefacts_quirks.py``; image metrics in ``metrics.py``, what is made only when it is asked for in ``captions.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from lethe.assets import Place, place_of, read_catalogue
from lethe.assets.readiness import check_assets
from lethe.config import Config
from lethe.config.sweeps import ROW_NAME
from lethe.errors import LetheError, nearest
from lethe.plan.artefacts_classes import ClassArtefactPlan
from lethe.plan.artefacts_doco import DoCoArtefactPlan
from lethe.plan.artefacts_laboratory import LaboratoryPlan
from lethe.plan.artefacts_quirks import QuirksPlan
from lethe.plan.artefacts_text import TextArtefactPlan
from lethe.plan.captions import CaptionPlan
from lethe.plan.classes import ClassPlan
from lethe.plan.metrics import MetricPlan
from lethe.plan.study import ANY, Cell, Job, StudyPlan
from lethe.plan.text import TextPlan

__all__ = ["ANY", "Cell", "Job", "Plan"]

_PLANS: dict[str, type[StudyPlan]] = {"class": ClassPlan, "text": TextPlan}


class Plan:
    """What the rules of one preset ask for. ``wildcards`` are Snakemake's, or any object with those attributes."""

    def __init__(self, config: Config, computes: bool | None = None) -> None:
        """``computes``: whether what the user gives by a path has to be there. None: not for published records."""
        self.config = config
        self.root = config.results
        computes = not config.from_published if computes is None else computes
        self.studies = {name: _PLANS[study.kind](config, name, computes) for name, study in config.studies.items()}
        shown = config.artefacts
        self.classes = ClassArtefactPlan(self.studies[shown.classes.study], shown.classes) if shown.classes else None
        self.text = TextArtefactPlan(self.studies, shown.text) if shown.text else None
        self.laboratory = LaboratoryPlan(self.studies, shown.laboratory) if shown.laboratory else None
        self.doco = DoCoArtefactPlan(self.studies[shown.doco.study], shown.doco) if shown.doco else None
        self.quirks = QuirksPlan(self.studies, shown.quirks, shown.text) if shown.quirks else None
        self.captions = CaptionPlan(self.studies)
        self.metrics = MetricPlan(self.studies)
        for study in self.studies.values() if computes else ():
            study.check_imports()

    def of(self, place: Any) -> StudyPlan:
        """The plan of the study that a cell, or a rule's wildcards, name."""
        if place.study not in self.studies:
            raise LetheError(
                f"preset {self.config.preset} has no study '{place.study}'", nearest(place.study, self.studies)
            )
        return self.studies[place.study]

    def cell_of(self, wildcards: Any) -> Cell:
        """The cell that a rule's wildcards name."""
        rows = self.of(wildcards).study.rows
        if wildcards.variant not in rows:
            raise LetheError(
                f"study {wildcards.study} has no variant '{wildcards.variant}'", nearest(wildcards.variant, rows)
            )
        return Cell(wildcards.study, wildcards.target, wildcards.variant, wildcards.seed)

    def studies_of(self, kind: str) -> str:
        """A regular expression of the studies of this kind."""
        return _any_of(name for name, plan in self.studies.items() if plan.study.kind == kind)

    def studies_of_family(self, family: str, base: str | None = None) -> str:
        """A regular expression of the studies whose models are of this family; ``base`` "trained" or "given": of those
        alone whose base is made so."""
        chosen = {name: plan for name, plan in self.studies.items() if plan.family == family}
        made = {name: "given" if plan.given_base else "trained" for name, plan in chosen.items()}
        return _any_of(name for name in chosen if base in (None, made[name]))

    def studies_making(self, *stages: str, family: str | None = None, kind: str | None = None) -> str:
        """A regular expression for a rule that makes models in a stage (``base``, ``unlearn``, ``import``), matching
        the study in ``study/target/variant/``: of this family or kind, and with such a variant behind it. It looks
        ahead, since two studies may have rows of one name that are made in different stages."""
        made = {
            name: {re.escape(variant) for stage in stages for variant in plan.variants_made_by(stage)}
            for name, plan in self.studies.items()
            if family in (None, plan.family) and kind in (None, plan.kind)
        }
        return _any_of(f"{name}(?=/[^/]+/({_any_of(variants)})/)" for name, variants in made.items() if variants)

    @property
    def variants(self) -> str:
        """A regular expression of what a row can be called."""
        return ROW_NAME

    @property
    def targets(self) -> str:
        """A regular expression of every target's token."""
        named = {target for plan in self.studies.values() for target in plan.study.target_names()}
        return _any_of({name for name in named if not name.isdecimal()} | {ANY, r"\d+"})

    def tables(self) -> list[str]:
        return [f"{self.root}/tables/{name}.{kind}" for name in self._names("tables") for kind in ("csv", "md", "tex")]

    def figures(self) -> list[str]:
        return [f"{self.root}/figures/{name}.{kind}" for name in self._names("figures") for kind in ("pdf", "png")]

    def cards(self) -> list[str]:
        """The cards of all unlearned models, those of others too."""
        return [f"{plan.model_folder(cell)}/README.md" for plan in self.studies.values() for cell in plan.with_cards]

    def artefacts(self) -> list[str]:
        """Everything a run is for; published records have no models, and so no cards."""
        return self.tables() + self.figures() + ([] if self.config.from_published else self.cards())

    def names(self) -> list[str]:
        """The names of all tables and figures, which are those of their rules."""
        return list(dict.fromkeys(self._names("tables") + self._names("figures")))

    def _names(self, what: str) -> list[str]:
        return [
            name
            for plan in (self.classes, self.text, self.laboratory, self.doco, self.quirks, self.metrics)
            if plan is not None
            for name in getattr(plan, what)()
        ]

    def expected(self) -> dict[str, str]:
        """Every result of the plan that carries a fingerprint, with the one it should carry."""
        if self.config.from_published:  # where the files came from, since options that a fingerprint holds name paths
            run = Plan(self.config.model_copy(update={"from_published": False}), computes=False)
            return {f"{self.root}{path.removeprefix(run.root)}": mark for path, mark in run.expected().items()}
        studies = {path: mark for plan in self.studies.values() for path, mark in plan.expected().items()}
        return studies | self.metrics.expected()

    def assets(self) -> list[Place]:
        """What the preset needs that Lethe does not ship, downloads and paths of the user's own."""
        self.expected()  # asks for all that any job is given
        self.captions.places()
        return list({name: place for plan in self.studies.values() for name, place in plan.places.items()}.values())

    def check_assets_of(self, jobs: Iterable[Any]) -> None:
        """Raise LetheError where these jobs of Snakemake's would wait in vain for assets."""
        settings = self.config.assets
        files = {str(file) for job in jobs for file in (*job.input, *job.output)}
        needed = [name for name in read_catalogue(settings.catalogue) if place_of(name, settings).inputs[0] in files]
        check_assets([place_of(name, settings) for name in needed], settings, self.config.preset)


def _any_of(names: Any) -> str:
    return "|".join(sorted(set(names))) or "(?!)"
