"""Which shard of the images of a target's prompts a file holds."""

from __future__ import annotations

import numpy as np

from lethe.errors import LetheError
from lethe.judge.images import Images, settings_of, shard_of_set
from lethe.prompt_images import prompt_images
from lethe.prompts import PromptRow
from lethe.settings.text_sampling import TextSamplingSettings
from lethe.shards import Shard, whole


def shard_of_prompts(images: Images, prompts: list[PromptRow]) -> tuple[Shard, np.ndarray]:
    """Where the images lie in their set, and the prompt rows (N,) of the whole set."""
    rows = images.column("rows")
    for row in rows[(rows < 0) | (rows >= len(prompts))]:
        raise LetheError(
            f"{images.path}: an image of prompt row {row}, but the prompts have {len(prompts)} rows",
            "give the prompts that the images were drawn from",
        )
    if "shard" not in images.made:
        return whole(len(images.pixels)), rows
    settings = settings_of(images, TextSamplingSettings)
    plan = prompt_images(prompts, images.made["purpose"], settings)
    return shard_of_set(images, "rows", plan.rows, plan.seeds, settings), plan.rows
