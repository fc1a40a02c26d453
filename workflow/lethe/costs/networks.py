"""What one call of each network costs: counted once for the published models, counted anew for those trained here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lethe.model_files import Family

if TYPE_CHECKING:
    from lethe.plan.study import StudyPlan


class NetworkCost(NamedTuple):
    """Of one example: ``flops`` of a call forward; bytes in float32 at the peak of a call without a gradient, of a step
    with one, and of such a step with gradient checkpointing. ``decode`` and ``encode`` are the autoencoder's."""

    flops: float
    parameters: int
    call_bytes: float
    step_bytes: float
    checkpointed_bytes: float
    decode_flops: float = 0.0
    decode_bytes: float = 0.0
    encode_flops: float = 0.0


class StudyCost(NamedTuple):
    """A study's network, the bytes of one of its images, and the parameters that its model folder has besides."""

    network: NetworkCost
    image_bytes: int
    other_parameters: int


PUBLISHED: dict[Family, StudyCost] = {
    "edm": StudyCost(NetworkCost(42.380e9, 55_735_299, 9.98e6, 134.7e6, 134.7e6), 3 * 32 * 32, 0),
    "stable_diffusion": StudyCost(
        NetworkCost(803.27e9, 859_520_964, 136.6e6, 1902.5e6, 482.9e6, 2514.5e9, 805.4e6, 1116.7e9),
        3 * 512 * 512,
        83_653_863 + 123_060_480,
    ),
    "stable_diffusion_3": StudyCost(
        NetworkCost(8904.3e9, 2_028_328_000, 339.8e6, 13833.0e6, 1301.6e6, 10472.2e9, 3223.3e6, 4882.6e9),
        3 * 1024 * 1024,
        83_819_683 + 123_650_304 + 694_659_840,
    ),
}
"""EDM's DDPM++ for CIFAR-10, Stable Diffusion 1.4 at 512 and Stable Diffusion 3 medium at 1024 pixels (its network with
the tokens of T5's place): what a study costs whose base is given. Counted by ``counted.py``, which the tests repeat."""

FORWARDS = 3
"""A pass forward and backward counts three forward (lethe.measures.compute says why)."""
WITH_CHECKPOINTING = 4
"""And four where the forward pass is done again."""
ZERO_SHOT, INCEPTION, OPEN_CLIP, DETECTOR = 8.8e9, 11.4e9, 8.8e9, 2.2e9
"""FLOPs for one image of the given judges: CLIP ViT-B/32, Inception, CLIP ViT-B/32 again, NudeNet's 320n (a
YOLOv8n: 8.7 GFLOP at 640 pixels, so a quarter at 320)."""


def study_cost(plan: StudyPlan) -> StudyCost:
    """Of the network of a study."""
    if plan.given_base:
        return PUBLISHED[plan.family]
    from lethe.costs.trained import trained_cost  # only here: it counts with torch

    return trained_cost(plan)
