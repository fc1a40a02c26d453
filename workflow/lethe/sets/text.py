"""``python -m lethe.sets text``: what the methods of a text study learn from, worked out once.

``embed`` runs the base's text encoder over all prompts of a target, ``encode`` its autoencoder over the images that the
base has drawn of the training prompts: no training loop calls either again.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from lethe.cli import add_device, add_provenance, provenance
from lethe.device import choose_device
from lethe.errors import LetheError
from lethe.files import read_arrays, write_arrays
from lethe.models import EMBEDDERS, family_of, load_denoiser
from lethe.prompts import PromptRow, read_prompts
from lethe.settings.method import NoSettings
from lethe.training import use_threads


def embed(arguments: argparse.Namespace) -> None:
    use_threads()
    device = choose_device(arguments.device)
    embedder = importlib.import_module(EMBEDDERS[family_of("text", arguments.model)])
    prompts = [row.prompt for row in read_prompts(arguments.prompts)]
    distinct = list(dict.fromkeys(["", arguments.concept_prompt, *prompts]))
    place = {prompt: number for number, prompt in enumerate(distinct)}
    record = provenance(
        "sets embed",
        NoSettings(),
        arguments,
        target=arguments.target,
        empty=0,
        concept=place[arguments.concept_prompt],
        concept_prompt=arguments.concept_prompt,
    )
    arrays = {
        "table": embedder.embed_prompts(arguments.model, distinct, device),
        "rows": np.array([place[prompt] for prompt in prompts]),
    }
    write_arrays(arguments.output, arrays, record)


def encode(arguments: argparse.Namespace) -> None:
    use_threads()
    model = load_denoiser("text", arguments.model, choose_device(arguments.device))
    prompts = read_prompts(arguments.prompts)
    parts = [read_arrays(path)[0] for path in arguments.images]
    images, rows, seeds = (np.concatenate([part[name] for part in parts]) for name in ("images", "rows", "seeds"))
    if rows.max() >= len(prompts):
        raise LetheError(
            f"{arguments.prompts} has {len(prompts)} prompts, the images are of number {rows.max()} too",
            "give the prompts that they were drawn of",
        )
    sides = {side: pairs_in_order(prompts, rows, seeds, side) for side in ("forget", "retain")}
    numbers = [[prompts[rows[place]].number for place in chosen] for chosen in sides.values()]
    if numbers[0] != numbers[1] or not numbers[0]:
        raise LetheError(
            f"{len(numbers[0])} images of D_f and {len(numbers[1])} of D_r make no pairs",
            "give all shards of the images of one strategy",
        )
    arrays = {}
    for side, chosen in sides.items():
        blocks = tqdm(np.array_split(chosen, -(-len(chosen) // arguments.batch)), desc=f"encode {side}", disable=None)
        arrays[f"{side}_clean"] = np.concatenate([model.encode(torch.from_numpy(images[b])).numpy() for b in blocks])
        arrays[f"{side}_conditions"] = rows[chosen]
        arrays[f"{side}_seeds"] = seeds[chosen]
    write_arrays(arguments.output, arrays, provenance("sets", NoSettings(), arguments, target=arguments.target))


def pairs_in_order(prompts: list[PromptRow], rows: np.ndarray, seeds: np.ndarray, side: str) -> np.ndarray:
    """Places of one side's images, by the number of their prompt and then by seed: pair by pair on both sides."""
    own = [place for place, row in enumerate(rows) if prompts[row].set.startswith(f"{side}_")]
    return np.array(sorted(own, key=lambda place: (prompts[rows[place]].number, seeds[place])), dtype=np.int64)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.sets text", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="embed|encode")
    embedding = commands.add_parser("embed", help="write the embeddings of all prompts", allow_abbrev=False)
    embedding.set_defaults(run=embed)
    embedding.add_argument("--concept-prompt", required=True, help="the concept's own prompt")
    encoding = commands.add_parser("encode", help="write D_f and D_r: posteriors of images", allow_abbrev=False)
    encoding.set_defaults(run=encode)
    encoding.add_argument("--images", type=Path, nargs="+", required=True, help="shards of the base's training images")
    encoding.add_argument("--batch", type=int, default=16, help="images in one call of the autoencoder [16]")
    for options in (embedding, encoding):
        options.add_argument("--model", type=Path, required=True, help="the base's folder")
        options.add_argument("--prompts", type=Path, required=True, help="prompts.csv of the target")
        options.add_argument("--target", required=True, help="the target, for the record")
        options.add_argument("--output", type=Path, required=True, help="safetensors file to write")
        add_device(options)
        add_provenance(options)
    return parser


def main(arguments: argparse.Namespace) -> None:
    arguments.run(arguments)
