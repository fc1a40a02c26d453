"""What a network costs, counted on tensors without contents (torch's meta device): nothing is computed.

FLOPs are those of matrix products, convolutions and attention; a multiplication and an addition are two. Memory is what
PyTorch's storages hold: not the caches of a GPU's allocator, nor the workspaces of its libraries. Attention is counted
as the kernels do it that keep no matrix of all pairs, which is what a GPU runs.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from lethe.costs.networks import NetworkCost

Call = Callable[[int], Tensor]
"""Calls a network on a batch of so many examples, on the meta device."""


def flops_of(call: Call) -> float:
    """FLOPs of one call, for one example, without a gradient."""
    with _lean_attention(), torch.no_grad(), FlopCounterMode(display=False) as counter:
        call(1)
    return float(counter.get_total_flops())


def bytes_of_a_call(call: Call) -> float:
    """Bytes at the peak of one call without a gradient, for each example of a batch."""
    return _growth(lambda count: _peak(call, count, torch.no_grad()))


def bytes_of_a_step(network: nn.Module, call: Call) -> float:
    """Bytes at the peak of a call with its backward pass, for each example of a batch; without gradients of weights."""

    def step(count: int) -> Tensor:
        loss = call(count).float().square().mean()
        loss.backward()
        network.zero_grad(set_to_none=True)
        return loss

    return _growth(lambda count: _peak(step, count, contextlib.nullcontext()))


def network_cost(network: nn.Module, call: Call, decode: Call | None = None, encode: Call | None = None) -> NetworkCost:
    """All of it. ``decode`` and ``encode`` are the autoencoder's, of one picture."""
    with_all = bytes_of_a_step(network, call)
    checkpointed = with_all
    if getattr(network, "_supports_gradient_checkpointing", False):
        network.train()
        network.enable_gradient_checkpointing()
        checkpointed = bytes_of_a_step(network, call)
        network.disable_gradient_checkpointing()
    return NetworkCost(
        flops=flops_of(call),
        parameters=sum(weight.numel() for weight in network.parameters()),
        call_bytes=bytes_of_a_call(call),
        step_bytes=with_all,
        checkpointed_bytes=checkpointed,
        decode_flops=flops_of(decode) if decode else 0.0,
        decode_bytes=bytes_of_a_call(decode) if decode else 0.0,
        encode_flops=flops_of(encode) if encode else 0.0,
    )


def _growth(peak: Callable[[int], int]) -> float:
    """What one more example adds, where the batch is so large that the weights' gradients are small beside it."""
    return float(peak(65) - peak(64))


class _Storages(TorchDispatchMode):
    """Follows the bytes of all storages that operations make, until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._follow(tensor.untyped_storage())
        return made

    def _follow(self, storage: Any) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            self.live += size
            self.peak = max(self.peak, self.live)
            weakref.finalize(storage, self._let_go, key, size)

    def _let_go(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _peak(call: Call, count: int, mode: Any) -> int:
    with _lean_attention(), mode, _Storages() as storages:
        call(count)
    return storages.peak


@contextlib.contextmanager
def _lean_attention() -> Iterator[None]:
    """On the meta device PyTorch would form the matrix of all pairs."""
    functional = torch.nn.functional
    before = functional.scaled_dot_product_attention

    def lean(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return torch.ops.aten._scaled_dot_product_efficient_attention(
            query, key, value, None, compute_log_sumexp=torch.is_grad_enabled()
        )[0]

    functional.scaled_dot_product_attention = lean
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = before
