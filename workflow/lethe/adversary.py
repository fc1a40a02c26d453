"""The discriminator that learns beside a network: whether a prediction was made under an anchor or a target prompt."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lethe.errors import LetheError
from lethe.models.denoiser import LatentDenoiser
from lethe.randomness import derived_seed
from lethe.settings.method import Adversarial
from lethe.training import restore_training_state, training_state


def patch_discriminator(channels: int, settings: Adversarial, size: int) -> nn.Sequential:
    """A PatchGAN (Isola et al. 2017) as DoCo has it: 4x4 convolutions that halve the picture, normalised but for the
    first, then one logit for each patch. With four layers a 64x64 picture gives 3x3 logits."""
    if size // 2**settings.discriminator_layers < 2:
        raise LetheError(
            f"discriminator_layers = {settings.discriminator_layers}, but {size} pixels cannot be halved so often",
            f"lower it to {max(size.bit_length() - 2, 0)} or less",
        )
    width, layers, inside = settings.discriminator_width, [], channels
    for number in range(settings.discriminator_layers):
        outside = width * 2**number
        layers.append(nn.Conv2d(inside, outside, 4, stride=2, padding=1))
        if number:
            norm = nn.BatchNorm2d(outside) if settings.discriminator_norm == "batch" else nn.GroupNorm(8, outside)
            layers.append(norm)
        layers.append(nn.LeakyReLU(0.2))
        inside = outside
    return nn.Sequential(*layers, nn.Conv2d(inside, 1, 4, stride=1, padding=1))


class Adversary:
    """A discriminator with its optimiser: anchor predictions are labelled 1, those under target prompts 0.

    (DoCo's release has the labels the other way round, which is the same.) ``as_released`` leaves in the discriminator
    what the network's loss has put into its gradients, before its own step: on target predictions the label is then
    in effect one half, so that it is weakened just when the network begins to learn.
    """

    def __init__(self, model: LatentDenoiser, settings: Adversarial, seed: int) -> None:
        self._as_released = settings.as_released
        shape = model.latent_shape
        torch.manual_seed(derived_seed(seed, "discriminator"))
        self.network = patch_discriminator(shape[0], settings, shape[-1]).to(model.device).train()
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), lr=settings.discriminator_rate, betas=(0.5, 0.999), fused=True
        )
        self._seen: tuple[Tensor, Tensor] | None = None

    def deceived(self, anchor: Tensor, target: Tensor) -> Tensor:
        """The network's loss: how far the discriminator is from taking ``target`` for an anchor prediction.

        Both (B, C, h, w) are kept for :meth:`learn`.
        """
        self._seen = anchor.detach(), target.detach()
        return _cross_entropy(self.network(target), 1.0)

    def learn(self) -> tuple[Tensor, Tensor]:
        """One step on what :meth:`deceived` saw; the mean scores (1: anchor) of anchor and target predictions."""
        if not self._as_released:
            self.optimiser.zero_grad(set_to_none=True)
        logits = [self.network(prediction) for prediction in self._seen]
        (_cross_entropy(logits[0], 1.0) + _cross_entropy(logits[1], 0.0)).backward()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self._seen = None
        return logits[0].detach().sigmoid().mean(), logits[1].detach().sigmoid().mean()

    def collect(self) -> dict[str, Tensor]:
        """Weights and optimiser state as named tensors."""
        return {f"adversary/{name}": tensor for name, tensor in training_state(self.network, self.optimiser).items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Undo :meth:`collect`; other tensors are left aside."""
        own = {name.removeprefix("adversary/"): part for name, part in tensors.items() if name.startswith("adversary/")}
        restore_training_state(own, self.network, self.optimiser)


def _cross_entropy(logits: Tensor, label: float) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))
