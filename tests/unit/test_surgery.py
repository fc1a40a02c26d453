"""Combining gradients in place, against flattening and concatenating them in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lethe import surgery
from lethe.gradients import PCGRAD_PER_TENSOR, RESTRICTED, RULES, SUM
from lethe.surgery import combine_, gram, take_gradients

SHAPES = [(300, 7), (), (64, 3, 3, 3), (1,), (513,)]
WHOLE = {name: rule for name, rule in RULES.items() if not rule.per_tensor}


@pytest.fixture(params=["tensor by tensor", "in lists"])
def both_ways(request, monkeypatch):
    """Run a test the CPU's way and, on the CPU too, the way of an accelerator."""
    if request.param == "in lists":
        monkeypatch.setattr(surgery, "_launches_are_dear", lambda tensors: True)


def conflicting(shapes=SHAPES, seed=0, dtype=torch.float32) -> tuple[list[Tensor], list[Tensor]]:
    """Two gradients of unequal norms that conflict as a whole, and in some tensors but not in all."""
    generator = torch.Generator().manual_seed(seed)
    forget = [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]
    signs = [-1 if index in (0, 4) else 1 for index in range(len(shapes))]
    retain = [
        2 * sign * g + 3 * torch.randn(shape, generator=generator, dtype=dtype)
        for sign, g, shape in zip(signs, forget, shapes, strict=True)
    ]
    assert gram(forget, retain).cross < 0
    return forget, retain


def weights(gradient) -> list[Tensor]:
    return [torch.zeros_like(tensor, requires_grad=True) for tensor in gradient]


def clones(gradient):
    return [None if tensor is None else tensor.clone() for tensor in gradient]


def flat(gradient, like) -> Tensor:
    pieces = [torch.zeros_like(w) if g is None else g for g, w in zip(gradient, like, strict=True)]
    return torch.cat([piece.detach().double().contiguous().flatten() for piece in pieces])


def by_flattening(rule, forget, retain, like, retain_weight) -> Tensor:
    """What combine_ must give: one long float64 vector, written out for the rules that need no solver."""
    g_f, g_r = flat(forget, like), flat(retain, like)
    if rule.per_tensor:
        pieces = zip(forget, retain, like, strict=True)
        return torch.cat([by_flattening(RESTRICTED, [f], [r], [w], retain_weight) for f, r, w in pieces])
    if rule is SUM or g_f @ g_r >= 0:
        return g_f + retain_weight * g_r
    return g_f - (g_f @ g_r) / (g_r @ g_r) * g_r + retain_weight * (g_r - (g_f @ g_r) / (g_f @ g_f) * g_f)


def test_gradients_are_taken_by_reference():
    network = torch.nn.Linear(3, 2)
    network.bias.requires_grad_(False)
    network(torch.ones(1, 3)).sum().backward()
    address = network.weight.grad.data_ptr()
    gradient = take_gradients(network.parameters())
    assert gradient[0].data_ptr() == address
    assert gradient[1] is None
    assert [weight.grad for weight in network.parameters()] == [None, None]


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("retain_weight", [0.5, 5.0])
@pytest.mark.parametrize("rule", [SUM, RESTRICTED, PCGRAD_PER_TENSOR], ids=lambda rule: rule.name)
@pytest.mark.parametrize("missing", ["none", "some", "all forget", "all retain", "all"])
def test_combine_equals_flattening_and_concatenating(missing, rule, retain_weight):
    forget, retain = conflicting()
    like = weights(forget)
    if missing == "some":
        forget[0] = retain[2] = forget[3] = retain[3] = None
    if missing in ("all forget", "all"):
        forget = [None] * len(like)
    if missing in ("all retain", "all"):
        retain = [None] * len(like)
    expected = by_flattening(rule, forget, retain, like, retain_weight)
    absent = [f is None and r is None for f, r in zip(forget, retain, strict=True)]
    like[1].grad = torch.tensor(100.0)  # left over from before: it must not count

    entries = combine_(like, clones(forget), clones(retain), rule, retain_weight)

    torch.testing.assert_close(flat([w.grad for w in like], like), expected, rtol=1e-5, atol=1e-5)
    assert [w.grad is None for w in like] == absent
    g_f, g_r = flat(forget, like), flat(retain, like)
    torch.testing.assert_close(
        torch.stack(entries.total()), torch.stack([g_f @ g_f, g_f @ g_r, g_r @ g_r]), rtol=1e-6, atol=1e-6
    )


@pytest.mark.usefixtures("both_ways")
def test_float64_gradients_keep_their_precision():
    forget, retain = conflicting(dtype=torch.float64)
    like = weights(forget)
    expected = by_flattening(RESTRICTED, forget, retain, like, 5.0)
    combine_(like, forget, retain, RESTRICTED, 5.0)
    torch.testing.assert_close(flat([w.grad for w in like], like), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bit_gradients_are_combined_in_float32_and_rounded_once(dtype):
    forget, retain = conflicting()
    forget, retain = ([g.to(dtype) for g in gradient] for gradient in (forget, retain))
    forget[0] = None
    like = weights(retain)
    expected = by_flattening(RESTRICTED, forget, retain, like, 1.6)
    combine_(like, forget, retain, RESTRICTED, 1.6)
    assert {w.grad.dtype for w in like} == {dtype}
    torch.testing.assert_close(
        flat([w.grad for w in like], like), expected, rtol=torch.finfo(dtype).eps * 0.51, atol=1e-5
    )


@pytest.mark.usefixtures("both_ways")
def test_channels_last_and_transposed_gradients():
    generator = torch.Generator().manual_seed(1)
    forget, retain = (
        [torch.randn(8, 4, 3, 3, generator=generator), torch.randn(6, 5, generator=generator)] for _ in range(2)
    )
    retain[1] = retain[1] - 2 * forget[1]
    like = weights(forget)
    expected = by_flattening(RESTRICTED, forget, retain, like, 1.0)
    strided = [forget[0].contiguous(memory_format=torch.channels_last), forget[1].T.contiguous().T]
    combine_(like, strided, retain, RESTRICTED, 1.0)
    torch.testing.assert_close(flat([w.grad for w in like], like), expected, rtol=1e-5, atol=1e-5)


def test_gradients_with_the_same_strides_are_read_without_a_copy():
    pair = [torch.randn(64, 32, 3, 3).contiguous(memory_format=torch.channels_last) for _ in range(2)]
    with _LargestAllocation() as seen:
        gram(pair[:1], pair[1:])
    assert seen.elements < 10


class _LargestAllocation(TorchDispatchMode):
    """The number of elements of the largest tensor with memory of its own that any operation returns."""

    def __init__(self):
        super().__init__()
        self.elements, self.known = 0, set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        flat_args = torch.utils._pytree.tree_leaves((args, kwargs))
        known = {a.untyped_storage().data_ptr() for a in flat_args if isinstance(a, Tensor)}
        result = function(*args, **(kwargs or {}))
        for tensor in torch.utils._pytree.tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage().data_ptr() not in known:
                self.elements = max(self.elements, tensor.numel())
        return result


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_combine_allocates_nothing_of_the_size_of_a_gradient(rule):
    forget, retain = conflicting([(400, 300, 3, 3), (1000, 500), (2000,)])
    retain[2] = None
    like = weights(forget)
    addresses = [retain[0].data_ptr(), retain[1].data_ptr(), forget[2].data_ptr()]
    with _LargestAllocation() as seen:
        combine_(like, forget, retain, rule, 0.7)
    assert [w.grad.data_ptr() for w in like] == addresses
    assert seen.elements < 10


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("rule", WHOLE.values(), ids=WHOLE)
def test_whole_network_rules_do_not_see_how_weights_are_split_into_tensors(rule):
    forget, retain = conflicting()
    whole, split = weights(forget), [w for g in forget for w in weights(g.reshape(-1))]
    combine_(whole, clones(forget), clones(retain), rule, 0.7)
    pieces = ([piece.clone() for g in gradient for piece in g.reshape(-1)] for gradient in (forget, retain))
    combine_(split, *pieces, rule, 0.7)
    expected = flat([w.grad for w in whole], whole)
    torch.testing.assert_close(flat([w.grad for w in split], split), expected, rtol=1e-5, atol=1e-5)


def test_the_per_tensor_rule_does_see_it():
    forget, retain = conflicting()
    apart, together = weights(forget), weights([torch.cat([g.flatten() for g in forget])])
    combine_(apart, clones(forget), clones(retain), PCGRAD_PER_TENSOR, 1.0)
    joined = ([torch.cat([g.flatten() for g in gradient])] for gradient in (forget, retain))
    combine_(together, *joined, PCGRAD_PER_TENSOR, 1.0)
    difference = flat([w.grad for w in apart], apart) - together[0].grad.double()
    assert difference.norm() > 0.1 * together[0].grad.norm()


@pytest.mark.usefixtures("both_ways")
def test_sums_of_tensors_of_very_different_size_stay_exact():
    # 2^34 and -2^34 from two tensors cancel; what the 64 between them add up to is lost in float32.
    middle = [torch.full((1024,), 0.5) for _ in range(64)]
    forget = [torch.full((1024,), 4096.0), *middle, torch.full((1024,), 4096.0)]
    retain = [torch.full((1024,), 4096.0), *middle, torch.full((1024,), -4096.0)]
    exact = 64 * 1024 * 0.25
    assert float(gram(forget, retain).cross) == exact
    naive = float(torch.cat(forget) @ torch.cat(retain))
    assert abs(naive - exact) > 0.01 * exact


def test_dots_over_a_large_tensor_do_not_drift():
    generator = torch.Generator().manual_seed(2)
    forget, retain = (torch.randn(5_000_001, generator=generator) for _ in range(2))
    wide = forget.double(), retain.double()
    entries = gram([forget], [retain])
    scale = float(wide[0].norm() * wide[1].norm())
    assert float(entries.forget) == pytest.approx(float(wide[0] @ wide[0]), rel=2e-6)
    assert float(entries.retain) == pytest.approx(float(wide[1] @ wide[1]), rel=2e-6)
    assert float(entries.cross) == pytest.approx(float(wide[0] @ wide[1]), abs=1e-7 * scale)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_the_projection_holds_at_any_scale(scale):
    forget, retain = conflicting()
    forget, retain = [g * scale for g in forget], [g / scale for g in retain]
    like, g_f, g_r = weights(forget), flat(forget, forget), flat(retain, retain)
    combine_(like, clones(forget), clones(retain), RESTRICTED, 0.0)
    delta_f = flat([w.grad for w in like], like)
    assert float(delta_f @ g_r / (delta_f.norm() * g_r.norm())) == pytest.approx(0, abs=1e-6)
    assert float(delta_f @ g_f) == pytest.approx(float(g_f @ g_f - (g_f @ g_r) ** 2 / (g_r @ g_r)), rel=1e-5)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_nothing_waits_for_the_device(rule):
    # A meta tensor has no values: whatever would look at one, fails. Meta counts as an accelerator here.
    forget, retain, like = ([torch.empty(shape, device="meta") for shape in SHAPES] for _ in range(3))
    retain[1] = None
    assert combine_(like, forget, retain, rule, 0.7).total().cross.shape == ()
    assert [w.grad.shape for w in like] == [torch.Size(shape) for shape in SHAPES]


def test_lists_of_unequal_length_are_refused():
    forget, retain = conflicting()
    with pytest.raises(ValueError, match="zip"):
        combine_(weights(forget), forget, retain[:-1], RESTRICTED, 1.0)


def test_a_step_on_two_losses_lowers_both():
    torch.manual_seed(3)
    network = torch.nn.Sequential(torch.nn.Linear(6, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)).double()
    x, y = torch.randn(32, 6, dtype=torch.float64), torch.randn(32, 1, dtype=torch.float64)

    def losses():
        squared = (network(x) - y).square()
        return -squared[:16].mean(), squared[16:].mean() + 0.9 * squared[:16].mean()

    parameters = list(network.parameters())
    before = losses()
    before[0].backward(retain_graph=True)
    forget = take_gradients(parameters)
    before[1].backward()
    entries = combine_(parameters, forget, take_gradients(parameters), RESTRICTED, 1.0)
    assert entries.total().cross < 0
    torch.optim.SGD(parameters, lr=1e-4).step()
    assert all(after < earlier for after, earlier in zip(losses(), before, strict=True))
