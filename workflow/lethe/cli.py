"""What the stage commands share: errors a user can read, provenance, the device."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import importlib
import importlib.metadata
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from lethe.environment import allowed_threads
from lethe.errors import LetheError
from lethe.settings.precision import Precision


def command(
    parser: argparse.ArgumentParser, main: Callable[[argparse.Namespace], None], words: Sequence[str] | None = None
) -> None:
    """Parse, run, and turn a LetheError into two readable lines and exit status 2. Any other error leaves its whole
    traceback, a crash inside a library the place in Python where it happened."""
    faulthandler.enable(sys.__stderr__)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # so that a log keeps its order, and what came before a kill
    gc.freeze()  # what is loaded stays: no collection need look at it again
    gc.enable()
    arguments = parser.parse_args(words)
    # A scheduler ends a job by SIGTERM: leave by the ordinary way, so that temporary files are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main(arguments)
    except LetheError as error:
        sys.exit(_exit_message(parser.prog, str(error)))
    except KeyboardInterrupt:
        sys.exit(130)


def dispatch(stage: str, text: str | None, modules: Mapping[str, str]) -> None:
    """Run ``python -m STAGE KIND ...``: the command in the module of that kind, of study or of model, the only one that
    is imported.

    A module has ``parser()`` and ``main(arguments)``.
    """
    chooser = argparse.ArgumentParser(prog=f"python -m {stage}", description=text, allow_abbrev=False)
    chooser.add_argument("kind", choices=modules, help="the kind of study or model; --help after it tells more")
    arguments = chooser.parse_args(sys.argv[1:2])
    module = importlib.import_module(modules[arguments.kind])
    command(module.parser(), module.main, sys.argv[2:])
    leave()


def leave() -> None:
    """End a command that has done its work. Taking torch and its libraries down in order takes a second, for nothing:
    every file is closed."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _exit_message(program: str, text: str) -> int:
    print(f"{program}: error: {text}", file=sys.stderr)
    return 2


def add_provenance(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fingerprint",
        default="",
        help="what the workflow expects this result to be made from; stored in it, compared by `snakemake verify`",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto (a GPU when there is one), cpu, cuda or cuda:N [auto]")


def add_precision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="float32",
        help="of the products inside the network; weights, gradients and the autoencoder are float32 [float32]",
    )


def add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, help="file to resume from after a kill; removed at the end")
    parser.add_argument(
        "--state-seconds",
        type=float,
        default=os.environ.get("LETHE_STATE_SECONDS", "20"),
        help="least time between two writes of that file [the variable LETHE_STATE_SECONDS, or 20]",
    )


def provenance(stage: str, settings: BaseModel, arguments: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """What a result says of its making: stage, settings, fingerprint, versions, threads. No time, no host: the same
    settings give the same bytes."""
    packages = (
        "lethe",
        "numpy",
        "torch",
        "diffusers",
        "transformers",
        "open-clip-torch",
        "onnxruntime",
        "scikit-learn",
    )
    return {
        "stage": stage,
        "settings": json.loads(settings.model_dump_json()),
        "fingerprint": arguments.fingerprint,
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "threads": allowed_threads(),
        **{name: value for name, value in vars(arguments).items() if name in ("precision", "checkpointing")},
        **more,
    }
