"""DoCo's two rules against the arithmetic of its two released codes, tensor by tensor."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lethe.gradients import doco_first_upload, doco_release
from lethe.surgery import combine_

SHAPES = [(4, 3), (5,), (2, 2, 3), (6,)]


def gradients(scale: float) -> tuple[list[Tensor], list[Tensor]]:
    """Some pairs of tensors conflict, some do not; one has no retain gradient to speak of."""
    generator = torch.Generator().manual_seed(0)
    forget = [scale * torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]
    mixed = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in SHAPES]
    retain = [sign * f / scale + m for sign, f, m in zip((-2, 2, -1, 0), forget, mixed, strict=True)]
    retain[3] = torch.zeros_like(retain[3])
    cosines = [float((f * r).sum()) for f, r in zip(forget, retain, strict=True)]
    assert min(cosines) < 0 < max(cosines)
    return forget, [scale * r for r in retain]


def clipped(tensors: list[Tensor]) -> list[Tensor]:
    parameters = [torch.nn.Parameter(torch.zeros_like(tensor)) for tensor in tensors]
    for parameter, tensor in zip(parameters, tensors, strict=True):
        parameter.grad = tensor.clone()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    return [parameter.grad for parameter in parameters]


def combined(rule, forget: list[Tensor], retain: list[Tensor], retain_weight: float) -> list[Tensor]:
    parameters = [torch.zeros_like(tensor) for tensor in forget]
    combine_(parameters, [f.clone() for f in forget], [r.clone() for r in retain], rule, retain_weight)
    return [parameter.grad for parameter in parameters]


@pytest.mark.parametrize("retain_weight", [1.0, 7.0])
@pytest.mark.parametrize("removed", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("scale", [0.01, 30.0])
def test_the_first_upload_takes_the_conflicting_part_away(scale, removed, retain_weight):
    forget, retain = gradients(scale)
    expected = []
    for a, b in zip(forget, retain, strict=True):
        inner = (a * b).sum()
        expected.append(a - removed * inner / b.square().sum() * b if inner < 0 else a)
    found = combined(doco_first_upload(removed), forget, retain, retain_weight)
    torch.testing.assert_close(found, expected)
    if removed == 1.0:
        assert all(float((a * b).sum()) > -1e-9 * scale**2 for a, b in zip(found, retain, strict=True))


@pytest.mark.parametrize("retain_weight", [1.0, 7.0])
@pytest.mark.parametrize("removed", [1.0, 0.5])
@pytest.mark.parametrize("scale", [0.01, 30.0])
def test_the_release_subtracts_the_cosine_after_clipping(scale, removed, retain_weight):
    forget, retain = gradients(scale)
    expected = []
    for a, b in zip(clipped(forget), clipped(retain), strict=True):
        cosine = torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0, eps=0)
        expected.append(a - removed * cosine * b / b.norm() if cosine < 0 else a)
    torch.testing.assert_close(combined(doco_release(removed), forget, retain, retain_weight), expected)


def test_where_the_release_meets_conflict_it_descends_on_the_retain_loss():
    """The factor ||g_f|| that its code lacks would leave a step at right angles; without it the step follows g_r."""
    forget, retain = gradients(0.01)
    release = combined(doco_release(), forget, retain, 1.0)
    upload = combined(doco_first_upload(), forget, retain, 1.0)
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(release[0].flatten(), retain[0].flatten(), dim=0) > 0.9
    assert cosine(upload[0].flatten(), retain[0].flatten(), dim=0).abs() < 1e-6
