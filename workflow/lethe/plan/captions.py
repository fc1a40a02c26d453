"""FID and KID on captions, which are made only when they are asked for: the jobs, and what the table is made from."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping

from lethe.assets import Place
from lethe.config.captions import CaptionSettings
from lethe.plan.study import Cell, Job, StudyPlan
from lethe.plan.text import TextPlan
from lethe.prompts import LISTED
from lethe.settings.captions import RealImages
from lethe.settings.given_judges import InceptionMeasures
from lethe.settings.options import as_options


class CaptionPlan:
    """Of the text studies that have ``captions``."""

    def __init__(self, plans: Mapping[str, StudyPlan]) -> None:
        texts = {name: plan for name, plan in plans.items() if isinstance(plan, TextPlan)}
        self.plans = {name: plan for name, plan in texts.items() if plan.study.captions is not None}

    def settings(self, study: str) -> CaptionSettings:
        return self.plans[study].study.captions

    def photographs(self, study: str) -> Place:
        return self.plans[study].given(self.settings(study).images)

    def weights(self, study: str) -> Place:
        return self.plans[study].given(self.settings(study).weights)

    def set_of(self, study: str) -> str:
        """The prompt set of the captions."""
        return f"{LISTED}{self.settings(study).set}"

    def targets(self, study: str) -> list[str]:
        """Those that have the captions."""
        name = self.settings(study).set
        return [target for target, concept in self.plans[study].study.targets.items() if name in concept.listed]

    def real_file(self, study: str) -> str:
        plan = self.plans[study]
        return f"{plan.root}/{study}/judge/photographs.safetensors"

    @functools.cache  # noqa: B019 - a plan lives as long as the process
    def real_images(self, study: str) -> Job:
        plan = self.plans[study]
        options = plan.on_device(as_options(self.settings(study), of=RealImages))
        modules = ["lethe.judge.photographs", "lethe.judges.inception", "lethe.judge.__main__"]
        return plan.job("real images", modules, options, self.photographs(study), self.weights(study))

    def judged_files(self, cell: Cell) -> list[str]:
        """Inception's features of the captions' images, shard by shard."""
        return self.plans[cell.study].files_by_shard(cell, "judged_captions")

    @functools.cache  # noqa: B019
    def judged(self, cell: Cell) -> Job:
        plan = self.plans[cell.study]
        how = as_options(self.settings(cell.study), of=RealImages)
        options = plan.on_device(f"--set={shlex.quote(self.set_of(cell.study))} {how}")
        modules = ["lethe.judge.captions", "lethe.judges.inception", "lethe.judge.__main__"]
        return plan.job("judge captions", modules, options, plan.sample(cell), self.weights(cell.study))

    @functools.cache  # noqa: B019
    def distances(self, cell: Cell) -> Job:
        plan = self.plans[cell.study]
        options = [
            plan.identity(cell),
            f"--minimum-distance={plan.study.measures.minimum_distance}",
            as_options(self.settings(cell.study), of=InceptionMeasures),
        ]
        modules = ["lethe.measure.captions", "lethe.measure.__main__"]
        inputs = self.judged(cell), self.real_images(cell.study)
        return plan.job("captions", modules, " ".join(options), *inputs, merges=True)

    @property
    def cells(self) -> list[Cell]:
        return [
            cell
            for study, plan in self.plans.items()
            for cell in plan.cells(plan.study.shown_rows, self.targets(study))
        ]

    @property
    def records(self) -> list[str]:
        """Of each cell the records of every prompt set, which have the CLIP score, and those of its distances."""
        folders = [self.plans[cell.study].folder(cell) for cell in self.cells]
        return [f"{folder}/{name}.csv" for folder in folders for name in ("records", "captions")]

    @property
    def options(self) -> list[str]:
        words: dict[str, list[str]] = {"--sets": [], "--rows": [], "--targets": []}
        for name, plan in self.plans.items():
            concepts = plan.study.targets
            words["--sets"].append(f"{name}={self.set_of(name)}")
            words["--rows"] += [f"{name}/{row}={plan.study.title(row)}" for row in plan.study.shown_rows]
            words["--targets"] += [f"{name}/{target}={concepts[target].title}" for target in self.targets(name)]
        return [word for option, values in words.items() for word in (option, *values)]

    def tables(self) -> list[str]:
        """The names of the tables."""
        return ["captions"] if self.plans else []

    def places(self) -> list[Place]:
        """What must be there besides what the studies need without captions."""
        return [place for study in self.plans for place in (self.photographs(study), self.weights(study))]
