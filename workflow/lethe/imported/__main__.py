"""The import stage: a model that others have unlearned, as a folder of ours."""

from __future__ import annotations

from lethe.cli import dispatch

if __name__ == "__main__":
    dispatch(
        "lethe.imported",
        __doc__,
        {
            "edm": "lethe.imported.edm",
            "stable_diffusion": "lethe.imported.stable_diffusion",
            "stable_diffusion_3": "lethe.imported.stable_diffusion3",
        },
    )
