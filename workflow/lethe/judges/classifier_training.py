"""How a classifier is trained, and how good it is on images that it has not seen."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from lethe.judges.classifier import Classifier, look
from lethe.judges.fitting import fit
from lethe.judges.pictures import Border, Examples, flipped, noise_like, pixels, shifted, softened
from lethe.randomness import BatchStream, derived_seed, step_generator
from lethe.settings.judge import JudgeSettings


def train_classifier(
    data: Examples, settings: JudgeSettings, device: torch.device, *, border: Border = "black", soften: bool = False
) -> Classifier:
    """Train on ``data`` and on noise-like images. Examples are moved by up to one pixel, ``border`` coming in, those of
    a ResNet by up to four and mirrored; with ``soften`` they are made softer and grainier too."""
    torch.manual_seed(derived_seed(settings.seed, "initialisation"))
    classes = {head: len(names) for head, names in data.heads.items()}
    shape = data.images.shape[1], settings.width, settings.features, classes, settings.architecture
    classifier = Classifier(*shape).to(device).train()
    is_photograph = settings.architecture == "resnet"
    images, labels = pixels(data.images), torch.from_numpy(data.labels)
    none = torch.tensor(list(classes.values()))
    noise_count = min(max(1, round(settings.noise_share * settings.batch)), settings.batch - 1)
    batches = BatchStream(len(images), settings.batch - noise_count, settings.seed, "judge")
    models_for_noise = BatchStream(len(images), noise_count, settings.seed, "noise-like")

    def loss_of(number: int) -> Tensor:
        generator = step_generator(settings.seed, number)
        rows = torch.from_numpy(batches(number))
        noise = noise_like(images[torch.from_numpy(models_for_noise(number))], generator)
        real = shifted(images[rows], generator, border, most=4 if is_photograph else 1)
        real = flipped(real, generator) if is_photograph else real
        real = softened(real, generator) if soften else real
        wanted = torch.cat([labels[rows], none.expand(len(noise), -1)]).to(device)
        logits = classifier.by_head(classifier(torch.cat([real, noise]).to(device))[1])
        losses = [
            nn.functional.cross_entropy(own, column, ignore_index=-1, label_smoothing=0.02)
            for own, column in zip(logits.values(), wanted.unbind(1), strict=True)
        ]
        return torch.stack(losses).mean()

    fit(classifier, loss_of, steps=settings.steps, peak=settings.learning_rate, weight_decay=0.02, name="classifier")
    return classifier.eval()


def held_out_accuracy(
    classifier: Classifier, data: Examples, seed: int, device: torch.device
) -> dict[str, dict[str, float]]:
    """Accuracy of each head on held-out images to which it applies, on as many noise-like images as there are images,
    and on both together."""
    noise = noise_like(pixels(data.images), torch.Generator().manual_seed(derived_seed(seed, "held-out noise")))
    as_bytes = ((noise + 1) * 127.5).round().to(torch.uint8).numpy()
    of_real, of_noise = (classifier.by_head(look(classifier, each, device)[1]) for each in (data.images, as_bytes))
    accuracy = {}
    for (head, names), labels in zip(data.heads.items(), data.labels.T, strict=True):
        applies = labels >= 0
        right_real = (of_real[head].argmax(1).numpy() == labels)[applies]
        right_noise = of_noise[head].argmax(1).numpy() == len(names)
        both = np.concatenate([right_real, right_noise])
        accuracy[head] = {
            "real": float(right_real.mean()),
            "noise_like": float(right_noise.mean()),
            "all": float(both.mean()),
            "n": len(both),
        }
    return accuracy
