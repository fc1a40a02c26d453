"""What a preset cost: by stage from the benchmark files that Snakemake keeps, by row from the cost files of unlearning.

A benchmark file has the seconds from a job's start to its end and the largest memory of its processes. A job that runs
a network holds its device all that time, so its seconds are device seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lethe.errors import LetheError
from lethe.files import read_json
from lethe.plan import Plan
from lethe.report.shelf import Shelf
from lethe.report.words import row_titles
from lethe.stages import STAGES, WITH_A_NETWORK

_NAMES = {
    "data": "data",
    "base": "base",
    "retrained": "base",
    "similarity": "sets",
    "prompts": "sets",
    "embeddings": "sets",
    "unlearn": "unlearn",
    # Inception looks at a data set's images.
    "photographs": "judge",
    "measure": "measure",
    "captions": "measure",
    "metrics": "measure",
    "card": "measure",
}
_STARTS = {"judge_": "judges", "judge": "judge", "sample": "sample", "base": "base"}
# Of the sets stage, the jobs that run a network: embeddings, training images, their codes.
_SETS_ON_DEVICE = ("embeddings", "shard", "diversified", "uniform", "anchored")
_MEGABYTE = 2**20


@dataclass
class Cost:
    """Of one stage: jobs, seconds of all, those of processors and those on a device, the largest memory of one job in
    bytes (None where no benchmark says), the images that it made, and the energy of its devices in joules (None where
    no job says; of unlearning only)."""

    stage: str
    jobs: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    device_seconds: float = 0.0
    peak_bytes: float | None = None
    images: int | None = None
    joules: float | None = None

    def add(self, measured: Iterable[dict[str, Any]], is_on_device: bool) -> None:
        for line in measured:
            self.jobs += 1
            self.seconds += line["s"]
            self.device_seconds += line["s"] * is_on_device
            memory, processors = line.get("max_rss"), line.get("cpu_time")
            if isinstance(processors, int | float):  # a job that is over before it is looked at has none
                self.cpu_seconds += processors
            if isinstance(memory, int | float):
                self.peak_bytes = max(self.peak_bytes or 0.0, memory * _MEGABYTE)


def stage_of(place: Path) -> str:
    """The stage of a benchmark file, by its place below the benchmarks folder."""
    if place.parts[0] in ("tables", "figures"):
        return "artefacts"
    if place.parts[0] == "assets":
        return "assets"
    if "sets" in place.parts[:-1]:
        return "sets"
    start = next((stage for start, stage in _STARTS.items() if place.stem.startswith(start)), "other")
    return _NAMES.get(place.stem, start)


def by_stage(plan: Plan) -> list[Cost]:
    """What each stage has cost as far as benchmark files tell, in the order of the stages."""
    costs = {stage: Cost(stage) for stage in STAGES}
    folder = Path(plan.root) / "benchmarks"
    for path in sorted(folder.rglob("*.jsonl")):
        place = path.relative_to(folder)
        stage = stage_of(place)
        is_on_device = stage in WITH_A_NETWORK or (stage == "sets" and place.stem.startswith(_SETS_ON_DEVICE))
        costs[stage].add(_lines(path), is_on_device)
    costs["sample"].images, costs["sets"].images = _images(plan)
    costs["unlearn"].joules = _joules(plan)
    return [cost for cost in costs.values() if cost.jobs]


def total(costs: Iterable[Cost]) -> Cost:
    """Of all stages."""
    whole = Cost("all", images=0)
    for cost in costs:
        whole.jobs += cost.jobs
        whole.seconds += cost.seconds
        whole.cpu_seconds += cost.cpu_seconds
        whole.device_seconds += cost.device_seconds
        whole.images = (whole.images or 0) + (cost.images or 0)
        if cost.peak_bytes is not None:
            whole.peak_bytes = max(whole.peak_bytes or 0.0, cost.peak_bytes)
        if cost.joules is not None:
            whole.joules = (whole.joules or 0.0) + cost.joules
    return whole


def _joules(plan: Plan) -> float | None:
    """Of all unlearnings that have their energy in cost.json."""
    paths = {f"{study.folder(cell)}/cost.json" for study in plan.studies.values() for cell in study.unlearned}
    costs = [read_json(path) for path in sorted(paths) if Path(path).is_file()]
    found = [cost["energy_joules"] for cost in costs if "energy_joules" in cost]
    return sum(found) if found else None


def _lines(path: Path) -> list[dict[str, Any]]:
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return [line for line in lines if isinstance(line["s"], int | float)]
    except (ValueError, KeyError, TypeError) as error:
        raise LetheError(f"{path}: not a benchmark of Snakemake ({error!r})", "delete it") from None


def _images(plan: Plan) -> tuple[int, int]:
    """Images that the sample stage has drawn to be measured, and those that methods learn from."""
    measured, learned = {}, {}
    for study in plan.studies.values():
        for cell in study.cells():
            measured |= dict.fromkeys(study.shards(cell))
            strategy = study.strategy_of(cell)
            if study.kind == "text" and strategy is not None:
                learned |= dict.fromkeys(study.training_shards(cell.target, strategy))
    return _count(measured), _count(learned)


def _count(paths: Iterable[str]) -> int:
    from safetensors import safe_open

    total = 0
    for path in paths:
        if Path(path).is_file():
            with safe_open(path, framework="numpy") as stream:
                total += stream.get_slice("images").get_shape()[0]
    return total


class RowCost(NamedTuple):
    """What unlearning cost by row: means over its cells."""

    study: str
    title: str
    method: str
    cells: int
    seconds: float
    steps: float
    passes: float
    forwards: float
    peak_bytes: float
    storage_bytes: float
    devices: str
    joules: float | None
    """Mean of the cells that have it."""


_QUANTITIES = ("seconds", "steps", "passes", "forwards", "peak_memory_bytes", "storage_bytes")


def by_row(plan: Plan, shelf: Shelf) -> list[RowCost]:
    """All rows that were unlearned but those of sweeps."""
    rows = []
    for study in plan.studies.values():
        variants = [name for name in study.variants_made_by("unlearn") if name in study.study.variants]
        for variant, title in row_titles(study, variants).items():
            cells = [cell for cell in study.cells([variant]) if study.model_of(cell) == cell]
            paths = shelf.those_there(f"{study.folder(cell)}/cost.json" for cell in cells)
            costs = [read_json(path) for path in paths]
            if costs:
                means = [sum(cost[name] for cost in costs) / len(costs) for name in _QUANTITIES]
                devices = " ".join(sorted({str(cost["device"]) for cost in costs}))
                method = study.study.row(variant).method
                energies = [cost["energy_joules"] for cost in costs if "energy_joules" in cost]
                joules = sum(energies) / len(energies) if energies else None
                rows.append(RowCost(study.name, title, method, len(costs), *means, devices, joules))
    return rows
