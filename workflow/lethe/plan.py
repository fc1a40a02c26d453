"""The plan of a preset: its cells, and for each rule the options, the code and the fingerprint of each of its jobs.

The Snakefile asks here; nothing here imports torch. A cell is (study, target, variant, seed); its folder is
``results/<preset>/<study>/<target>/<variant>/seed<seed>``. Models that serve every target stand under target ``any``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lethe.code import code_hash, modules_behind
from lethe.config import CLASSES, Artefacts, Config, Study
from lethe.errors import LetheError, nearest
from lethe.fingerprint import fingerprint
from lethe.image_plan import all_classes, one_target, shard_count
from lethe.methods.method import Control
from lethe.settings.options import as_options

ANY = "any"


class Cell(NamedTuple):
    """One model, or one row's value for one target. ``target`` is a class, or ``any``."""

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
    """What a rule hands to its command: the options in full, and the modules the result depends on."""

    options: str
    fingerprint: str
    code: tuple[Path, ...]

    def __str__(self) -> str:
        return f"{self.options} --fingerprint {self.fingerprint}"


class Plan:
    """What the rules of one preset ask for. ``wildcards`` are Snakemake's, or any object with those attributes."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.root = f"results/{config.preset}"

    def study(self, name: str) -> Study:
        return self.config.studies[name]

    # Cells

    def cells(self, study: str, variants: Iterable[str] | None = None) -> Iterator[Cell]:
        """The cells that are measured, row by row: every target (and seed) of each variant."""
        chosen = self.study(study)
        for variant in chosen.variants if variants is None else variants:
            for target in chosen.variants[variant].targets or chosen.targets:
                for seed in self._seeds(chosen, variant):
                    yield Cell(study, str(target), variant, seed)

    def model_of(self, cell: Cell) -> Cell:
        """The cell whose model (and images) a measured cell is about: itself, or one that serves every target."""
        method = self.study(cell.study).method(cell.variant)
        serves_all = isinstance(method, Control) and not method.per_target
        return cell._replace(target=ANY) if serves_all else cell

    def models(self, study: str) -> list[Cell]:
        return list(dict.fromkeys(self.model_of(cell) for cell in self.cells(study)))

    def _seeds(self, study: Study, variant: str) -> list[str]:
        method = study.method(variant)
        seeds = study.seeds if not isinstance(method, Control) or method.seeded else study.seeds[:1]
        return [str(seed) for seed in seeds]

    def variants_made_by(self, stage: str) -> str:
        """A regular expression of the variants whose models the stage ``base`` or ``unlearn`` makes."""
        names = {
            name
            for study in self.config.studies.values()
            for name in study.variants
            if (method.made_by if isinstance(method := study.method(name), Control) else "unlearn") == stage
        }
        return "|".join(sorted(names)) or "(?!)"

    # Files

    def folder(self, cell: Cell) -> str:
        return f"{self.root}/{cell.folder}"

    def model_folder(self, cell: Cell) -> str:
        """Where the model is that a cell samples from: for the base, that of the base stage."""
        method = self.study(cell.study).method(cell.variant)
        if isinstance(method, Control) and method.made_by == "nothing":
            return f"{self.root}/{cell.study}/base/model"
        return f"{self.folder(cell)}/model"

    def shards(self, cell: Cell) -> list[str]:
        """The files of a model's image set."""
        settings, classes = self.study(cell.study).sampling, self._classes(cell.study)
        plan = all_classes(classes, settings) if cell.target == ANY else one_target(int(cell.target), classes, settings)
        count = shard_count(len(plan.seeds), settings.shard_images)
        return [f"{self.folder(cell)}/images/shard{number:04d}.safetensors" for number in range(count)]

    def sets_files(self, cell: Cell) -> list[str]:
        """D_f and D_r of a cell; a control needs none."""
        if isinstance(self.study(cell.study).method(cell.variant), Control):
            return []
        return [f"{self.root}/{cell.study}/{cell.target}/sets/seed{cell.seed}.safetensors"]

    def trajectory(self, cell: Cell) -> str:
        return f"{self.folder(cell)}/trajectory.csv"

    def method_of(self, cell: Cell) -> str:
        return self.study(cell.study).variants[cell.variant].method

    def records(self, study: str, variants: Iterable[str] | None = None) -> list[str]:
        return [f"{self.folder(cell)}/records.csv" for cell in self.cells(study, variants)]

    def _classes(self, study: str) -> int:
        return CLASSES[self.study(study).data.source]

    # Jobs. Each result's fingerprint holds those of the results it is made from.

    @functools.cache  # noqa: B019 - a plan lives as long as the process
    def data(self, study: str) -> Job:
        return self._job("data", ["lethe.data.__main__"], as_options(self.study(study).data))

    @functools.cache  # noqa: B019
    def base(self, study: str, without: str | None = None) -> Job:
        """``without`` None: the base. Else the control that never saw that class."""
        options = as_options(self.study(study).base) + (f" --without {without}" if without is not None else "")
        return self._job("base", ["lethe.base"], self._on_device(options), self.data(study))

    @functools.cache  # noqa: B019
    def judge(self, study: str) -> Job:
        options = self._on_device(as_options(self.study(study).judge))
        return self._job("judge train", ["lethe.judge"], options, self.data(study))

    @functools.cache  # noqa: B019
    def judged_data(self, study: str) -> Job:
        return self._job("judge data", ["lethe.judge"], self._on_device(""), self.judge(study), self.data(study))

    @functools.cache  # noqa: B019
    def sets(self, study: str, target: str, seed: str) -> Job:
        options = f"{as_options(self.study(study).sets)} --target {target} --seed {seed}"
        return self._job("sets", ["lethe.sets"], options, self.data(study))

    @functools.cache  # noqa: B019
    def unlearn(self, cell: Cell) -> Job:
        study = self.study(cell.study)
        name, method = self.method_of(cell), study.method(cell.variant)
        options = f"--seed {cell.seed} {as_options(study.method_settings(cell.variant))}".strip()
        inputs = [self.base(cell.study)]
        if not isinstance(method, Control):
            inputs.append(self.sets(cell.study, cell.target, cell.seed))
        modules = ["lethe.unlearn", f"lethe.methods.{name}"]
        return self._job(f"unlearn {name}", modules, self._on_device(options), *inputs)

    def model(self, cell: Cell) -> Job:
        """The job that makes a cell's model, in whichever stage."""
        method = self.study(cell.study).method(cell.variant)
        if isinstance(method, Control) and method.made_by in ("nothing", "base"):
            return self.base(cell.study, None if method.made_by == "nothing" else cell.target)
        return self.unlearn(cell)

    @functools.cache  # noqa: B019
    def sample(self, cell: Cell) -> Job:
        options = as_options(self.study(cell.study).sampling)
        if cell.target != ANY:
            options += f" --target {cell.target}"
        return self._job("sample", ["lethe.sample"], self._on_device(options), self.model(cell))

    @functools.cache  # noqa: B019
    def judged(self, cell: Cell) -> Job:
        options = self._on_device("")
        return self._job("judge images", ["lethe.judge"], options, self.judge(cell.study), self.sample(cell))

    @functools.cache  # noqa: B019
    def measure(self, cell: Cell) -> Job:
        study = self.study(cell.study)
        options = (
            f"--preset {self.config.preset} --study {cell.study} --target {cell.target} --variant {cell.variant} "
            f"--method {self.method_of(cell)} --seed {cell.seed} "
            f"{as_options(study.measures)} {as_options(study.sampling, prefix='sampling.')}"
        )
        inputs = self.judged(self.model_of(cell)), self.judged_data(cell.study)
        return self._job("measure", ["lethe.measure"], options, *inputs)

    def _on_device(self, options: str) -> str:
        return f"{options} --device {self.config.compute.device}".strip()

    def _job(self, stage: str, modules: list[str], options: str, *inputs: Job) -> Job:
        made_from = fingerprint(stage, options, code_hash(*modules), *(job.fingerprint for job in inputs))
        return Job(options, made_from, tuple(modules_behind(*modules)))

    # Tables and figures

    @property
    def shown(self) -> Artefacts:
        return self.config.artefacts

    def tables(self) -> list[str]:
        names = ("table1", "paired") if self.shown.pairs else ("table1",)
        return [f"{self.root}/tables/{name}.{kind}" for name in names for kind in ("csv", "md", "tex")]

    def figures(self) -> list[str]:
        optional = {"trajectory": self.shown.trajectory, "samples": self.shown.samples}
        names = ["figure2", *(name for name, rows in optional.items() if rows)]
        return [f"{self.root}/figures/{name}.{kind}" for name in names for kind in ("pdf", "png")]

    def artefacts(self) -> list[str]:
        return self.tables() + self.figures()

    @property
    def table1_rows(self) -> list[str]:
        return list(self.shown.table1 or self.study(self.shown.study).variants)

    def titled(self, variants: Iterable[str]) -> list[str]:
        study = self.study(self.shown.study)
        return [f"{variant}={study.title(variant)}" for variant in variants]

    @property
    def compared(self) -> list[str]:
        """The rows that take part in a paired comparison."""
        return list(dict.fromkeys(name for pair in self.shown.pairs for name in pair))

    @property
    def figure2_cell(self) -> Cell:
        return next(self._shown_cells([self.shown.figure2]))

    @property
    def figure2_title(self) -> str:
        cell = self.figure2_cell
        return f"{self.study(cell.study).title(cell.variant)}, {cell.study}, target {cell.target}"

    @property
    def sample_cells(self) -> list[Cell]:
        return list(self._shown_cells(self.shown.samples))

    @property
    def trajectory_cells(self) -> list[Cell]:
        return list(self.cells(self.shown.study, self.shown.trajectory))

    def _shown_cells(self, variants: Iterable[str]) -> Iterator[Cell]:
        """The shown target's cell of each row, with its first seed."""
        study = self.study(self.shown.study)
        for variant in variants:
            yield Cell(self.shown.study, str(self.shown.shown_target), variant, self._seeds(study, variant)[0])

    def code_of_artefact(self, name: str) -> list[Path]:
        return modules_behind(f"lethe.artefacts.{name}")

    # Whole

    def expected(self) -> dict[str, str]:
        """Every result of the plan that carries a fingerprint, with the one it should carry."""
        files: dict[str, str] = {}
        for study in self.config.studies:
            place = f"{self.root}/{study}"
            for split in ("train", "test"):
                files[f"{place}/data/{split}.safetensors"] = self.data(study).fingerprint
                files[f"{place}/data/judged_{split}.safetensors"] = self.judged_data(study).fingerprint
            files[f"{place}/base/model/{WEIGHTS}"] = self.base(study).fingerprint
            files[f"{place}/judge/judge.safetensors"] = self.judge(study).fingerprint
            for cell in self.models(study):
                for sets in self.sets_files(cell):
                    files[sets] = self.sets(study, cell.target, cell.seed).fingerprint
                files[f"{self.model_folder(cell)}/{WEIGHTS}"] = self.model(cell).fingerprint
                files |= {shard: self.sample(cell).fingerprint for shard in self.shards(cell)}
                files[f"{self.folder(cell)}/judged.safetensors"] = self.judged(cell).fingerprint
            for cell in self.cells(study):
                files[f"{self.folder(cell)}/records.csv"] = self.measure(cell).fingerprint
        return files

    def cell_of(self, wildcards: Any) -> Cell:
        """The cell that a rule's wildcards name; a target that is no cell of the preset is refused."""
        cell = Cell(wildcards.study, wildcards.target, wildcards.variant, wildcards.seed)
        if wildcards.study not in self.config.studies:
            raise LetheError(
                f"preset {self.config.preset} has no study '{cell.study}'", nearest(cell.study, self.config.studies)
            )
        variants = self.study(cell.study).variants
        if cell.variant not in variants:
            raise LetheError(f"study {cell.study} has no variant '{cell.variant}'", nearest(cell.variant, variants))
        return cell


WEIGHTS = "diffusion_pytorch_model.safetensors"
