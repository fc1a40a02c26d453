"""Lethe: make diffusion models forget, and measure what they still remember."""

import gc
import sys

if sys.argv[:1] == ["-m"]:
    # A stage's command is starting. Collecting garbage while torch and diffusers load costs a fifth of their time and
    # finds nothing; lethe.cli.command turns it on again.
    gc.disable()
