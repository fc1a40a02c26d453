"""The quicker import of diffusers gives the same models, and leaves the other libraries to be imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
if "lean" in sys.argv:
    from lethe.lean import import_diffusers_lean
    import_diffusers_lean()
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, FlowMatchEulerDiscreteScheduler, PNDMScheduler
from diffusers import SD3Transformer2DModel, UNet2DConditionModel, UNet2DModel
assert ("transformers" in sys.modules) == ("lean" not in sys.argv)
torch.manual_seed(0)
network = UNet2DModel(sample_size=8, block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1,
                      down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, add_attention=False)
print(network(torch.ones(1, 3, 8, 8), 5).sample.double().sum().item())
import scipy.stats, transformers
assert transformers.CLIPTextConfig().hidden_size and scipy.stats.norm.cdf(0) == 0.5
"""


def said(*words: str) -> str:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_networks_are_the_same_and_the_libraries_still_there():
    assert said("lean") == said("plain") != ""


@pytest.mark.parametrize("before", ["transformers", "scipy", "diffusers"])
def test_what_is_there_already_stays(before):
    program = f"import sys, {before}\nfrom lethe.lean import import_diffusers_lean\nimport_diffusers_lean()\n"
    program += f"assert sys.modules['{before}'] is not None"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
