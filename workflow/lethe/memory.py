"""``python -m lethe.memory`` writes a table: how much memory of a GPU each method takes, and which card it fits.

Nothing is run and nothing is loaded: the networks are built without their numbers, and what a forward pass would keep
for the backward is counted tensor by tensor.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

from lethe.architectures import ARCHITECTURES, Architecture
from lethe.cli import command
from lethe.errors import LetheError, nearest
from lethe.files import write_text
from lethe.methods import method_named, method_names
from lethe.methods.method import Method, Recipe
from lethe.models import DENOISERS
from lethe.settings.precision import Precision

GIB = 2**30
CARDS = (24, 80)
"""Memory of common cards in GiB."""
# Of a card's memory, what the libraries' own kernels and the gaps between tensors take.
_RESERVE = 1.5 * GIB
_PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")


class Counted(NamedTuple):
    """Bytes that a forward pass leaves for the backward, with copies of weights in half precision among them."""

    weights: int
    trainable: int
    halved: int
    activations: int


def peak_bytes(
    architecture: str, method: str, precision: Precision, checkpointing: bool, batch: int | None = None
) -> dict[str, int]:
    """Bytes by part that the unlearning of a text study holds at most; their sum is a bound from above.

    ``architecture`` is a name in ``ARCHITECTURES``, ``batch`` that of the method's settings where it is None. Empty for
    a control. Weights, gradients and Adam's two moments are float32; a method with two losses has two gradients. They
    grow while the activations are given back, so that the true peak lies below the sum; what kernels take for
    themselves is not in it. A mask is made before the first step, from two predictions at once: the bigger of both
    counts.
    """
    if architecture not in ARCHITECTURES:
        raise LetheError(f"there is no architecture '{architecture}'", nearest(architecture, ARCHITECTURES))
    found = method_named(method)
    if not isinstance(found, Method):
        return {}
    stages = [training_bytes(architecture, found.recipe("text"), precision, checkpointing, batch)]
    if stages[0]["mask"]:
        stages.append(_masking_bytes(architecture, found.recipe("text"), precision, checkpointing, batch))
    return max(stages, key=lambda parts: sum(parts.values()))


def training_bytes(
    architecture: str, recipe: Recipe, precision: Precision, checkpointing: bool, batch: int | None
) -> dict[str, int]:
    """The same of the training alone."""
    settings: Any = recipe.settings()
    counted = count(architecture, recipe.trainable, precision, checkpointing, batch or settings.batch)
    gradients = (recipe.forget is not None) + (recipe.retain is not None)
    weights, trained = 4 * counted.weights, 4 * counted.trainable
    teacher = weights - (2 * counted.halved if precision == "bfloat16" else 0) if recipe.frozen_teacher else 0
    masked = recipe.mask is not None and not getattr(settings, "mask_as_released", False)
    return {
        "weights": weights,
        "gradients": gradients * trained,
        "moments": 2 * trained,
        "teacher": teacher,
        "mask": counted.trainable if masked else 0,
        "activations": counted.activations,
    }


def _masking_bytes(
    architecture: str, recipe: Recipe, precision: Precision, checkpointing: bool, batch: int | None
) -> dict[str, int]:
    """Of the gradients of guided predictions: under the concept and under nothing, so twice the batch."""
    settings: Any = recipe.settings()
    counted = count(architecture, recipe.trainable, precision, checkpointing, 2 * (batch or settings.batch))
    nothing = dict.fromkeys(("moments", "teacher", "mask"), 0)
    held = {"weights": 4 * counted.weights, "gradients": 4 * counted.trainable}
    return held | nothing | {"activations": counted.activations}


@functools.cache
def count(architecture: str, group: str, precision: Precision, checkpointing: bool, batch: int) -> Counted:
    """Numbers of weights (all, in ``group``, in linear layers and convolutions), and bytes of activations for a batch.

    With checkpointing these are what stays between the blocks, and what the largest block has when it is run again.
    """
    known = ARCHITECTURES[architecture]
    module, name = DENOISERS[known.family]
    denoiser = getattr(importlib.import_module(module), name)
    with FakeTensorMode(allow_non_fake_inputs=True):
        with torch.device("cuda"):
            network = denoiser.network_class.from_config(known.config).train()
        for layer in network.modules():  # what is made with numpy lies elsewhere
            for buffer_name, buffer in layer.named_buffers(recurse=False):
                layer.register_buffer(buffer_name, torch.empty_like(buffer, device="cuda"))
        chosen = denoiser.groups(denoiser.__new__(denoiser))[group]
        for weight_name, weight in network.named_parameters():
            weight.requires_grad_(chosen(weight_name))
        weights = {weight.untyped_storage()._cdata for weight in network.parameters()}
        outside, inside = _Kept(weights), [0]
        if checkpointing:
            network.enable_gradient_checkpointing(functools.partial(_checkpointed, weights, inside))
        with outside.hooks(), _half(precision == "bfloat16"), _attention_without_its_matrix():
            _forward(network, known, batch)
    layers = (layer for layer in network.modules() if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d))
    return Counted(
        weights=sum(weight.numel() for weight in network.parameters()),
        trainable=sum(weight.numel() for weight in network.parameters() if weight.requires_grad),
        halved=sum(weight.numel() for layer in layers for weight in layer.parameters(recurse=False)),
        activations=outside.total() + inside[0],
    )


def _forward(network: Any, known: Architecture, batch: int) -> Tensor:
    config = network.config
    noisy = torch.empty(batch, config.in_channels, config.sample_size, config.sample_size, device="cuda")
    if known.family == "stable_diffusion":
        prompts = torch.empty(batch, known.tokens, config.cross_attention_dim, device="cuda")
        level = torch.empty(batch, dtype=torch.int64, device="cuda")
        return network(noisy, level, encoder_hidden_states=prompts).sample
    return network(
        noisy,
        encoder_hidden_states=torch.empty(batch, known.tokens, config.joint_attention_dim, device="cuda"),
        pooled_projections=torch.empty(batch, config.pooled_projection_dim, device="cuda"),
        timestep=torch.empty(batch, device="cuda"),
    ).sample


class _Kept:
    """Tensors that autograd keeps, each storage once, but for the weights themselves."""

    def __init__(self, weights: set[int]) -> None:
        self._weights = weights
        self._storages: dict[int, Any] = {}

    def hooks(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autograd.graph.saved_tensors_hooks(self._keep, lambda tensor: tensor)

    def _keep(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._weights:
            self._storages[storage._cdata] = storage  # held, so that no other takes its address
        return tensor

    def total(self) -> int:
        return sum(storage.nbytes() for storage in self._storages.values())


def _checkpointed(weights: set[int], most: list[int], block: Callable[..., Any], *inputs: Any) -> Any:
    """A block as it is run under checkpointing; beside, what it keeps when it is run again."""
    kept = _Kept(weights)
    with kept.hooks():
        block(*inputs)
    most[0] = max(most[0], kept.total())
    return checkpoint(block, *inputs, use_reentrant=False)


@contextlib.contextmanager
def _half(enabled: bool) -> Iterator[None]:
    """A GPU's autocast to bfloat16, also where there is no GPU and ``torch.autocast`` would refuse."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda"), torch.is_autocast_cache_enabled()
    torch.set_autocast_enabled("cuda", enabled)
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    torch.set_autocast_cache_enabled(False)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        torch.autocast_decrement_nesting()
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])
        torch.set_autocast_cache_enabled(before[2])


class _Fused(torch.autograd.Function):
    """Attention as a GPU's fused kernels have it: it keeps its inputs, its output and one number for each query."""

    @staticmethod
    def forward(context: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        output = torch.empty_like(query)
        context.save_for_backward(query, key, value, output, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return output

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Any:
        raise NotImplementedError("only what is kept is counted")


def _attention_without_its_matrix() -> contextlib.AbstractContextManager[Any]:
    def fused(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> Tensor:
        if torch.is_autocast_enabled("cuda"):
            query, key, value = (each.to(torch.bfloat16) for each in (query, key, value))
        return _Fused.apply(query, key, value)

    return mock.patch.object(torch.nn.functional, "scaled_dot_product_attention", fused)


def table() -> str:
    """Markdown: every method that unlearns text, on each architecture, precision and checkpointing."""
    lines = [_INTRODUCTION]
    for name, known in ARCHITECTURES.items():
        total = count(name, "all", "float32", False, 1).weights
        lines += [f"\n## {known.title}\n", f"{total:,} weights in the network that unlearns.\n", *_HEAD]
        for method in method_names():
            lines += _rows(name, method)
    return "\n".join(lines) + "\n"


_SIZES = " and ".join(map(str, CARDS))
_INTRODUCTION = f"""# Memory of unlearning

Written by `python -m lethe.memory --output docs/memory.md`; a test keeps it in step with the methods. GiB of a GPU's
memory at each method's own batch: float32 weights, gradients (two where a method has two losses), Adam's two moments,
the frozen base where a method has a teacher (half of it with bfloat16), SalUn's mask, and the activations that a
forward pass keeps for the backward. Behind each sum stands the smallest card that does, of {_SIZES} GiB,
with {_RESERVE / GIB:g} GiB left over for kernels. SalUn's sum is that of making the mask where this takes more.

Counted on the networks' published configurations, not measured; the true peak lies below the sum, since gradients grow
while activations are given back. `compute: {{precision: bfloat16, checkpointing: true}}` chooses the column. The
teacher is the one copy that could be spared: ESD asks it about latents that the present network draws, which cannot be
known beforehand, and with it every method fits where RGD fits, so it is kept, in half the memory with bfloat16."""
_COLUMNS = [(precision, checkpointing) for checkpointing in (False, True) for precision in _PRECISIONS]
_HEAD = (
    "| method | batch | weights | gradients | moments | teacher | mask | "
    + " | ".join(f"{p}{', checkpointing' if c else ''}: activations, sum, card" for p, c in _COLUMNS)
    + " |",
    "|---|" + "---:|" * (6 + len(_COLUMNS)),
)


def _rows(architecture: str, method: str) -> list[str]:
    found = method_named(method)
    if not isinstance(found, Method) or isinstance(found.text, str):
        return []
    parts = [peak_bytes(architecture, method, *column) for column in _COLUMNS]
    batch = found.text.settings().batch  # type: ignore[attr-defined]
    trained = training_bytes(architecture, found.text, *_COLUMNS[0], None)
    fixed = [_gib(trained[part]) for part in ("weights", "gradients", "moments", "teacher", "mask")]
    sums = [sum(each.values()) for each in parts]
    kept = [_gib(each["activations"]) for each in parts]
    fitted = (f"{most}, {_gib(size)}, {_card(size)}" for most, size in zip(kept, sums, strict=True))
    return [f"| {found.card.title} | {batch} | {' | '.join(fixed)} | {' | '.join(fitted)} |"]


def _gib(size: int) -> str:
    return f"{size / GIB:.1f}" if size else ""


def _card(size: int) -> str:
    fitting = [card for card in CARDS if size + _RESERVE <= card * GIB]
    return f"**{fitting[0]}**" if fitting else "none"


def main(arguments: argparse.Namespace) -> None:
    write_text(arguments.output, table())


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lethe.memory", description=__doc__, allow_abbrev=False)
    parser.add_argument("--output", type=Path, required=True, help="Markdown file to write")
    return parser


if __name__ == "__main__":
    command(parser(), main)
