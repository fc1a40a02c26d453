"""What the plans of studies of both kinds share: cells, folders, and how a job's fingerprint is made."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lethe.assets import Place, place_of
from lethe.code import code_hash, modules_behind
from lethe.config import Config
from lethe.fingerprint import fingerprint
from lethe.image_plan import shard_count
from lethe.imported.forms import files_of, form_of
from lethe.methods.method import Control
from lethe.model_files import Family, model_files, weights_of
from lethe.models import DENOISERS
from lethe.settings.common import Settings
from lethe.settings.options import as_options

ANY = "any"
IMPORTERS: dict[Family, str] = {
    "edm": "lethe.imported.edm",
    "stable_diffusion": "lethe.imported.stable_diffusion",
    "stable_diffusion_3": "lethe.imported.stable_diffusion3",
}
"""The module that lays a model of others over the base, for each family."""
_SHARD_SIZE = re.compile(r" ?--(sampling-)?shard-images=\d+")


class Cell(NamedTuple):
    """One model, or one row's value for one target. ``target`` is a class or a concept's name, or ``any``."""

    study: str
    target: str
    variant: str
    seed: str

    @property
    def folder(self) -> str:
        return f"{self.study}/{self.target}/{self.variant}/seed{self.seed}"

    @property
    def name(self) -> str:
        return f"{self.variant}/{self.target}/{self.seed}"


@dataclass(frozen=True)
class Job:
    """What a rule hands to its command: the options in full, and the modules the result depends on.

    ``mark`` stands for the result in the fingerprints of what is made from it. It is the fingerprint, but for the size
    of shards: what is measured on an image set does not depend on it.
    """

    options: str
    fingerprint: str
    code: tuple[Path, ...]
    mark: str

    def __str__(self) -> str:
        return f"{self.options} --fingerprint {self.fingerprint}"


class StudyPlan:
    """The jobs of one study. Each result's fingerprint holds those of the results it is made from."""

    def __init__(self, config: Config, name: str, computes: bool = True) -> None:
        self.config, self.name, self.study = config, name, config.studies[name]
        self.computes = computes
        self.kind, self.family = self.study.kind, self.study.family
        self.root = config.results
        self.places: dict[str, Place] = {}

    # Cells

    def cells(self, variants: Iterable[str] | None = None, targets: Iterable[str] | None = None) -> Iterator[Cell]:
        """The cells that are measured, row by row: every target (and seed) of each variant, those of sweeps too."""
        for variant in self.study.rows if variants is None else variants:
            for target in self.study.targets_of(variant):
                if targets is None or target in targets:
                    for seed in self.seeds_of(variant):
                        yield Cell(self.name, target, variant, seed)

    def seeds_of(self, variant: str) -> list[str]:
        seeds = self.study.seeds if self.study.has_seeds(variant) else self.study.seeds[:1]
        return [str(seed) for seed in seeds]

    def model_of(self, cell: Cell) -> Cell:
        """The cell whose model a cell is about: itself, one that serves every target, or that of the row whose model it
        shares."""
        method = self.study.method(cell.variant)
        cell = cell._replace(variant=self.study.row_of_model(cell.variant))
        serves_all = isinstance(method, Control) and not method.per_target
        return cell._replace(target=ANY) if serves_all else cell

    @property
    def unlearned(self) -> list[Cell]:
        """The cells with a model of their own that the unlearn stage makes."""
        made = self.variants_made_by("unlearn")
        return [cell for cell in self.cells(made) if self.model_of(cell) == cell]

    @property
    def imported(self) -> list[Cell]:
        """The cells whose models others have unlearned."""
        return list(self.cells(self.variants_made_by("import")))

    @property
    def with_cards(self) -> list[Cell]:
        """The cells with a model of their own that has forgotten something, here or elsewhere."""
        return [*self.unlearned, *self.imported]

    def is_imported(self, cell: Cell) -> bool:
        return self.study.row(cell.variant).given is not None

    def images_of(self, cell: Cell) -> Cell:
        """The cell whose images a cell is about."""
        raise NotImplementedError

    def variants_made_by(self, stage: str) -> list[str]:
        """The variants whose models the stage ``base``, ``unlearn`` or ``import`` makes."""
        methods = {name: self.study.method(name) for name in self.study.rows if self.study.row_of_model(name) == name}
        made_by = {name: m.made_by if isinstance(m, Control) else "unlearn" for name, m in methods.items()}
        return [name for name, maker in made_by.items() if maker == stage]

    # Files

    def folder(self, cell: Cell) -> str:
        return f"{self.root}/{cell.folder}"

    def model_folder(self, cell: Cell) -> str:
        """Where the model is that a cell is about."""
        model = self.model_of(cell)
        method = self.study.method(model.variant)
        if isinstance(method, Control) and method.made_by == "nothing":
            return f"{self.root}/{self.name}/base/model"
        return f"{self.folder(model)}/model"

    @property
    def data_study(self) -> str:
        """The study whose data, and whose judges, these are."""
        return self.name

    @property
    def needs_data(self) -> bool:
        """Whether anything is trained on the data."""
        return True

    def data_file(self, split: str) -> str:
        return f"{self.root}/{self.data_study}/data/{split}.safetensors"

    @functools.cached_property
    def given_base(self) -> tuple[Place, ...]:
        """The model that is given for the base, and what else it is read with; empty where the base is trained."""
        base = self.study.base
        names = (getattr(base, "given", None), getattr(base, "configuration", None))
        return tuple(self.given(name) for name in names if name is not None)

    @property
    def base_data(self) -> list[str]:
        """The data that a given base is checked against."""
        return []

    @property
    def origin(self) -> str:
        """The options that tell a card where the base comes from: the data that it is trained on, or what is given."""
        if not self.given_base:
            return f"--source {self.config.studies[self.data_study].data.source}"
        place = self.given_base[0]
        if place.asset is None:
            return f"--licence={shlex.quote(f'{place.name}, given by the user')}"
        said = {"licence": f"{place.asset.title} ({place.asset.licence})", "terms": place.asset.licence}
        said |= {"base-model": place.asset.hub_name} if place.asset.hub_name else {}
        return " ".join(f"--{name}={shlex.quote(words)}" for name, words in said.items())

    @property
    def base_files(self) -> list[str]:
        return [f"{self.root}/{self.name}/base/model/{name}" for name in model_files(self.family)]

    def model_inputs(self, cell: Cell) -> list[str]:
        return [f"{self.model_folder(cell)}/{name}" for name in model_files(self.family)]

    def shards(self, cell: Cell) -> list[str]:
        """The files of the image set that a cell is about."""
        return self.files_by_shard(cell, "images")

    def judged_files(self, cell: Cell) -> list[str]:
        """What the judges have seen in the images that a cell is about, shard by shard."""
        return self.files_by_shard(cell, "judged")

    def files_by_shard(self, cell: Cell, name: str) -> list[str]:
        """Files of the image set that a cell is about, one for each of its shards."""
        folder = self.folder(self.images_of(cell))
        count = shard_count(self.image_count(cell), self.study.sampling.shard_images)
        return [f"{folder}/{name}/shard{number:04d}.safetensors" for number in range(count)]

    def image_count(self, cell: Cell) -> int:
        """How many images the set has that a cell is about."""
        raise NotImplementedError

    def sets_files(self, cell: Cell) -> list[str]:
        """D_f and D_r of a cell, if it needs them."""
        raise NotImplementedError

    def embeddings_files(self, cell: Cell) -> list[str]:
        """The embeddings of the prompts that a cell is about, where its study has prompts."""
        return []

    def prompts_files(self, cell: Cell) -> list[str]:
        """The prompts that a cell is about, where its study has prompts."""
        return []

    def records(self, variants: Iterable[str] | None = None, targets: Iterable[str] | None = None) -> list[str]:
        return [f"{self.folder(cell)}/records.csv" for cell in self.cells(variants, targets)]

    def trajectory(self, cell: Cell) -> str:
        return f"{self.folder(cell)}/trajectory.csv"

    def method_of(self, cell: Cell) -> str:
        return self.study.row(cell.variant).method

    def titled(self, variants: Iterable[str]) -> list[str]:
        return [f"{variant}={self.study.title(variant)}" for variant in variants]

    # Jobs

    @property
    def given_data(self) -> Place | None:
        """What the images are read from, where they are not made by the workflow."""
        return None

    @functools.cached_property
    def data(self) -> Job:
        return self.job("data", self._module("data"), as_options(self.config.studies[self.data_study].data))

    @functools.cache  # noqa: B019 - a plan lives as long as the process
    def base(self, without: str | None = None) -> Job:
        """``without`` None: the base. Else the control that never saw that class."""
        options = as_options(self.study.base) + (f" --without {without}" if without is not None else "")
        return self.job("base", self._base_modules, self.on_device(options), self.data)

    @functools.cache  # noqa: B019
    def unlearn(self, cell: Cell) -> Job:
        name = self.method_of(cell)
        options = f"--seed {cell.seed} {as_options(self.study.method_settings(cell.variant, cell.target))}".strip()
        modules = ["lethe.unlearn.__main__", f"lethe.methods.{name}", DENOISERS[self.family][0]]
        return self.job(
            f"unlearn {self.kind} {name}", modules, self.training(options), self.base(), *self.learned_from(cell)
        )

    def learned_from(self, cell: Cell) -> list[Job]:
        """The jobs that make what the unlearning of a cell reads beside the base."""
        raise NotImplementedError

    def model(self, cell: Cell) -> Job:
        """The job that makes the model a cell is about, in whichever stage."""
        model = self.model_of(cell)
        method = self.study.method(model.variant)
        if isinstance(method, Control) and method.made_by in ("nothing", "base"):
            return self.base(None if method.made_by == "nothing" else model.target)
        return self.imported_model(model) if self.is_imported(model) else self.unlearn(model)

    def import_place(self, cell: Cell) -> Place:
        """Where the model of an imported row lies."""
        return self.given(self.study.row(cell.variant).given.format(target=cell.target, seed=cell.seed))

    def import_files(self, cell: Cell) -> tuple[str, ...]:
        """The user's own files that an imported model is read from."""
        place = self.import_place(cell)
        return files_of(Path(place.path)) if place.asset is None else ()

    def import_assets(self, cell: Cell) -> tuple[str, ...]:
        place = self.import_place(cell)
        return () if place.asset is None else place.inputs

    def check_imports(self) -> None:
        """LetheError for a file of the user's own that is not there, or is no model of this study's family."""
        for cell in self.imported:
            place = self.import_place(cell)
            if place.asset is None:
                form_of(Path(place.path), self.family)

    @functools.cache  # noqa: B019
    def imported_model(self, cell: Cell) -> Job:
        place = self.import_place(cell)
        options = f"--source={shlex.quote(place.path)} --name={shlex.quote(place.name)} --seed {cell.seed}"
        settings = as_options(self.study.method_settings(cell.variant, cell.target)) if self.kind == "text" else ""
        modules = [IMPORTERS[self.family], "lethe.imported.__main__"]
        return self.job("import", modules, f"{options} {settings}".strip(), self.base(), place)

    def identity(self, cell: Cell) -> str:
        """The options that tell a record what it is of."""
        return (
            f"--preset {self.config.preset} --study {self.name} --target {cell.target} --variant {cell.variant} "
            f"--method {self.method_of(cell)} --seed {cell.seed}"
        )

    def sampling_of(self, cell: Cell) -> Settings:
        """How a cell's images are drawn."""
        sampling = self.study.sampling
        return sampling.model_copy(update={"unseeded": True}) if self.study.as_released(cell.variant) else sampling

    def on_device(self, options: str) -> str:
        return f"{options} --device {self.config.compute.device}".strip()

    def training(self, options: str) -> str:
        """Of a job that trains a network: where, and how."""
        return self.on_device(options)

    def given(self, name: str) -> Place:
        """An asset of the catalogue by its name, or what a path of the user's own names."""
        if name not in self.places:
            self.places[name] = place_of(name, self.config.assets, is_needed=self.computes)
        return self.places[name]

    def job(
        self,
        stage: str,
        modules: list[str],
        options: str,
        *inputs: Job | Place,
        merges: bool = False,
        cuts_batches: bool = False,
    ) -> Job:
        """``inputs`` are the jobs whose results, and the downloads, that this one reads. A job that ``merges`` reads
        all shards of an image set; one whose shards end within a network's batch (``cuts_batches``) may by that move
        a pixel by a grey level."""
        code = code_hash(*modules)
        marks = [each.mark for each in inputs]
        mark = fingerprint(stage, _SHARD_SIZE.sub("", options), code, *marks)
        of_inputs = [each.mark if isinstance(each, Place) else each.fingerprint for each in inputs]
        own = mark if merges else fingerprint(stage, options, code, *of_inputs)
        return Job(options, own, modules_behind(*modules), own if cuts_batches else mark)

    def cuts_batches(self, images: int) -> bool:
        """Whether the shards of a set of so many images end within a batch of the sampler."""
        sampling = self.study.sampling
        return images > sampling.shard_images and sampling.shard_images % sampling.kernel_batch > 0

    def _module(self, stage: str) -> list[str]:
        return [f"lethe.{stage}.{'classes' if self.kind == 'class' else 'text'}", f"lethe.{stage}.__main__"]

    @property
    def _base_modules(self) -> list[str]:
        return self._module("base")

    # Whole

    def expected(self) -> dict[str, str]:
        """Every result of the study that carries a fingerprint, with the one it should carry."""
        place = f"{self.root}/{self.name}"
        splits = ("train", "test") if self.needs_data else ()
        files = {self.data_file(split): self.data.fingerprint for split in splits}
        files[f"{place}/base/model/{weights_of(self.family)}"] = self.base().fingerprint
        for cell in self.cells():
            files[f"{self.model_folder(cell)}/{weights_of(self.family)}"] = self.model(cell).fingerprint
        return files
