"""The artefacts stage: ``python -m lethe.artefacts COMMAND`` makes one table or figure from records, trajectories or
images. It reads only the files it is given, and the same files give the same bytes."""

from __future__ import annotations

import argparse

from lethe.artefacts import (
    captions,
    conflict,
    cost,
    doco,
    equal_steps,
    figure2,
    figure4,
    figure6,
    figure7,
    laboratory,
    metrics,
    outside,
    paired,
    prompt_examples,
    prompt_grid,
    quirks,
    samples,
    table1,
    table2,
    table3,
    table4,
    table7,
    table8,
    threshold_curve,
    tradeoff,
    tradeoff_text,
    trajectory,
)
from lethe.cli import command

_COMMANDS = {
    "table1": table1,
    "table2": table2,
    "table3": table3,
    "table4": table4,
    "table7": table7,
    "table8": table8,
    "cost": cost,
    "equal_steps": equal_steps,
    "paired": paired,
    "prompt_examples": prompt_examples,
    "laboratory": laboratory,
    "figure2": figure2,
    "trajectory": trajectory,
    "tradeoff": tradeoff,
    "tradeoff_text": tradeoff_text,
    "samples": samples,
    "prompt_grid": prompt_grid,
    "figure4": figure4,
    "figure6": figure6,
    "figure7": figure7,
    "threshold_curve": threshold_curve,
    "doco": doco,
    "outside": outside,
    "conflict": conflict,
    "quirks": quirks,
    "captions": captions,
    "metrics": metrics,
}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.artefacts", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="|".join(_COMMANDS))
    for name, module in _COMMANDS.items():
        options = commands.add_parser(name, help=module.TITLE, description=module.__doc__, allow_abbrev=False)
        options.set_defaults(run=module.main)
        module.add_arguments(options)
    return parser


if __name__ == "__main__":
    command(parser(), lambda arguments: arguments.run(arguments))
