"""Networks whose weights Lethe does not ship, by their published configurations: for what can be known without them."""

from __future__ import annotations

from typing import Any, NamedTuple

from lethe.model_files import Family


class Architecture(NamedTuple):
    """A text-to-image network: the ``config`` of its class in diffusers, and the tokens of a prompt that it is told."""

    title: str
    family: Family
    config: dict[str, Any]
    tokens: int


_ATTENTION, _PLAIN = ("CrossAttn",) * 3, ("",)
ARCHITECTURES: dict[str, Architecture] = {
    "sd14": Architecture(
        "Stable Diffusion 1.4",
        "stable_diffusion",
        {
            "sample_size": 64,
            "in_channels": 4,
            "out_channels": 4,
            "block_out_channels": (320, 640, 1280, 1280),
            "layers_per_block": 2,
            "attention_head_dim": 8,
            "cross_attention_dim": 768,
            "down_block_types": tuple(f"{kind}DownBlock2D" for kind in _ATTENTION + _PLAIN),
            "up_block_types": tuple(f"{kind}UpBlock2D" for kind in _PLAIN + _ATTENTION),
        },
        tokens=77,
    ),
    "sd3_medium": Architecture(
        "Stable Diffusion 3 medium",
        "stable_diffusion_3",
        {
            "sample_size": 128,
            "patch_size": 2,
            "in_channels": 16,
            "out_channels": 16,
            "num_layers": 24,
            "attention_head_dim": 64,
            "num_attention_heads": 24,
            "joint_attention_dim": 4096,
            "caption_projection_dim": 1536,
            "pooled_projection_dim": 2048,
            "pos_embed_max_size": 192,
        },
        tokens=77 + 256,
    ),
}
"""By the name of the asset that has the weights. Their other parts are of no account in training: prompts are embedded
and images encoded beforehand."""
