"""The base stage: the model that is to forget."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    dispatch(
        "lethe.base",
        __doc__,
        {
            "edm": "lethe.base.classes",
            "edm_given": "lethe.base.edm_given",
            "stable_diffusion": "lethe.base.stable_diffusion",
            "stable_diffusion_3": "lethe.base.stable_diffusion3",
        },
    )
