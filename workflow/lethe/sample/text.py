"""``python -m lethe.sample text``: one shard of the images that a model draws of a target's prompts."""

from __future__ import annotations

import argparse
import functools
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from lethe.cli import add_device, add_precision, add_provenance
from lethe.errors import LetheError
from lethe.files import read_arrays
from lethe.image_plan import shard_rows
from lethe.models import load_denoiser
from lethe.prompt_images import Purpose, prompt_images
from lethe.prompts import read_prompts
from lethe.sample import begin, system_seeds, write_images
from lethe.settings.options import add_options
from lethe.settings.text_sampling import TextSamplingSettings

_SAMPLERS = {"pndm": "PNDM", "fast": "DPM-Solver++", "euler": "Euler"}


def main(arguments: argparse.Namespace) -> None:
    load = functools.partial(load_denoiser, "text", precision=arguments.precision)
    settings, model = begin(load, TextSamplingSettings, arguments)
    model.only_predict()
    prompts = read_prompts(arguments.prompts)
    embeddings, made = read_arrays(arguments.embeddings)
    if len(embeddings["rows"]) != len(prompts):
        raise LetheError(
            f"{arguments.embeddings} is of {len(embeddings['rows'])} prompts, {arguments.prompts} has {len(prompts)}",
            "make the embeddings of these prompts: python -m lethe.sets text embed",
        )
    plan = prompt_images(prompts, arguments.purpose, settings)
    chosen = shard_rows(len(plan.seeds), arguments.shard, settings.shard_images)
    seeds, rows = plan.seeds[chosen], plan.rows[chosen]
    unseeded = settings.unseeded and arguments.purpose == "measure"
    seeds = system_seeds(len(seeds)) if unseeded else seeds
    guidance = None if plan.guidance is None else plan.guidance[chosen]
    table = torch.from_numpy(embeddings["table"])
    write_images(
        model,
        settings,
        arguments,
        seeds=seeds,
        conditions=table[np.concatenate([[made["empty"]], embeddings["rows"][rows]])],
        columns={"rows": rows},
        sampler=f"{_SAMPLERS[settings.sampler]}, {settings.steps} steps, guidance {settings.guidance:g}"
        f"{', listed prompts their own' if plan.guidance is not None else ''}{', unseeded' * unseeded}",
        guidance=guidance,
        target=made["target"],
        purpose=arguments.purpose,
    )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.sample text", description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", type=Path, required=True, help="model folder")
    parser.add_argument("--prompts", type=Path, required=True, help="prompts.csv of the target")
    parser.add_argument("--embeddings", type=Path, required=True, help="their embeddings, from the sets stage")
    parser.add_argument(
        "--purpose", choices=get_args(Purpose), default="measure", help="what the images are for [measure]"
    )
    parser.add_argument("--shard", type=int, default=0, help="which shard of the image set [0]")
    parser.add_argument("--output", type=Path, required=True, help="safetensors file to write")
    add_options(parser, TextSamplingSettings)
    add_device(parser)
    add_precision(parser)
    add_provenance(parser)
    return parser
