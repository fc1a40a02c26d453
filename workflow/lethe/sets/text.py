"""``python -m lethe.sets text``: what the methods of a text study learn from, worked out once.

``embed`` runs the base's text encoder over all prompts of a target, ``encode`` its autoencoder over the images that the
base has drawn of the training prompts: no training loop calls either again. Of images of anchor prompts it makes the
sets ``anchored``: D_r is these images with their prompts, D_f the same images with the target prompts.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from tqdm import tqdm

from lethe.cli import add_device, add_provenance, provenance
from lethe.device import choose_device
from lethe.errors import LetheError
from lethe.files import read_arrays, write_arrays
from lethe.models import EMBEDDERS, PIPELINES, family_of, load_denoiser
from lethe.models.text_encoder import too_long
from lethe.prompts import ANCHORED, PromptRow, cut_by_set, may_be_cut, read_prompts
from lethe.settings.method import NoSettings
from lethe.settings.precision import Precision
from lethe.training import use_threads

if TYPE_CHECKING:
    from lethe.models.latent import LatentModel


def embed(arguments: argparse.Namespace) -> None:
    use_threads()
    device = choose_device(arguments.device)
    family = family_of("text", arguments.model)
    embedder = importlib.import_module(EMBEDDERS[family])
    rows = read_prompts(arguments.prompts)
    prompts, listed = [row.prompt for row in rows], may_be_cut(rows)
    cut = cut_by_set(rows, too_long(arguments.model, listed))
    for name, count in cut.items():
        print(f"{name}: {count} of its prompts are too long for the text encoder, and cut")
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
        cut=cut,
    )
    third = {} if arguments.t5 is None else {"t5": arguments.t5, "precision": arguments.precision}
    if third and family != "stable_diffusion_3":
        raise LetheError(f"--t5: a {PIPELINES[family]} has no T5", "leave it out")
    arrays = {
        "table": embedder.embed_prompts(arguments.model, distinct, device, may_be_cut=listed, **third),
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
    if any(prompts[row].set == ANCHORED[0] for row in rows):
        arrays = _anchored(model, prompts, images, rows, seeds, arguments.batch)
    else:
        arrays = _paired(model, prompts, images, rows, seeds, arguments.batch)
    write_arrays(arguments.output, arrays, provenance("sets", NoSettings(), arguments, target=arguments.target))


def _paired(
    model: LatentModel,
    prompts: list[PromptRow],
    images: np.ndarray,
    rows: np.ndarray,
    seeds: np.ndarray,
    batch: int,
) -> dict[str, np.ndarray]:
    """Images of forget prompts and of retain prompts, pair by pair."""
    sides = {side: pairs_in_order(prompts, rows, seeds, side) for side in ("forget", "retain")}
    numbers = [[prompts[rows[place]].number for place in chosen] for chosen in sides.values()]
    if numbers[0] != numbers[1] or not numbers[0]:
        raise LetheError(
            f"{len(numbers[0])} images of D_f and {len(numbers[1])} of D_r make no pairs",
            "give all shards of the images of one strategy",
        )
    arrays = {}
    for side, chosen in sides.items():
        arrays[f"{side}_clean"] = _encoded(model, images[chosen], batch, side)
        arrays[f"{side}_conditions"] = rows[chosen]
        arrays[f"{side}_seeds"] = seeds[chosen]
    return arrays


def _anchored(
    model: LatentModel,
    prompts: list[PromptRow],
    images: np.ndarray,
    rows: np.ndarray,
    seeds: np.ndarray,
    batch: int,
) -> dict[str, np.ndarray]:
    """Images of anchor prompts, as D_r with these and as D_f with their target prompts."""
    chosen = pairs_in_order(prompts, rows, seeds, "anchor")
    places = {row.number: place for place, row in enumerate(prompts) if row.set == ANCHORED[1]}
    if len(chosen) < len(rows) or len(chosen) < len(places):
        raise LetheError(
            f"{len(rows)} images, {len(chosen)} of them of the {len(places)} anchor prompts",
            "give all shards of the images of anchor prompts, and no others",
        )
    clean = _encoded(model, images[chosen], batch, "anchors")
    targets = np.array([places[prompts[row].number] for row in rows[chosen]])
    arrays = {
        f"{side}_{name}": array
        for side in ("forget", "retain")
        for name, array in (("clean", clean), ("seeds", seeds[chosen]))
    }
    return arrays | {"forget_conditions": targets, "retain_conditions": rows[chosen]}


def _encoded(model: LatentModel, images: np.ndarray, batch: int, what: str) -> np.ndarray:
    blocks = tqdm(np.array_split(images, -(-len(images) // batch)), desc=f"encode {what}", disable=None)
    return np.concatenate([model.encode(torch.from_numpy(block)).numpy() for block in blocks])


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
    embedding.add_argument(
        "--t5", type=Path, help="folder of text_encoder_3 and tokenizer_3, for a Stable Diffusion 3 [none: zeros]"
    )
    embedding.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="float32",
        help="of T5's weights: 19 GB of memory, or half of it; all else is float32 [float32]",
    )
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
