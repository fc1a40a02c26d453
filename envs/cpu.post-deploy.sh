#!/usr/bin/env bash
# Snakemake runs this once in a new environment from cpu.yaml: it adds Lethe itself, as the checkout has it.
set -eu
python -m pip install --no-deps --no-build-isolation --editable "$(dirname "$0")/.."
