"""A preset's results, written by hand in the real formats: what a report is made from, without any training."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from lethe.artefacts import __main__ as artefacts
from lethe.config import load_config
from lethe.files import write_arrays, write_json, write_text
from lethe.image_plan import all_classes, one_target
from lethe.plan import ANY, Cell, Plan
from lethe.plan.study import StudyPlan
from lethe.prompt_images import prompt_images
from lethe.prompts import prompt_rows, read_prompts, write_prompts
from lethe.record import Record, write_records

REPOSITORY = Path(__file__).resolve().parents[2]
HOSTILE = "<img src=x onerror=\"document.title='pwned'\"> & 'stripes' </script>"
"""The title of a target: words from a configuration are never HTML."""
PIXELS = {"class": (1, 8, 8), "text": (3, 16, 16)}
_TEXT_METRICS = ("AS", "AS_difference", "detections", "detected", "recognised", "kept:all")


def config() -> dict[str, Any]:
    """The smoke preset's studies of digits and of shapes, where stripes are something not to be seen."""
    values = yaml.safe_load((REPOSITORY / "workflow/presets/smoke.yaml").read_text(encoding="utf-8"))
    values["preset"] = "written"
    del values["studies"]["shapes3"], values["artefacts"]["text"]["table7"]
    digits, shapes = values["studies"]["digits"], values["studies"]["shapes"]
    digits["targets"] = [3, 5]
    digits["sweeps"] = {}
    digits["variants"].pop("rgd_equal")
    digits["variants"].pop("rgd_nearest")
    shapes["targets"]["stripes"] |= {"blur": True, "title": HOSTILE}
    values["artefacts"]["classes"] |= {"equal_compute": None, "table3": [], "figure6": None}
    values["artefacts"]["doco"] = None
    return values


def write_results(plan: Plan) -> None:
    """Into the working directory: everything that a report reads, but a few tables, figures and cards."""
    for study in plan.studies.values():
        for target in study.study.target_names() if study.kind == "text" else ():
            write_prompts(f"{study.place(target)}/prompts.csv", prompt_rows(study.study.targets[target]))
        for cell in study.cells():
            _write_cell(study, cell)
    _write_tables(plan)
    for number, name in enumerate(("tradeoff", "tradeoff_text", "figure3")):
        path = Path(plan.root) / "figures" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((60, 90 + number, 3), 40 * number, np.uint8)).save(path)
    for place, seconds in {"digits/3/rgd/seed0/unlearn": 4.0, "digits/3/rgd/seed0/measure": 1.0}.items():
        line = {"s": seconds, "h:m:s": "0:00:04", "max_rss": 700.0 + seconds, "cpu_time": 1.0}
        write_text(f"{plan.root}/benchmarks/{place}.jsonl", json.dumps(line) + "\n")


def _write_cell(study: StudyPlan, cell: Cell) -> None:
    measured = study.measure(cell)
    write_records(f"{study.folder(cell)}/records.csv", records_of(study, cell, measured.fingerprint))
    images = study.images_of(cell)
    pixels = pixels_of(study, images)
    provenance = {"fingerprint": study.sample(images).fingerprint, "versions": {"torch": "0.0", "lethe": "0.1.0"}}
    size = study.study.sampling.shard_images
    for number, path in enumerate(study.shards(cell)):
        rows = slice(number * size, (number + 1) * size)
        write_arrays(path, {name: array[rows] for name, array in pixels.items()}, provenance)
    if cell in study.unlearned:
        names = ("seconds", "steps", "passes", "forwards", "passes_per_step", "forwards_per_step")
        cost = dict.fromkeys(names, 1.5)
        cost |= {"peak_memory_bytes": 2**30, "storage_bytes": 2**20, "device": "cpu"}
        write_json(f"{study.folder(cell)}/cost.json", cost)
        card = f"---\nlibrary_name: diffusers\n---\n\n# {cell.variant}\n\nA *card* of `{cell.variant}` {HOSTILE}\n"
        write_text(f"{study.model_folder(cell)}/README.md", card)


def pixels_of(study: StudyPlan, cell: Cell) -> dict[str, np.ndarray]:
    """An image set: each image is one grey level, told by its model, its prompt and its seed."""
    settings = study.study.sampling
    if study.kind == "class":
        shown = all_classes(10, settings) if cell.target == ANY else one_target(int(cell.target), 10, settings)
        place, rows = "conditions", shown.conditions
    else:
        shown = prompt_images(read_prompts(f"{study.place(cell.target)}/prompts.csv"), "measure", settings)
        place, rows = "rows", shown.rows
    levels = (13 * rows + 7 * shown.seeds + 31 * list(study.study.rows).index(cell.variant)) % 256
    images = np.broadcast_to(levels[:, None, None, None], (len(levels), *PIXELS[study.kind])).astype(np.uint8)
    return {"images": images, place: rows, "seeds": shown.seeds}


def records_of(study: StudyPlan, cell: Cell, fingerprint: str) -> Iterator[Record]:
    """Numbers that differ from record to record."""
    metrics = ("UA", "RA", "FD", "KD") if study.kind == "class" else _TEXT_METRICS
    sets = [""] if study.kind == "class" else ["retain_train", "retain_test", "forget_train", "forget_test"]
    number = 0.1 + 0.01 * list(study.study.rows).index(cell.variant) + (0.002 if cell.target == "5" else 0.0)
    for place, (metric, prompts) in enumerate((metric, name) for name in sets for metric in metrics):
        value = number + 0.03 * place
        yield Record(
            preset="written",
            study=cell.study,
            target=cell.target,
            variant=cell.variant,
            method=study.method_of(cell),
            seed=int(cell.seed),
            metric=metric,
            prompts=prompts,
            value=value,
            low=value - 0.02,
            high=value + 0.02,
            interval="Wilson 95 %",
            n=40,
            control=0.5 if metric in ("FD", "KD") else None,
            control_n=30 if metric in ("FD", "KD") else None,
            reference="",
            judge=f"judge of {study.name}",
            judge_sha256="ab" * 32,
            features="penultimate layer" if metric in ("FD", "KD") else "",
            sampler="EDM Heun, 6 steps",
            image_seeds="0-99",
            fingerprint=fingerprint,
        )


def _write_tables(plan: Plan) -> None:
    """Tables 1 and 2, the pairs and the cost, by the artefacts stage."""
    published = str(REPOSITORY / "workflow/published/paper_values.csv")
    folder = f"{plan.root}/tables"
    of_classes = plan.classes.plan
    table2 = plan.text.alignment_tables["table2"]
    commands = {
        "table1": [
            *("--records", *of_classes.records(plan.classes.table1_rows)),
            *("--variants", *of_classes.titled(plan.classes.table1_rows), "--study", "digits"),
        ],
        "table2": ["--records", *table2.records, "--study", "shapes", *table2.options],
        "paired": [
            "--records",
            *of_classes.records(["rgd", "rg"]),
            "--pairs",
            "rgd:rg",
            "--titles",
            "rgd=RGD",
            "rg=RG",
        ],
        "cost": _of_costs(plan.studies["shapes"]),
    }
    for name, words in commands.items():
        files = [
            word
            for kind, end in (("csv", "csv"), ("markdown", "md"), ("tex", "tex"))
            for word in (f"--{kind}", f"{folder}/{name}.{end}")
        ]
        paper = ["--published", published] if name.startswith("table") else []
        arguments = artefacts.parser().parse_args([name, *words, *paper, *files])
        arguments.run(arguments)


def _of_costs(study: StudyPlan) -> list[str]:
    cells = [cell for cell in study.unlearned if cell.variant in ("rgd", "esd")]
    rows = dict.fromkeys(cell.variant for cell in cells)
    return [
        *("--study", study.name, "--variants", *(f"{row}={study.study.title(row)}" for row in rows)),
        *("--cells", *(cell.name for cell in cells)),
        *("--costs", *(f"{study.folder(cell)}/cost.json" for cell in cells)),
    ]


def plan_of(values: dict[str, Any]) -> Plan:
    return Plan(load_config(values))
