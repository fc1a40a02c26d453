"""``python -m lethe.verify``: does every result on disk come from the present configuration and code?

Snakemake remembers parameters in .snakemake/; where that is lost it cannot see that one has changed. Each result
carries the fingerprint of what it was made from, and this compares it with the one the plan expects.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from lethe.cli import command
from lethe.config import load_config
from lethe.errors import LetheError
from lethe.files import read_provenance
from lethe.plan import Plan


def stored_fingerprint(path: Path) -> str:
    """The fingerprint in a result: the header of a safetensors file, the metadata of an ONNX file, or
    the column of a records file."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as stream:
            return next(csv.DictReader(stream), {}).get("fingerprint", "")
    if path.suffix == ".onnx":
        import onnx  # only here: it is slow to import

        entries = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
        return json.loads(entries.get("lethe", "{}")).get("fingerprint", "")
    return read_provenance(path).get("fingerprint", "")


def main(arguments: argparse.Namespace) -> None:
    plan = Plan(load_config(json.loads(arguments.config)))
    expected = plan.expected()
    missing = [path for path in expected if not Path(path).is_file()]
    stale = [path for path in expected if path not in missing and stored_fingerprint(Path(path)) != expected[path]]
    faults = [f"missing: {path}" for path in missing] + [f"stale: {path}" for path in stale]
    if faults:
        raise LetheError(
            f"{len(stale)} of {len(expected)} results come from other settings or code, {len(missing)} are missing:\n  "
            + "\n  ".join(faults[:20] + (["..."] if len(faults) > 20 else [])),
            "delete the stale files and run snakemake again",
        )
    print(f"verified: all {len(expected)} results of preset {plan.config.preset} come from this configuration and code")


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.verify", description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", required=True, help="the whole configuration, as JSON")
    return parser


if __name__ == "__main__":
    command(parser(), main)
