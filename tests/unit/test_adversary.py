"""The discriminator of DoCo: its shape, its losses, and the released defect of its gradients."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.nn.functional import softplus

from lethe.adversary import Adversary, patch_discriminator
from lethe.errors import LetheError
from lethe.methods._doco import DoCoSettings
from lethe.unlearn.loop import fix_first_token

pytest_plugins = ["text_models"]

LATENTS = SimpleNamespace(latent_shape=(4, 8, 8), device=torch.device("cpu"))


def settings(**changes) -> DoCoSettings:
    return DoCoSettings(**({"discriminator_layers": 2, "discriminator_width": 8, "discriminator_rate": 1e-2} | changes))


def predictions() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn((6, 4, 8, 8), generator=generator) + shift for shift in (0.5, -0.5))


def test_the_released_shape_looks_at_nine_patches_of_a_latent():
    network = patch_discriminator(4, DoCoSettings(), 64)
    assert network(torch.zeros(2, 4, 64, 64)).shape == (2, 1, 3, 3)
    convolutions = [layer for layer in network if isinstance(layer, torch.nn.Conv2d)]
    assert [(layer.in_channels, layer.out_channels) for layer in convolutions] == [
        *((4, 64), (64, 128), (128, 256), (256, 512), (512, 1))
    ]
    assert [layer.stride[0] for layer in convolutions] == [2, 2, 2, 2, 1]
    assert sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in network) == 3
    field = 1
    for layer in reversed(convolutions):
        field = (field - 1) * layer.stride[0] + layer.kernel_size[0]
    assert field == 94


def test_the_normalisation_can_be_by_groups():
    network = patch_discriminator(4, settings(discriminator_norm="group"), 8)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network)
    assert any(isinstance(layer, torch.nn.GroupNorm) for layer in network)


def test_too_many_layers_for_the_latents_are_refused_with_the_number_that_fits():
    with pytest.raises(LetheError, match="8 pixels") as caught:
        patch_discriminator(4, settings(discriminator_layers=3), 8)
    assert "2 or less" in caught.value.remedy
    patch_discriminator(4, settings(discriminator_layers=2), 8)(torch.zeros(2, 4, 8, 8))


def test_the_losses_are_cross_entropies_with_anchors_as_one():
    adversary = Adversary(LATENTS, settings(discriminator_norm="group"), 0)
    anchor, target = predictions()
    logits = {name: adversary.network(x).detach() for name, x in (("anchor", anchor), ("target", target))}
    torch.testing.assert_close(adversary.deceived(anchor, target).detach(), softplus(-logits["target"]).mean())
    before = [weight.detach().clone() for weight in adversary.network.parameters()]
    scores = adversary.learn()
    torch.testing.assert_close(scores, tuple(logit.sigmoid().mean() for logit in logits.values()))

    # Adam's first step goes down the sign of the gradient of both losses together.
    other = Adversary(LATENTS, settings(discriminator_norm="group"), 0)
    loss = softplus(-other.network(anchor)).mean() + softplus(other.network(target)).mean()
    gradients = torch.autograd.grad(loss, list(other.network.parameters()))
    for was, weight, gradient in zip(before, adversary.network.parameters(), gradients, strict=True):
        clear = gradient.abs() > 1e-5
        torch.testing.assert_close((was - weight)[clear], 1e-2 * gradient.sign()[clear], rtol=1e-2, atol=1e-5)


def gradients_at_its_step(as_released: bool) -> torch.Tensor:
    """The gradient with which the discriminator steps after the network's loss has gone backward."""
    adversary = Adversary(LATENTS, settings(discriminator_norm="group", as_released=as_released), 0)
    anchor, target = predictions()
    found = []
    step = adversary.optimiser.step
    adversary.optimiser.step = lambda: (
        found.append(torch.cat([weight.grad.flatten() for weight in adversary.network.parameters()])) or step()
    )
    adversary.deceived(anchor, target.requires_grad_()).backward()
    adversary.learn()
    return found[0]


def test_as_released_the_networks_loss_weakens_the_discriminator():
    """Target predictions then count for both labels: their share is twice the cross entropy with label one half."""
    adversary = Adversary(LATENTS, settings(discriminator_norm="group"), 0)
    anchor, target = predictions()
    weights = list(adversary.network.parameters())

    def gradient(loss) -> torch.Tensor:
        return torch.cat([part.flatten() for part in torch.autograd.grad(loss, weights)])

    own = gradient(softplus(-adversary.network(anchor)).mean())
    fake = adversary.network(target)
    torch.testing.assert_close(gradients_at_its_step(False), own + gradient(softplus(fake).mean()))
    fake = adversary.network(target)
    half = 0.5 * softplus(fake).mean() + 0.5 * softplus(-fake).mean()
    torch.testing.assert_close(gradients_at_its_step(True), own + 2 * gradient(half))


def test_a_state_goes_on_where_it_was():
    anchor, target = predictions()

    def steps(adversary: Adversary, count: int) -> Adversary:
        for _ in range(count):
            adversary.deceived(anchor, target)
            adversary.learn()
        return adversary

    whole = steps(Adversary(LATENTS, settings(), 3), 4)
    half = steps(Adversary(LATENTS, settings(), 3), 2)
    resumed = Adversary(LATENTS, settings(), 4)
    resumed.restore({name: tensor.clone() for name, tensor in half.collect().items()} | {"network/x": anchor})
    steps(resumed, 2)
    for name, tensor in whole.collect().items():
        assert torch.equal(tensor, resumed.collect()[name]), name


def test_no_gradient_goes_through_the_first_token(text_model):
    conditions = torch.randn((2, *text_model.condition_shape), generator=torch.Generator().manual_seed(0))
    noisy = torch.randn((2, *text_model.latent_shape), generator=torch.Generator().manual_seed(1))
    chosen = text_model.groups()["kv"]

    def gradient() -> dict[str, torch.Tensor]:
        """By layer, for an input that is zero but in its first token."""
        first = torch.zeros_like(conditions)
        first[:, 0] = conditions[:, 0]
        text_model.network.zero_grad()
        text_model.network(noisy, torch.tensor(500), encoder_hidden_states=first).sample.square().mean().backward()
        return {name: w.grad.clone() for name, w in text_model.network.named_parameters() if chosen(name)}

    with torch.no_grad():
        before = text_model.network(noisy, torch.tensor(500), encoder_hidden_states=conditions).sample
    assert all(part.abs().max() > 0 for part in gradient().values())
    fix_first_token(text_model, "kv")
    assert all(part.abs().max() == 0 for part in gradient().values())
    with torch.no_grad():
        after = text_model.network(noisy, torch.tensor(500), encoder_hidden_states=conditions).sample
    assert torch.equal(before, after)
