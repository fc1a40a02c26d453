"""The jobs of a text study."""

from __future__ import annotations

import functools
import shlex

from lethe.assets import Place
from lethe.image_plan import shard_count
from lethe.methods.method import Control
from lethe.model_files import Family
from lethe.models import DENOISERS, EMBEDDERS
from lethe.plan.study import ANY, Cell, Job
from lethe.plan.text_judges import JUDGE_FILES, TextJudgePlan
from lethe.prompt_images import image_count
from lethe.settings.given_base import CheckpointSettings
from lethe.settings.measures import ConceptSeen
from lethe.settings.options import as_options

BASES: dict[Family, str] = {
    "stable_diffusion": "lethe.base.stable_diffusion",
    "stable_diffusion_3": "lethe.base.stable_diffusion3",
}
GIVEN_BASES: dict[Family, str] = {
    "stable_diffusion": "lethe.base.given_stable_diffusion",
    "stable_diffusion_3": "lethe.base.given_stable_diffusion3",
}


class TextPlan(TextJudgePlan):
    """Every target has prompts of its own; the base draws the images that the methods learn from, once."""

    @property
    def needs_data(self) -> bool:
        return bool(self.judge_settings.trained) or not self.given_base

    def images_of(self, cell: Cell) -> Cell:
        return cell

    def image_count(self, cell: Cell) -> int:
        return image_count(self.study.targets[cell.target], "measure", self.study.sampling)

    def training_shards(self, target: str, strategy: str) -> list[str]:
        """The base's images that the sets of one strategy are made from."""
        folder = f"{self.place(target)}/sets/{strategy}"
        settings = self.study.sampling
        count = shard_count(image_count(self.study.targets[target], strategy, settings), settings.shard_images)
        return [f"{folder}/shard{number:04d}.safetensors" for number in range(count)]

    def place(self, target: str) -> str:
        return f"{self.root}/{self.name}/{target}"

    def strategy_of(self, cell: Cell) -> str | None:
        """How the sets are drawn that a cell learns from; None where it needs none."""
        method = self.study.method(cell.variant)
        if isinstance(method, Control) or not method.recipe("text").needs_sets:
            return None
        return self.study.method_settings(cell.variant, cell.target).strategy

    def sets_files(self, cell: Cell) -> list[str]:
        strategy = self.strategy_of(cell)
        return [] if strategy is None else [f"{self.place(cell.target)}/sets/{strategy}.safetensors"]

    def embeddings_files(self, cell: Cell) -> list[str]:
        """The prompts' embeddings, where a cell's method reads them: a control does not. An imported model has its own:
        its text encoder may be another than the base's."""
        if self.is_imported(cell):
            return [f"{self.folder(self.model_of(cell))}/embeddings.safetensors"]
        return [] if cell.target == ANY else [f"{self.place(cell.target)}/embeddings.safetensors"]

    def prompts_files(self, cell: Cell) -> list[str]:
        return [f"{self.place(cell.target)}/prompts.csv"]

    def threshold_file(self, cell: Cell) -> str:
        return f"{self.folder(cell)}/threshold.csv"

    def learned_from(self, cell: Cell) -> list[Job]:
        strategy = self.strategy_of(cell)
        embeddings = [] if cell.target == ANY else [self.embeddings(cell.target)]
        return embeddings + ([] if strategy is None else [self.sets(cell.target, strategy)])

    def listed_places(self, target: str) -> dict[str, Place]:
        """The files of a target's listed prompts, by name."""
        return {name: self.given(prompts.given) for name, prompts in self.study.targets[target].listed.items()}

    def listed_inputs(self, target: str) -> list[str]:
        return [path for place in self.listed_places(target).values() for path in place.inputs]

    @functools.cache  # noqa: B019 - a plan lives as long as the process
    def prompts(self, target: str) -> Job:
        concept, places = self.study.targets[target], self.listed_places(target)
        listed = {
            name: prompts.model_copy(update={"given": places[name].path}) for name, prompts in concept.listed.items()
        }
        options = as_options(concept.model_copy(update={"listed": listed}))
        return self.job("prompts", ["lethe.prompts"], options, *places.values())

    @functools.cache  # noqa: B019
    def embeddings(self, target: str, imported: Cell | None = None) -> Job:
        """``imported`` None: of the base's text encoder. Else of that cell's model."""
        model = self.base() if imported is None else self.imported_model(imported)
        concept = self.study.targets[target]
        options = f"--target {target} --concept-prompt={shlex.quote(concept.prompt)}"
        modules = [*self._module("sets"), EMBEDDERS[self.family]]
        t5 = self.t5
        if t5 is not None:
            options += f" --t5={shlex.quote(t5.path)}"
        options = self.on_device(options) if t5 is None else self.predicting(options)
        return self.job("embed", modules, options, model, self.prompts(target), *([t5] if t5 else []))

    @property
    def t5(self) -> Place | None:
        """The third text encoder of a given Stable Diffusion 3, where prompts are embedded with it."""
        name = getattr(self.study.base, "t5", None)
        return None if name is None else self.given(name)

    @property
    def t5_files(self) -> tuple[str, ...]:
        return self.t5.inputs if self.t5 else ()

    @functools.cache  # noqa: B019
    def training_images(self, target: str, strategy: str) -> Job:
        """What of the sampling settings decides how an image is drawn, decides this too."""
        options = self.predicting(f"--purpose {strategy} {as_options(self.study.sampling)}")
        cut = self.cuts_batches(image_count(self.study.targets[target], strategy, self.study.sampling))
        inputs = self.base(), self.embeddings(target)
        return self.job("training images", self._sampling_modules, options, *inputs, cuts_batches=cut)

    @functools.cache  # noqa: B019
    def sets(self, target: str, strategy: str) -> Job:
        options = self.on_device(f"--target {target} --batch {self.study.sampling.kernel_batch}")
        modules = [*self._module("sets"), DENOISERS[self.family][0]]
        return self.job("encode", modules, options, self.training_images(target, strategy), merges=True)

    @functools.cache  # noqa: B019
    def sample(self, cell: Cell) -> Job:
        options = self.predicting(as_options(self.sampling_of(cell)))
        embeddings = self.embeddings(cell.target, self.model_of(cell) if self.is_imported(cell) else None)
        cut, inputs = self.cuts_batches(self.image_count(cell)), (self.model(cell), embeddings)
        return self.job("sample", self._sampling_modules, options, *inputs, cuts_batches=cut)

    @functools.cache  # noqa: B019
    def judged(self, cell: Cell) -> Job:
        judges = [*map(self.judge, self.judge_settings.trained), *self.given_judges.values()]
        named = self.named(cell.target)
        options = [self.judge_paths, as_options(self.reading(cell)), as_options(named) if named else ""]
        return self.job(
            "judge images",
            self._module("judge"),
            self.on_device(" ".join(filter(None, options))),
            *judges,
            self.sample(cell),
        )

    @functools.cache  # noqa: B019
    def measure(self, cell: Cell) -> Job:
        concept = self.study.targets[cell.target]
        seen = ConceptSeen(parts=concept.parts, attribute=concept.attribute)
        settings = (
            as_options(self.study.measures),
            as_options(self.sampling_of(cell), prefix="sampling."),
            as_options(seen, prefix="concept."),
        )
        options = " ".join((self.identity(cell), *settings))
        inputs = self.judged(cell), self.judged(self.base_cell(cell))
        return self.job("measure", self._module("measure"), options, *inputs, merges=True)

    def predicting(self, options: str) -> str:
        """Of a job that runs the big networks: where, and in which numbers where these are not float32."""
        precision = self.config.compute.precision
        return self.on_device(options) + (f" --precision {precision}" if precision != "float32" else "")

    def training(self, options: str) -> str:
        return self.predicting(options) + (" --checkpointing" if self.config.compute.checkpointing else "")

    def base_cell(self, cell: Cell) -> Cell:
        """The cell of the untouched base that a cell is compared with: evaluated in the same way."""
        wanted = self.study.row(cell.variant).evaluation
        rows = self.study.variants.items()
        name = next(name for name, row in rows if row.method == "base" and row.evaluation == wanted)
        return Cell(self.name, cell.target, name, self.seeds_of(name)[0])

    @functools.cache  # noqa: B019
    def base(self, without: str | None = None) -> Job:
        if not self.given_base:
            return super().base(without)
        options = [f"--source={shlex.quote(self.given_base[0].path)}"]
        if self.family == "stable_diffusion":
            place = self.given_base[1].path if len(self.given_base) > 1 else None
            options.append(as_options(CheckpointSettings(weights=self.study.base.weights, configuration=place)))
        modules = [GIVEN_BASES[self.family], "lethe.base.__main__"]
        return self.job("base", modules, " ".join(options), *self.given_base)

    @property
    def _base_modules(self) -> list[str]:
        return [BASES[self.family], "lethe.base.__main__"]

    @property
    def _sampling_modules(self) -> list[str]:
        return [*self._module("sample"), DENOISERS[self.family][0]]

    def expected(self) -> dict[str, str]:
        files = super().expected()
        for name in self.judge_settings.trained:
            files[f"{self.judges}/{JUDGE_FILES[name]}"] = self.judge(name).fingerprint
        for cell in self.cells():
            place = self.place(cell.target)
            files[f"{place}/embeddings.safetensors"] = self.embeddings(cell.target).fingerprint
            strategy = self.strategy_of(cell)
            if strategy is not None:
                images = self.training_images(cell.target, strategy).fingerprint
                files |= dict.fromkeys(self.training_shards(cell.target, strategy), images)
                files[f"{place}/sets/{strategy}.safetensors"] = self.sets(cell.target, strategy).fingerprint
            if self.is_imported(cell):
                own = self.embeddings(cell.target, self.model_of(cell)).fingerprint
                files |= dict.fromkeys(self.embeddings_files(cell), own)
            files |= {shard: self.sample(cell).fingerprint for shard in self.shards(cell)}
            files |= dict.fromkeys(self.judged_files(cell), self.judged(cell).fingerprint)
            files[f"{self.folder(cell)}/records.csv"] = self.measure(cell).fingerprint
        return files
