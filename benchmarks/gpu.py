"""How long unlearning steps and sampling take at Stable Diffusion 1.4's size, and in how much memory: on a GPU.

The network and the autoencoder have Stable Diffusion 1.4's architecture and random weights, prompts and pictures are
random numbers: nothing is downloaded, and no image is worth a look. Each line is a run of Lethe's own training loop or
sampler. Memory is the peak of what torch holds, beside what ``lethe.memory`` counts.

    python benchmarks/gpu.py --output benchmarks/gpu.md
"""

from __future__ import annotations

import argparse
import gc
import itertools
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers import __version__ as diffusers_version

from lethe.architectures import ARCHITECTURES
from lethe.device import choose_device
from lethe.files import write_json, write_text
from lethe.memory import GIB, peak_bytes
from lethe.methods import method_named
from lethe.models.folder import write_network
from lethe.models.stable_diffusion import StableDiffusion
from lethe.sets import Sets
from lethe.settings.precision import Precision
from lethe.settings.text_sampling import TextSamplingSettings
from lethe.unlearn.loop import Unlearning

METHODS = ("rgd", "esd", "salun")
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
PROMPTS = 16
AUTOENCODER = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 512,
}
SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
TINY = {"block_out_channels": (8,) * 4, "norm_num_groups": 4}
TINY_NETWORK = TINY | {"attention_head_dim": 2, "sample_size": 16, "cross_attention_dim": 16, "layers_per_block": 1}


def folder_of(path: Path, tiny: bool) -> Path:
    """What a model reads beside its network: an autoencoder with random weights, the schedule, the prompts' length."""
    write_network(path / "vae", AutoencoderKL(**AUTOENCODER | (TINY if tiny else {})), {})
    write_json(path / "scheduler" / "scheduler_config.json", SCHEDULE)
    write_json(path / "text_encoder" / "config.json", {"max_position_embeddings": ARCHITECTURES["sd14"].tokens})
    return path


def new_model(folder: Path, tiny: bool, device: torch.device, precision: Precision) -> StableDiffusion:
    config = ARCHITECTURES["sd14"].config | (TINY_NETWORK if tiny else {})
    with torch.device(device):
        network = UNet2DConditionModel.from_config(config)
    return StableDiffusion(network, folder, device, precision)


def random_sets(model: StableDiffusion, images: int) -> Sets:
    """As many examples of D_f and of D_r, of random prompts."""
    numbers = np.random.default_rng(0)
    conditions = numbers.integers(2, PROMPTS, images)
    clean = numbers.standard_normal((images, *model.clean_shape), np.float32)
    table = numbers.standard_normal((PROMPTS, *model.condition_shape), np.float32)
    clean[:, model.latent_shape[0] :] = 0.1  # deviations of the posteriors
    return Sets(clean, conditions, clean, conditions, "nothing", table, empty=0, concept=1)


def wait(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def begin(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak(device: torch.device) -> str:
    return f"{torch.cuda.max_memory_allocated(device) / GIB:.1f}" if device.type == "cuda" else ""


def training_rows(folder: Path, arguments: argparse.Namespace, device: torch.device) -> Iterator[str]:
    for name, checkpointing, precision in itertools.product(METHODS, (False, True), PRECISIONS):
        begin(device)
        recipe = method_named(name).recipe("text")
        batch = 1 if arguments.tiny else recipe.settings().batch
        fewer = {"start_steps": 2} if arguments.tiny and name == "esd" else {}
        settings: Any = recipe.settings(batch=batch, steps=arguments.steps + 2, **fewer)
        words = [method_named(name).card.title, str(batch), precision, "yes" if checkpointing else "no"]
        counted = (
            "" if arguments.tiny else f"{sum(peak_bytes('sd14', name, precision, checkpointing).values()) / GIB:.1f}"
        )
        try:
            model = new_model(folder, arguments.tiny, device, precision)
            if checkpointing:
                model.network.enable_gradient_checkpointing()
            loop = Unlearning(model, recipe, settings, random_sets(model, 4 * batch), seed=0)
            loop.prepare()
            for number in range(2):
                loop.step(number)
            started = wait(device)
            for number in range(2, settings.steps):
                loop.step(number)
            measured = [f"{(wait(device) - started) / arguments.steps:.3f}", peak(device)]
            del loop, model
        except torch.cuda.OutOfMemoryError:
            measured = ["out of memory", ""]
        yield row(*words, *measured, counted)


def sampling_rows(folder: Path, arguments: argparse.Namespace, device: torch.device) -> Iterator[str]:
    for precision in PRECISIONS:
        begin(device)
        settings = TextSamplingSettings(steps=arguments.sampling_steps, kernel_batch=2 if arguments.tiny else 16)
        model = new_model(folder, arguments.tiny, device, precision)
        model.only_predict()
        count = 2 * settings.kernel_batch
        table = torch.from_numpy(random_sets(model, 2).table)
        conditions = table[np.r_[0, np.arange(count) % (PROMPTS - 1) + 1]]
        model.sample(range(settings.kernel_batch), conditions[: settings.kernel_batch + 1], settings)
        started = wait(device)
        model.sample(range(count), conditions, settings)
        rate = count / (wait(device) - started)
        yield row(precision, str(settings.kernel_batch), str(settings.steps), f"{rate:.3f}", peak(device))
        del model


def row(*words: str) -> str:
    return f"| {' | '.join(words)} |"


def table(head: Sequence[str], rows: Iterator[str]) -> str:
    return "\n".join([row(*head), "|" + "---|" * len(head), *rows])


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="benchmarks/gpu.py"
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N or cpu [cuda]")
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each method, after two others [10]")
    parser.add_argument("--sampling-steps", type=int, default=50, help="steps of the sampler [50]")
    parser.add_argument("--tiny", action="store_true", help="a network of no use, to try this program on a CPU")
    parser.add_argument("--output", type=Path, required=True, help="Markdown file to write")
    arguments = parser.parse_args(words)
    device = choose_device(arguments.device)
    torch.manual_seed(0)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    with tempfile.TemporaryDirectory() as place:
        folder = folder_of(Path(place), arguments.tiny)
        head = ("method", "batch", "precision", "checkpointing", "s a step", "peak, GiB", "counted, GiB")
        training = table(head, training_rows(folder, arguments, device))
        head = ("precision", "batch", "steps", "images a second", "peak, GiB")
        sampling = table(head, sampling_rows(folder, arguments, device))
    size = "a tiny network" if arguments.tiny else "Stable Diffusion 1.4's architecture, 512 x 512"
    write_text(
        arguments.output,
        f"# Unlearning and sampling at Stable Diffusion's size\n\n`python benchmarks/gpu.py` on {name}: {size}, random "
        f"weights; torch {torch.__version__}, diffusers {diffusers_version}, TF32 off.\n\n{training}\n\n{sampling}\n",
    )


if __name__ == "__main__":
    main()
