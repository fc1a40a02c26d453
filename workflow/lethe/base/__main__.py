"""The base stage: the model that is to forget, trained here or given."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    dispatch(
        "lethe.base",
        __doc__,
        {
            "edm": "lethe.base.classes",
            "given_edm": "lethe.base.given_edm",
            "stable_diffusion": "lethe.base.stable_diffusion",
            "stable_diffusion_3": "lethe.base.stable_diffusion3",
            "given_stable_diffusion": "lethe.base.given_stable_diffusion",
            "given_stable_diffusion_3": "lethe.base.given_stable_diffusion3",
        },
    )
