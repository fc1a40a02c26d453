"""The jobs of a class study."""

from __future__ import annotations

import functools
import shlex

from lethe.assets import Place
from lethe.config.class_study import CLASSES
from lethe.image_plan import class_image_count
from lethe.methods.method import Control
from lethe.plan.study import ANY, Cell, Job, StudyPlan
from lethe.settings.data import DataSettings
from lethe.settings.given_judges import InceptionMeasures, InceptionSettings, ZeroShotSettings
from lethe.settings.options import as_options


class ClassPlan(StudyPlan):
    """One set of images of the base serves every target, and D_r is drawn anew for each training seed."""

    def images_of(self, cell: Cell) -> Cell:
        return cell._replace(target=self.model_of(cell).target)

    def image_count(self, cell: Cell) -> int:
        target = self.images_of(cell).target
        classes = CLASSES[self.study.data.source]
        return class_image_count(None if target == ANY else int(target), classes, self.study.sampling)

    def sets_files(self, cell: Cell) -> list[str]:
        strategy = self.strategy_of(cell)
        return [] if strategy is None else [f"{self._place}/{cell.target}/sets/{strategy}/seed{cell.seed}.safetensors"]

    def learned_from(self, cell: Cell) -> list[Job]:
        strategy = self.strategy_of(cell)
        return [] if strategy is None else [self.sets(cell.target, strategy, cell.seed)]

    def strategy_of(self, cell: Cell) -> str | None:
        """How D_r is drawn that a cell learns from; None for a control."""
        if isinstance(self.study.method(cell.variant), Control):
            return None
        settings = self.study.method_settings(cell.variant, cell.target)
        return getattr(settings, "strategy", self.study.sets.strategy)

    @functools.cache  # noqa: B019 - a plan lives as long as the process
    def base(self, without: str | None = None) -> Job:
        if not self.given_base:
            return super().base(without)
        source = f"--source={shlex.quote(self.given_base[0].path)}"
        return self.job("base", ["lethe.base.given_edm", "lethe.base.__main__"], source, self.data, *self.given_base)

    @property
    def base_data(self) -> list[str]:
        return [self.data_file("train")]

    @property
    def similarity_file(self) -> str:
        return f"{self._place}/judge/similarity.csv"

    def similarity_inputs(self, strategy: str) -> list[str]:
        """What the drawing of D_r has to know of the classes."""
        return [self.similarity_file] if strategy == "nearest" else []

    @property
    def given_data(self) -> Place | None:
        return self.given(self.study.data.file) if self.study.data.file else None

    @functools.cached_property
    def data(self) -> Job:
        places = [self.given_data] if self.given_data else []
        return self.job("data", self._module("data"), as_options(self.study.data, of=DataSettings), *places)

    @property
    def given_judges(self) -> dict[str, Place]:
        """The judges that are not trained, by the option that takes each."""
        named = {"zero-shot": self.study.zero_shot and self.study.zero_shot.model}
        named["inception"] = self.study.inception and self.study.inception.weights
        return {option: self.given(name) for option, name in named.items() if name}

    @property
    def given_reference(self) -> Place | None:
        """The moments of features that a distance is measured to."""
        inception = self.study.inception
        return self.given(inception.reference) if inception and inception.reference else None

    @property
    def _looking(self) -> str:
        """How the given judges look."""
        zero_shot, inception = self.study.zero_shot, self.study.inception
        words = [as_options(zero_shot, "zero_shot.", ZeroShotSettings)] if zero_shot else []
        return " ".join(words + ([as_options(inception, "inception.", InceptionSettings)] if inception else []))

    @functools.cache  # noqa: B019 - a plan lives as long as the process
    def judge(self) -> Job:
        return self.job("judge train", self._judge, self.on_device(as_options(self.study.judge)), self.data)

    @functools.cache  # noqa: B019
    def judged_data(self) -> Job:
        options = f"{self._looking} --keep-embeddings" if self.study.zero_shot else self._looking
        given = self.given_judges.values()
        return self.job("judge data", self._judge, self.on_device(options), self.judge(), self.data, *given)

    @functools.cache  # noqa: B019
    def similarity(self) -> Job:
        return self.job("similarity", ["lethe.similarity"], as_options(self.study.similarity), self.judged_data())

    @functools.cache  # noqa: B019
    def sets(self, target: str, strategy: str, seed: str) -> Job:
        settings = self.study.sets.model_copy(update={"strategy": strategy})
        options = f"{as_options(settings)} --target {target} --seed {seed}"
        known = [self.similarity()] if self.similarity_inputs(strategy) else []
        return self.job("sets", self._module("sets"), options, self.data, *known)

    @functools.cache  # noqa: B019
    def sample(self, cell: Cell) -> Job:
        options = as_options(self.sampling_of(cell))
        if cell.target != ANY:
            options += f" --target {cell.target}"
        cut = self.cuts_batches(self.image_count(cell))
        return self.job("sample", self._module("sample"), self.on_device(options), self.model(cell), cuts_batches=cut)

    @functools.cache  # noqa: B019
    def judged(self, cell: Cell) -> Job:
        options = self._looking
        if self.study.inception:  # the images that distances are measured with
            options += f" --distance-images {self.study.sampling.retain_images}"
            options += f" --target {cell.target}" if cell.target != ANY else ""
        inputs = self.judge(), self.sample(cell), *self.given_judges.values()
        return self.job("judge images", self._judge, self.on_device(options), *inputs)

    @functools.cache  # noqa: B019
    def measure(self, cell: Cell) -> Job:
        settings = f"{as_options(self.study.measures)} {as_options(self.sampling_of(cell), prefix='sampling.')}"
        if self.study.inception:
            settings += f" {as_options(self.study.inception, 'inception.', InceptionMeasures)}"
        reference = [self.given_reference] if self.given_reference else []
        inputs = self.judged(self.images_of(cell)), self.judged_data(), *reference
        return self.job("measure", self._module("measure"), f"{self.identity(cell)} {settings}", *inputs, merges=True)

    @property
    def _place(self) -> str:
        return f"{self.root}/{self.name}"

    @property
    def _judge(self) -> list[str]:
        return self._module("judge")

    def expected(self) -> dict[str, str]:
        files, place = super().expected(), self._place
        files[f"{place}/judge/judge.safetensors"] = self.judge().fingerprint
        for split in ("train", "test"):
            files[f"{place}/data/judged_{split}.safetensors"] = self.judged_data().fingerprint
        shown = self.config.artefacts.classes
        if shown is not None and shown.study == self.name:  # in Figure 7
            files[self.similarity_file] = self.similarity().fingerprint
        for cell in self.cells():
            strategy = self.strategy_of(cell)
            if strategy is not None:
                files |= dict.fromkeys(self.sets_files(cell), self.sets(cell.target, strategy, cell.seed).fingerprint)
                files |= dict.fromkeys(self.similarity_inputs(strategy), self.similarity().fingerprint)
            images = self.images_of(cell)
            files |= {shard: self.sample(images).fingerprint for shard in self.shards(cell)}
            files |= dict.fromkeys(self.judged_files(images), self.judged(images).fingerprint)
            files[f"{self.folder(cell)}/records.csv"] = self.measure(cell).fingerprint
        return files
