"""What gradient surgery adds to a training step: time, and memory in units of P, the size of the weights.

A plain step on two losses (two backward passes that add up in ``.grad``, one Adam step) is compared with steps that
keep the two gradients apart and combine them by the restricted rule, made in four ways:

    lethe             lethe.surgery: three dot products, then the combination in place
    flatten           both gradients concatenated to long vectors, projected, and split again
    torchjd           torchjd's autojac and its PCGrad aggregator, as documented
    torchjd, Gramian  the same with optimize_gramian_computation=True, its way to save memory

The network is a class-conditional U-Net of diffusers, of about the size of the EDM network for CIFAR-10. Each way is
timed in pairs, next to a plain step on the same batches, so that a change in the machine's speed meets both; the
order within a pair alternates. Surgery costs the same for any batch, so the small batch that a CPU can afford shows
it at its worst. Peak memory is what torch holds while the gradient is made, over what it held before, on images so
small that activations hardly count. The error is that of the combined gradient, to float64, relative to its norm.

    python benchmarks/surgery.py --parameters 55e6 --pairs 5 --threads 1
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DModel
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torchjd.aggregation import PCGrad
from torchjd.autojac import backward, jac_to_grad
from tqdm import tqdm

from lethe.gradients import RESTRICTED
from lethe.surgery import combine_, take_gradients

RETAIN_WEIGHT = 5.0
LEARNING_RATE = 1e-5
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass
class Task:
    """A network and two losses: the forget loss (already negated) and the retain loss, each a forward pass."""

    network: torch.nn.Module
    forget_batch: tuple[Tensor, ...]
    retain_batch: tuple[Tensor, ...]

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        return list(self.network.parameters())

    def forget_loss(self) -> Tensor:
        return -self._error(*self.forget_batch)

    def retain_loss(self) -> Tensor:
        return self._error(*self.retain_batch)

    def _error(self, images: Tensor, noise: Tensor, times: Tensor, labels: Tensor) -> Tensor:
        return (self.network(images, times, class_labels=labels).sample - noise).square().mean()


def plain(task: Task) -> None:
    task.forget_loss().backward()
    (RETAIN_WEIGHT * task.retain_loss()).backward()


def lethe(task: Task) -> None:
    parameters = task.parameters
    task.forget_loss().backward()
    forget = take_gradients(parameters)
    task.retain_loss().backward()
    combine_(parameters, forget, take_gradients(parameters), RESTRICTED, RETAIN_WEIGHT)


def flatten(task: Task) -> None:
    parameters = task.parameters
    flat = []
    for loss in (task.forget_loss, task.retain_loss):
        loss().backward()
        flat.append(torch.cat([parameter.grad.flatten() for parameter in parameters]))
        task.network.zero_grad(set_to_none=True)
    forget, retain = flat
    cross = forget @ retain
    if cross < 0:
        harmless_forget = forget - cross / (retain @ retain) * retain
        harmless_retain = retain - cross / (forget @ forget) * forget
    else:
        harmless_forget, harmless_retain = forget, retain
    combination = harmless_forget + RETAIN_WEIGHT * harmless_retain
    pieces = combination.split([parameter.numel() for parameter in parameters])
    for parameter, piece in zip(parameters, pieces, strict=True):
        parameter.grad = piece.view_as(parameter)


def torchjd(task: Task, gramian: bool = False) -> None:
    # One backward pass at a time: two at once would need vmap through the network, and twice the activations.
    backward([task.forget_loss(), RETAIN_WEIGHT * task.retain_loss()], parallel_chunk_size=1)
    jac_to_grad(task.parameters, PCGrad(), optimize_gramian_computation=gramian)


def torchjd_gramian(task: Task) -> None:
    torchjd(task, gramian=True)


WAYS: dict[str, Callable[[Task], None]] = {
    "lethe": lethe,
    "flatten": flatten,
    "torchjd": torchjd,
    "torchjd, Gramian": torchjd_gramian,
}


def network_of(parameters: float, device: torch.device) -> torch.nn.Module:
    """The U-Net with 3 levels of 4 blocks whose number of parameters is nearest to ``parameters``."""

    def build(width: int) -> torch.nn.Module:
        return UNet2DModel(
            sample_size=32,
            in_channels=3,
            out_channels=3,
            layers_per_block=4,
            block_out_channels=(width,) * 3,
            down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
            downsample_type="resnet",
            upsample_type="resnet",
            attention_head_dim=width,
            norm_num_groups=16,
            num_class_embeds=10,
            dropout=0.13,
        )

    with torch.device("meta"):
        sizes = {width: size_of(build(width)) for width in range(16, 513, 16)}
    return build(min(sizes, key=lambda width: abs(sizes[width] - parameters))).to(device)


def size_of(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def task_of(network: torch.nn.Module, batch: int, resolution: int) -> Task:
    device = next(network.parameters()).device

    images, noise = (torch.randn(batch, 3, resolution, resolution, device=device) for _ in range(2))
    times, labels = (torch.randint(10, (batch,), device=device) for _ in range(2))
    # The same images under other labels: the two gradients conflict, so that every way has to project.
    return Task(network, (images, noise, times, labels), (images, noise, times, (labels + 1) % 10))


def errors(task: Task) -> tuple[float, dict[str, float]]:
    """The cosine of the two gradients, and for each way the error of its result in units of the result's norm.

    The reference is Theorem 4 in float64 on the same two float32 gradients: dropout is repeated for each way.
    """
    torch.manual_seed(1)
    pair = []
    for loss in (task.forget_loss, task.retain_loss):
        loss().backward()
        pair.append(torch.cat([tensor.flatten() for tensor in take_gradients(task.parameters)]).double())
    forget, retain = pair
    cross, forget_square, retain_square = forget @ retain, forget @ forget, retain @ retain
    conflict = cross.clamp(max=0)
    exact = (1 - RETAIN_WEIGHT * conflict / forget_square) * forget
    exact += (RETAIN_WEIGHT - conflict / retain_square) * retain
    found = {}
    for name, way in WAYS.items():
        torch.manual_seed(1)
        way(task)
        result = torch.cat([tensor.flatten() for tensor in take_gradients(task.parameters)])
        found[name] = float((result - exact).norm() / exact.norm())
    return float(cross / (forget_square * retain_square).sqrt()), found


def peak_memory(way: Callable[[Task], None], task: Task) -> int:
    """The most bytes that torch holds while ``way`` makes the gradient, over those held before."""
    way(task)  # libraries may allocate for good at their first call
    task.network.zero_grad(set_to_none=True)
    if task.forget_batch[0].is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        way(task)
        peak = torch.cuda.max_memory_allocated() - before
    else:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
            way(task)
        peak = held = 0
        for change in _allocations(record):
            held += change
            peak = max(peak, held)
    task.network.zero_grad(set_to_none=True)
    return peak


def _allocations(record: profile) -> Iterator[int]:
    """Bytes allocated (positive) and freed (negative), in the order of time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        record.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    memory = [event for event in events if event.get("name") == "[memory]"]
    yield from (event["args"]["Bytes"] for event in sorted(memory, key=lambda event: event["ts"]))


def seconds(
    way: Callable[[Task], None], task: Task, optimiser: torch.optim.Optimizer, clock: Callable[[], float]
) -> float:
    """One whole training step."""
    wait = torch.cuda.synchronize if task.forget_batch[0].is_cuda else lambda: None
    wait()
    begin = clock()
    way(task)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    wait()
    return clock() - begin


def timed_pairs(
    task: Task, optimiser: torch.optim.Optimizer, pairs: int, clock: Callable[[], float]
) -> dict[str, list[tuple[float, float]]]:
    """For each way, ``pairs`` times the seconds of (a plain step, a step of this way), run one after the other."""
    for way in (plain, *WAYS.values()):
        seconds(way, task, optimiser, clock)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    for number in tqdm(range(pairs), desc="pairs", disable=None):
        for name, way in WAYS.items():
            if number % 2 == 0:
                reference = seconds(plain, task, optimiser, clock)
                times[name].append((reference, seconds(way, task, optimiser, clock)))
            else:
                measured = seconds(way, task, optimiser, clock)
                times[name].append((seconds(plain, task, optimiser, clock), measured))
    return times


def report(times: dict[str, list[tuple[float, float]]], memory: dict[str, float], wrong: dict[str, float]) -> str:
    """A table in Markdown."""
    every_plain = [reference for pairs in times.values() for reference, _ in pairs]
    rows = [
        "| step | median, s | of plain: median (min to max) | peak memory, P | error |",
        "|---|---|---|---|---|",
        f"| plain | {statistics.median(every_plain):.3f} | 1 | {memory['plain']:.2f} | |",
    ]
    for name, pairs in times.items():
        ratios = [measured / reference for reference, measured in pairs]
        rows.append(
            f"| {name} | {statistics.median(measured for _, measured in pairs):.3f} "
            f"| {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}) "
            f"| {memory[name]:.2f} | {wrong[name]:.0e} |"
        )
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="benchmarks/surgery.py"
    )
    parser.add_argument("--parameters", type=float, default=55e6, help="size of the network, about [55e6]")
    parser.add_argument("--pairs", type=int, default=5, help="timed pairs for each way [5]")
    parser.add_argument("--batch", type=int, default=1, help="images in each of the two batches [1]")
    parser.add_argument("--threads", type=int, help="CPU threads [what torch chooses]")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N [cpu]")
    parser.add_argument("--adam", choices=("fused", "foreach"), default="fused", help="[fused]")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="cpu: this process's CPU time, for one thread beside others' work",
    )
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)

    torch.manual_seed(0)
    network = network_of(arguments.parameters, torch.device(arguments.device)).train()
    size = size_of(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, **{arguments.adam: True})
    task = task_of(network, arguments.batch, resolution=32)
    print(
        f"{size / 1e6:.1f} M parameters in {len(task.parameters)} tensors; batches of {arguments.batch} + "
        f"{arguments.batch}, 32x32; {arguments.adam} Adam; torch {torch.__version__} on {arguments.device}, "
        f"{torch.get_num_threads()} thread(s), {arguments.clock} time; Python {platform.python_version()}"
    )
    angle, wrong = errors(task)
    print(f"cosine of the two gradients: {angle:.2f}")
    # Small images, so that the activations weigh little and the peak is that of the gradients.
    small = task_of(network, batch=1, resolution=8)
    memory = {name: peak_memory(way, small) / (4 * size) for name, way in {"plain": plain, **WAYS}.items()}
    print(report(timed_pairs(task, optimiser, arguments.pairs, CLOCKS[arguments.clock]), memory, wrong))


if __name__ == "__main__":
    main()
