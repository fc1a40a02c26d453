"""Two gradients of one network become one, in place: nothing is flattened, and memory holds two gradients, no more.

A gradient is a sequence with one tensor for each parameter, or None where the loss does not reach it. Nothing
here waits for the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from lethe.gradients import Gram, Rule

Gradient = Sequence[Tensor | None]

# On a CPU a float32 dot product drifts with its length: by 3e-5 of ||g||^2 at 2.4 million elements, 3e-3 at
# 50 million. In blocks of this many it stays below 1e-6 and is as fast.
_BLOCK = 2**18


def take_gradients(parameters: Iterable[Tensor]) -> list[Tensor | None]:
    """Take each ``.grad`` by reference and leave None there: the next backward pass makes new tensors."""
    gradient = []
    for parameter in parameters:
        gradient.append(parameter.grad)
        parameter.grad = None
    return gradient


@torch.no_grad()
def gram(forget: Gradient, retain: Gradient) -> Gram:
    """The Gram matrix of two gradients of a network, 0-dim float64 on their device; None counts as zero.

    Products are taken in float32 (of float64 gradients in float64) and added up in float64. Products outside
    float32's range, of elements above 1e19 or below 1e-22, become infinite or zero.
    """
    return _gram_by_tensor(forget, retain).total()


@torch.no_grad()
def combine_(
    parameters: Sequence[Tensor], forget: Gradient, retain: Gradient, rule: Rule, retain_weight: float
) -> Gram:
    """Set each ``.grad`` to a * g_f + b * g_r; return the Gram matrix of each tensor, float64 (n,).

    The result takes the memory of ``retain`` (of ``forget`` where that is None), and ``forget`` may be
    overwritten: use neither afterwards. A parameter that no loss reaches gets None, as the optimiser expects.
    """
    by_tensor = _gram_by_tensor(forget, retain)
    a, b = rule.coefficients(by_tensor if rule.per_tensor else by_tensor.total(), retain_weight)
    both = []
    for index, (parameter, g_f, g_r) in enumerate(zip(parameters, forget, retain, strict=True)):
        if g_f is not None and g_r is not None:
            both.append(index)
        elif g_f is not None:
            _scale_(g_f, _of(a, index))
        elif g_r is not None:
            _scale_(g_r, _of(b, index))
        parameter.grad = g_f if g_r is None else g_r

    g_f, g_r = [forget[index] for index in both], [retain[index] for index in both]
    if both and _launches_are_dear(g_r):
        torch._foreach_mul_(g_r, _of(b.to(g_r[0].dtype), both))
        torch._foreach_mul_(g_f, _of(a.to(g_f[0].dtype), both))
        torch._foreach_add_(g_r, g_f)
    else:
        for index in both:
            _mix_(retain[index], _of(b, index), forget[index], _of(a, index))
    return by_tensor


def _gram_by_tensor(forget: Gradient, retain: Gradient) -> Gram:
    """The Gram matrix of each pair of tensors: three float64 tensors of shape (n,)."""
    present = [tensor for tensor in (*forget, *retain) if tensor is not None]
    zero = torch.zeros((), dtype=torch.float64, device=present[0].device if present else None)

    def dot(first: Tensor | None, second: Tensor | None) -> Tensor:
        return zero if first is None or second is None else _dot(first, second)

    pairs = list(zip(forget, retain, strict=True))
    if present and _launches_are_dear(present):
        norms = iter(torch._foreach_norm(present, 2, torch.float64))
        by_tensor = [zero if tensor is None else next(norms) for tensor in (*forget, *retain)]
        forget_norms, retain_norms = torch.stack(by_tensor).chunk(2)
        cross = torch.stack([dot(g_f, g_r) for g_f, g_r in pairs])
        return Gram(forget_norms.square(), cross, retain_norms.square())
    rows = [(dot(g_f, g_f), dot(g_f, g_r), dot(g_r, g_r)) for g_f, g_r in pairs]
    return Gram(*(torch.stack(entries) for entries in zip(*rows, strict=True)))


def _dot(first: Tensor, second: Tensor) -> Tensor:
    """<first, second>, 0-dim float64."""
    if not (first.is_contiguous() and second.is_contiguous()):
        # Any order of the elements will do; in this one, channels_last tensors are views and nothing is copied.
        order = sorted(range(first.dim()), key=first.stride, reverse=True)
        first, second = first.permute(order), second.permute(order)
    first, second = first.reshape(-1), second.reshape(-1)
    if first.device.type != "cpu" or first.numel() <= _BLOCK:
        return torch.dot(_widened(first), _widened(second)).double()
    blocks = zip(first.split(_BLOCK), second.split(_BLOCK), strict=True)
    return torch.stack([torch.dot(_widened(one), _widened(other)) for one, other in blocks]).sum(dtype=torch.float64)


def _launches_are_dear(tensors: Sequence[Tensor]) -> bool:
    """Whether few kernels over lists of tensors beat many over tensors that the cache still holds."""
    return all(tensor.device.type != "cpu" and not _narrow(tensor) for tensor in tensors)


def _narrow(tensor: Tensor) -> bool:
    return tensor.dtype in (torch.bfloat16, torch.float16)


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if _narrow(tensor) else tensor


def _of(scale: Tensor, which: int | list[int]) -> Tensor | list[Tensor]:
    """The entries of ``scale`` for one tensor or for several; a 0-dim ``scale`` is the same for all."""
    if scale.dim() == 0:
        return scale
    return scale[which] if isinstance(which, int) else [scale[index] for index in which]


def _scale_(tensor: Tensor, scale: Tensor) -> None:
    if _narrow(tensor):
        tensor.copy_(tensor.float() * scale)
    else:
        tensor.mul_(scale)


def _mix_(tensor: Tensor, scale: Tensor, other: Tensor, other_scale: Tensor) -> None:
    """``tensor`` becomes scale * tensor + other_scale * other; 16-bit tensors are rounded once, at the end."""
    if _narrow(tensor):
        tensor.copy_(tensor.float() * scale + other.float() * other_scale)
    else:
        tensor.mul_(scale).addcmul_(other, other_scale.to(tensor.dtype))
