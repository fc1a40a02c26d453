"""Running a stage's command within a test, and the options of the small text study in :mod:`text_models`."""

from __future__ import annotations

from types import ModuleType

PAIRS = 8
SMALL_BASE = (
    "--vae-widths 8,16 --vae-steps 80 --vae-batch 16 --vae-learning-rate 1e-2 --text-encoder-width 16 "
    "--text-encoder-layers 1 --text-encoder-heads 2 --unet-widths 8,16 --unet-heads 2 --steps 80 --batch 16 "
    "--learning-rate 5e-3 --ema 0.9"
)
SMALL_FLOW = (
    "--pipeline stable_diffusion_3 --vae-widths 8,16 --vae-steps 80 --vae-batch 16 --vae-learning-rate 1e-2 "
    "--text-encoder-width 16 --text-encoder-layers 1 --text-encoder-heads 2 --text-encoder-2-width 24 "
    "--text-encoder-2-layers 2 --text-encoder-2-heads 2 --transformer-layers 2 --transformer-heads 2 "
    "--transformer-head-width 16 --shift 3 --steps 80 --batch 16 --learning-rate 5e-3 --ema 0.9"
)
FEW_STEPS = "--steps 6 --kernel-batch 4 --shard-images 5 --guidance 3"


def run(stage: ModuleType, words: str) -> None:
    """A stage's command, in this process; ``words`` are split at spaces."""
    stage.main(stage.parser().parse_args(words.split()))
