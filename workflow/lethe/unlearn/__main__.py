"""``python -m lethe.unlearn KIND METHOD`` makes the base model forget a target."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from lethe.cli import add_device, add_precision, add_provenance, add_state, command, leave, provenance
from lethe.device import choose_device
from lethe.energy import meter_of
from lethe.errors import LetheError
from lethe.files import sha256_of, write_arrays, write_json, write_rows
from lethe.lean import import_diffusers_lean
from lethe.methods import method_named, method_names
from lethe.methods.method import KINDS, Control, Kind, Method, settings_of
from lethe.model_files import weights_of
from lethe.models import family_of, load_denoiser
from lethe.sets import read_sets
from lethe.settings.common import Settings
from lethe.settings.options import add_options, from_options
from lethe.training import ResumableState, use_threads
from lethe.unlearn.cost import cost_of
from lethe.unlearn.loop import unlearn
from lethe.unlearn.trajectory import TRAJECTORY, Trajectory


def main(arguments: argparse.Namespace) -> None:
    started = time.monotonic()
    method = method_named(arguments.method)
    settings = from_options(settings_of(method, arguments.kind), arguments)
    threads = use_threads()
    device = choose_device(arguments.device)
    energy = meter_of(device)
    if arguments.kind == "text":
        model = load_denoiser("text", arguments.base, device, arguments.precision)
        if arguments.checkpointing:
            model.network.enable_gradient_checkpointing()
    else:
        model = load_denoiser("class", arguments.base, device)
    state = None
    if isinstance(method, Control):
        method.prepare(model, arguments.seed)
        loop, seen = None, {}
    else:
        sets = read_sets(arguments.sets, arguments.embeddings, getattr(settings, "pairs", None))
        state = ResumableState(arguments.state, _training_name(settings, arguments, threads), arguments.state_seconds)
        loop = unlearn(model, method, method.recipe(arguments.kind), settings, sets, arguments.seed, state)
        seen = {
            "target": sets.target,
            "forget_images": len(sets.forget_clean),
            "retain_images": len(sets.retain_clean),
        }
    record = provenance("unlearn", settings, arguments, method=arguments.method, seed=arguments.seed, **seen)
    write_rows(arguments.trajectory, TRAJECTORY, loop.trajectory.table() if loop else [])
    tensors = loop.tensor_names if loop else []
    arrays = (loop.trajectory if loop else Trajectory()).by_tensor(len(tensors))
    write_arrays(arguments.conflict, arrays, record | {"tensors": tensors})
    model.save(arguments.model, record)
    write_json(arguments.cost, cost_of(started, device, energy, loop, arguments.model))
    if state is not None:
        state.remove()


def _training_name(settings: Settings, arguments: argparse.Namespace, threads: int) -> str:
    weights = arguments.base / weights_of(family_of(arguments.kind, arguments.base))
    files = (weights, arguments.sets, arguments.embeddings)
    made_from = "|".join(sha256_of(path) for path in files if path is not None)
    chosen = f"{arguments.method}|{settings.model_dump_json()}|{arguments.seed}|{threads}"
    if arguments.kind == "text":
        chosen += f"|{arguments.precision}|{arguments.checkpointing}"
    return f"{arguments.fingerprint}|{made_from}|{chosen}"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.unlearn", description=__doc__, allow_abbrev=False)
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")
    for kind in KINDS:
        text = {"class": "forget a class of a model of pixels", "text": "forget a concept of Stable Diffusion"}[kind]
        methods = kinds.add_parser(kind, help=text, description=text, allow_abbrev=False)
        commands = methods.add_subparsers(dest="method", required=True, metavar="METHOD")
        for name in method_names():
            _add_method(commands, kind, name)
    return parser


def _add_method(commands: argparse._SubParsersAction, kind: Kind, name: str) -> None:
    method = method_named(name)
    if isinstance(method, Control) and method.prepare is None:
        return
    try:
        settings = settings_of(method, kind)
    except LetheError:
        return
    text = f"{method.card.title}. {method.card.paper}".replace("%", "%%")
    options = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    options.add_argument("--base", type=Path, required=True, help="model folder to start from")
    if isinstance(method, Method):
        needs_sets = method.recipe(kind).needs_sets
        options.add_argument("--sets", type=Path, required=needs_sets, help="D_f and D_r, from the sets stage")
        options.add_argument(
            "--embeddings", type=Path, required=kind == "text", help="the prompts' embeddings, from the sets stage"
        )
    options.add_argument("--model", type=Path, required=True, help="model folder to write")
    options.add_argument("--trajectory", type=Path, required=True, help="csv file: losses and gradients by step")
    options.add_argument("--conflict", type=Path, required=True, help="safetensors file: gradients by tensor and step")
    options.add_argument("--cost", type=Path, required=True, help="json file: seconds, peak memory, passes")
    options.add_argument("--seed", type=int, default=0, help="training seed [0]")
    add_state(options)
    add_options(options, settings)
    add_device(options)
    if kind == "text":
        add_precision(options)
        options.add_argument(
            "--checkpointing",
            action="store_true",
            help="keep only part of what the backward pass needs and work out the rest again: less memory, a third "
            "more time",
        )
    add_provenance(options)


def _main(arguments: argparse.Namespace) -> None:
    import_diffusers_lean()
    main(arguments)


if __name__ == "__main__":
    command(parser(), _main)
    leave()
