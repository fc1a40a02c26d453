"""The work of a preset, job by job: what each takes that runs a network, and which file tells that it is done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lethe.config.class_study import CLASSES
from lethe.costs import networks
from lethe.costs.networks import StudyCost, study_cost
from lethe.costs.passes import passes_of_run
from lethe.methods.method import Control, Recipe
from lethe.plan import Plan
from lethe.plan.study import Cell, StudyPlan
from lethe.prompt_images import image_count

Stage = Literal["base", "training images", "unlearn", "sample", "judge"]
_FLOAT = 4
_CONTEXT = 1e9
"""Bytes that CUDA and its libraries take for themselves."""
IMAGES = {"digits": 1437, "cifar10": 50_000}
"""Training images of a class study; of the digits, four fifths of all."""
_TRAINED = {"stable_diffusion": {"xattn": 0.0512, "kv": 0.0223, "noxattn": 0.9488}}
"""Shares of the weights that a method moves which does not move all, of Stable Diffusion 1."""


class Work(NamedTuple):
    """One job: ``flops`` of its network, in ``precision``; bytes of GPU memory at its peak and of disk when it is done.
    ``done`` is a file that is there then."""

    stage: Stage
    study: str
    flops: float
    precision: str
    memory: float
    disk: float
    done: str

    @property
    def is_done(self) -> bool:
        return Path(self.done).is_file()


def work_of(plan: Plan) -> list[Work]:
    """Every job of a preset that runs a network."""
    return [work for study in plan.studies.values() for work in _StudyWork(study).all()]


class _StudyWork:
    def __init__(self, plan: StudyPlan) -> None:
        self.plan, self.study = plan, plan.study
        self.cost: StudyCost = study_cost(plan)
        self.network = self.cost.network
        self.weights = _FLOAT * self.network.parameters
        compute = plan.config.compute
        is_text = plan.kind == "text"
        self.precision = compute.precision if is_text else "float32"
        self.checkpointed = is_text and compute.checkpointing
        self.kept = 0.5 if self.precision == "bfloat16" else 1.0  # of the bytes that float32 takes

    def all(self) -> Iterator[Work]:
        yield from self.bases()
        made = self.plan.cells(self.plan.variants_made_by("unlearn"))
        for cell in dict.fromkeys(map(self.plan.model_of, made)):  # one control's model serves every target
            yield self.unlearning(cell)
        for cell in self.plan.imported:
            disk = _FLOAT * (self.network.parameters + self.cost.other_parameters)
            yield self._work("base", 0, 0, disk, self.plan.model_inputs(cell)[-1])
        text = self.plan.kind == "text"
        yield from self.text_images() if text else ()
        seen: set[Cell] = set()
        for cell in map(self.plan.images_of, self.plan.cells()):
            if cell not in seen:
                seen.add(cell)
                yield from self.images(cell)

    def bases(self) -> Iterator[Work]:
        place = self.plan
        disk = _FLOAT * (self.network.parameters + self.cost.other_parameters)
        steps = 0 if place.given_base else self.study.base.steps * self.study.base.batch
        flops = steps * networks.FORWARDS * self.network.flops
        memory = 0 if place.given_base else self._training_memory(self.study.base.batch, gradients=1, copies=1)
        yield self._work("base", flops, memory, disk, place.base_files[-1])
        retrained = {place.model_of(cell) for cell in place.cells(place.variants_made_by("base"))}
        for cell in sorted(retrained):
            yield self._work("base", flops, memory, disk, place.model_inputs(cell)[-1])

    def unlearning(self, cell: Cell) -> Work:
        method = self.study.method(cell.variant)
        disk = _FLOAT * (self.network.parameters + self.cost.other_parameters)
        done = f"{self.plan.folder(cell)}/cost.json"
        if isinstance(method, Control):  # its weights are drawn, not learned
            return self._work("unlearn", 0, 0, disk, done)
        recipe, settings = method.recipe(self.plan.kind), self.study.method_settings(cell.variant, cell.target)
        passes = passes_of_run(recipe, settings, *self.set_sizes(cell, settings))
        backward = networks.WITH_CHECKPOINTING if self.checkpointed else networks.FORWARDS
        flops = (passes.backward * backward + passes.forward) * self.network.flops
        return self._work("unlearn", flops, self._unlearning_memory(recipe, settings), disk, done)

    def set_sizes(self, cell: Cell, settings: Any) -> tuple[int, int]:
        """Images of D_f and of D_r."""
        if self.plan.kind == "text":
            pairs = self.study.targets[cell.target].train_pairs
            pairs = min(pairs, getattr(settings, "pairs", None) or pairs)
            return pairs, pairs
        others = CLASSES[self.study.data.source] - 1
        return round(IMAGES[self.study.data.source] / (others + 1)), self.study.sets.retain_per_class * others

    def text_images(self) -> Iterator[Work]:
        """What the sets are made from: drawn by the base, then encoded."""
        sampling = self.study.sampling
        strategies = {(cell.target, self.plan.strategy_of(cell)) for cell in self.plan.cells()}
        for target, strategy in sorted((t, s) for t, s in strategies if s is not None):
            for shard, done in enumerate(self.plan.training_shards(target, strategy)):
                count = image_count(self.study.targets[target], strategy, sampling)
                count = min(sampling.shard_images, count - shard * sampling.shard_images)
                flops = count * (self._text_image_flops() + self.network.encode_flops)
                yield self._work("training images", flops, self._sampling_memory(), count * self.cost.image_bytes, done)

    def images(self, cell: Cell) -> Iterator[Work]:
        """Drawing and judging, shard by shard."""
        sampling, total, each = self.study.sampling, self.plan.image_count(cell), self._image_flops()
        for shard, files in enumerate(zip(self.plan.shards(cell), self.plan.judged_files(cell), strict=True)):
            count = min(sampling.shard_images, total - shard * sampling.shard_images)
            disk = count * self.cost.image_bytes
            drawn = self._work("sample", count * each, self._sampling_memory(), disk, files[0])
            yield drawn._replace(precision="tf32") if getattr(sampling, "tf32", False) else drawn
            judged = self._work("judge", count * self._judge_flops(), _CONTEXT, 0, files[1])
            yield judged._replace(precision="float32")

    def _image_flops(self) -> float:
        """Of drawing one image."""
        is_text = self.plan.kind == "text"
        return self._text_image_flops() if is_text else (2 * self.study.sampling.steps - 1) * self.network.flops

    def _text_image_flops(self) -> float:
        """Guidance asks twice; PNDM asks once more than it has steps."""
        sampling = self.study.sampling
        calls = sampling.steps + (sampling.sampler == "pndm")
        return 2 * calls * self.network.flops + self.network.decode_flops

    def _judge_flops(self) -> float:
        """Of the judges that are given; those trained here are too small to count."""
        if self.plan.kind == "text":
            known = {"alignment": networks.OPEN_CLIP, "detector": networks.DETECTOR}
            return sum(known.get(name, 0) for name in self.plan.given_judges)
        zero_shot, inception = self.study.zero_shot, self.study.inception
        front_ends = len(inception.front_ends) if inception else 0
        return (networks.ZERO_SHOT if zero_shot else 0) + networks.INCEPTION * front_ends

    def _unlearning_memory(self, recipe: Recipe, settings: Any) -> float:
        gradients = (recipe.forget is not None) + (recipe.retain is not None)
        copies = recipe.frozen_teacher + (recipe.mask is not None) / _FLOAT  # a mask has a byte for each weight
        share = _TRAINED.get(self.plan.family, {}).get(recipe.trainable, 1.0)
        return self._training_memory(settings.batch, gradients, copies, share)

    def _training_memory(self, batch: int, gradients: int, copies: float, share: float = 1.0) -> float:
        """Weights and their ``copies``; gradients and Adam's two moments of the ``share`` that is trained; and what the
        backward pass needs."""
        kept = self.network.checkpointed_bytes if self.checkpointed else self.network.step_bytes
        return _CONTEXT + self.weights * (1 + copies + (gradients + 2) * share) + batch * kept * self.kept

    def _sampling_memory(self) -> float:
        """The larger of a call of the network, twice as wide with guidance, and of decoding one picture."""
        sampling, is_text = self.study.sampling, self.plan.kind == "text"
        width = sampling.kernel_batch * (2 if is_text else 1)
        at_work = max(width * self.network.call_bytes * self.kept, self.network.decode_bytes)
        return _CONTEXT + self.weights + _FLOAT * self.cost.other_parameters + at_work

    def _work(self, stage: Stage, flops: float, memory: float, disk: float, done: str) -> Work:
        return Work(stage, self.plan.name, flops, self.precision, memory, disk, done)
