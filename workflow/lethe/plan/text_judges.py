"""The judges of a text study: which are trained and which are given, and how they look at the images of a cell."""

from __future__ import annotations

import functools
import shlex

from lethe.assets import Place
from lethe.config.studies import TextStudy
from lethe.plan.study import Cell, Job, StudyPlan
from lethe.prompts import NEIGHBOUR
from lethe.settings.given_text_judges import DetectorReading, GivenDetector
from lethe.settings.judge import NamedConcepts, TextJudgeSettings
from lethe.settings.options import as_options

JUDGE_FILES = {
    "alignment": "alignment/open_clip_model.safetensors",
    "detector": "detector.onnx",
    "attributes": "attributes.safetensors",
}
"""The judges, and what those that are trained here are kept in."""


class TextJudgePlan(StudyPlan):
    """Of a study with judges of its own, or with those of another."""

    @property
    def data_study(self) -> str:
        return self.study.judged_by or self.name

    @property
    def judging_study(self) -> TextStudy:
        """The study whose judges look at this study's images."""
        return self.config.studies[self.data_study]

    @property
    def judges(self) -> str:
        """The folder of the judges that look at this study's images."""
        return f"{self.root}/{self.data_study}/judge"

    @property
    def judge_settings(self) -> TextJudgeSettings:
        """Those of this study, or of the study that it shares them with."""
        return self.judging_study.judges

    @functools.cache  # noqa: B019
    def judge(self, name: str) -> Job:
        """The training of a judge that is not given."""
        options = self.on_device(as_options(getattr(self.judge_settings, name)))
        return self.job(f"judge {name}", self._module("judge"), options, self.data)

    @property
    def given_judges(self) -> dict[str, Place]:
        """The judges that are given, by name."""
        settings = {name: getattr(self.judge_settings, name) for name in JUDGE_FILES}
        return {
            name: self.given(judge.given)
            for name, judge in settings.items()
            if judge is not None and name not in self.judge_settings.trained
        }

    @property
    def trained_judge_files(self) -> list[str]:
        return [f"{self.judges}/{JUDGE_FILES[name]}" for name in self.judge_settings.trained]

    @property
    def given_judge_inputs(self) -> list[str]:
        return [path for place in self.given_judges.values() for path in place.inputs]

    @property
    def judge_paths(self) -> str:
        """The options that name the judges' files."""
        settings, given = self.judge_settings, self.given_judges
        words = []
        for name in JUDGE_FILES:
            if name in given:
                words.append(f"--{name} {shlex.quote(given[name].path)}")
            elif name in settings.trained:
                path = f"{self.judges}/{JUDGE_FILES[name]}"
                words.append(f"--{name} {path.rpartition('/')[0] if name == 'alignment' else path}")
        if "alignment" in given and settings.alignment.architecture is not None:
            words.append(f"--architecture {shlex.quote(settings.alignment.architecture)}")
        return " ".join(words)

    def reading(self, cell: Cell) -> DetectorReading:
        detector = self.judge_settings.detector
        reading = detector.reading if isinstance(detector, GivenDetector) else DetectorReading()
        swapped = self.study.as_released(cell.variant)
        return reading.model_copy(update={"channels": "bgr"}) if swapped else reading

    def is_seen_by_name(self, target: str) -> bool:
        """Whether nothing but its name can find a concept in images: it has no parts, and no attribute judge looks."""
        return self.judge_settings.attributes is None and not self.study.targets[target].parts

    def named(self, target: str) -> NamedConcepts | None:
        """What the images of a target are compared with by name: nothing, for one without anchor and neighbours that
        something else can find."""
        concept = self.study.targets[target]
        if concept.anchor is None and not concept.neighbours and not self.is_seen_by_name(target):
            return None
        neighbours = {f"{NEIGHBOUR}{name}": word for name, word in concept.neighbours.items()}
        return NamedConcepts(concept=concept.prompt, anchor=concept.anchor, neighbours=neighbours)
