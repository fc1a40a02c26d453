"""The objectives of text studies, each against its formula worked out another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from lethe.errors import LetheError
from lethe.methods import method_named
from lethe.methods.method import Batch, Recipe
from lethe.models.stable_diffusion import StableDiffusion
from lethe.objectives import denoise, gated_ascent, guided_denoise, negative_guidance, relabel_as_partner
from lethe.randomness import step_generator
from lethe.sets import Sets, read_sets
from lethe.settings.method import Gated, GuidedMask
from lethe.training import ResumableState
from lethe.unlearn.loop import Unlearning, unlearn

pytest_plugins = ["text_models"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def batch(text_sets: Sets) -> Batch:
    """Four of D_f with their partners, whose prompts are further apart than the small base has learned to see."""
    table = torch.randn(text_sets.table.shape, generator=seeded(3))
    return Batch(
        clean=torch.from_numpy(text_sets.forget_clean[:4]),
        conditions=table[text_sets.forget_conditions[:4]],
        generator=seeded(),
        partners=table[text_sets.retain_conditions[:4]],
        empty=table[text_sets.empty : text_sets.empty + 1],
    )


def gradient(model: StableDiffusion, loss: Tensor) -> np.ndarray:
    """The gradient of the whole network, flat, in float64."""
    found = torch.autograd.grad(loss, list(model.network.parameters()), allow_unused=True)
    parts = zip(found, model.network.parameters(), strict=True)
    return np.concatenate([(torch.zeros_like(w) if g is None else g).double().numpy().ravel() for g, w in parts])


def direct(model: StableDiffusion, noisy: Tensor, level: Tensor, prompts: Tensor) -> Tensor:
    return model.network(noisy, level, encoder_hidden_states=prompts).sample


# --------------------------------------------------------------------------------------------------------- ascent


def test_the_loss_is_the_squared_error_of_the_noise(text_model, batch):
    corrupted = text_model.corrupt(batch.clean, seeded())
    predicted = direct(text_model, corrupted.noisy, corrupted.level, batch.conditions)
    expected = torch.nn.functional.mse_loss(predicted, corrupted.truth)
    assert denoise(text_model, batch, None).item() == pytest.approx(expected.item(), rel=1e-6)


def test_below_the_truncation_the_loss_ascends(text_model, batch):
    loss = denoise(text_model, batch, None)
    down = gradient(text_model, loss)
    again = replace(batch, generator=seeded())
    ascent = gated_ascent(text_model, again, Gated(truncation=loss.item() * 1.001))
    assert ascent.item() == -loss.item()
    np.testing.assert_array_equal(gradient(text_model, ascent), -down)
    assert np.abs(down).max() > 1e-4


def test_above_the_truncation_the_gradient_is_exactly_zero(text_model, batch):
    """The released l / |l| leaves a rounding residue instead, which surgery takes for a direction."""
    loss = denoise(text_model, batch, None).detach()
    ascent = gated_ascent(text_model, replace(batch, generator=seeded()), Gated(truncation=float(loss) * 0.999))
    assert ascent.item() == -loss.item()
    assert not gradient(text_model, ascent).any()


def test_the_truncation_itself_still_ascends(text_model, batch):
    """The script stops where the loss is above it."""
    loss = denoise(text_model, batch, None).item()
    ascent = gated_ascent(text_model, replace(batch, generator=seeded()), Gated(truncation=loss))
    assert gradient(text_model, ascent).any()


def test_with_a_gated_forget_loss_the_restricted_step_is_that_of_the_retain_loss(text_model, text_folder, text_sets):
    recipe = method_named("rgd").recipe("text")
    settings = recipe.settings(steps=1, batch=8, truncation=1e-6, retain_weight=1)
    loop = Unlearning(text_model, recipe, settings, text_sets, 0)
    loop.prepare()
    loop.step(0)
    alone = replace(recipe, forget=None)
    other = Unlearning(StableDiffusion.load(text_folder), alone, settings, text_sets, 0)
    other.prepare()

    # The same draws: the forget loss took the first of the step's generator.
    def after_the_forget_draw(model, batch, settings):
        model.corrupt(batch.clean, batch.generator)
        return denoise(model, batch, settings)

    other.recipe = replace(alone, retain=after_the_forget_draw)
    other.step(0)
    for one, two in zip(loop.model.network.parameters(), other.model.network.parameters(), strict=True):
        assert torch.equal(one, two)
    (row,) = loop.trajectory.table()
    assert row["forget_norm"] == 0
    assert row["cosine"] == row["conflict"] == ""


# ------------------------------------------------------------------------------------------------------- relabel


def test_relabelling_is_towards_the_current_prediction_under_the_paired_prompt(text_model, batch):
    corrupted = text_model.corrupt(batch.clean, seeded())
    own = direct(text_model, corrupted.noisy, corrupted.level, batch.conditions)
    partner = direct(text_model, corrupted.noisy, corrupted.level, batch.partners).detach()
    expected = (own - partner).square().mean()
    found = relabel_as_partner(text_model, batch, None)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert found.item() > 1e-6
    difference = gradient(text_model, found) - gradient(text_model, expected)
    assert np.abs(difference).max() < 1e-6


def test_a_prompt_that_is_its_own_partner_teaches_nothing(text_model, batch):
    same = replace(batch, partners=batch.conditions)
    assert relabel_as_partner(text_model, same, None).item() == 0


# ----------------------------------------------------------------------------------------------------------- ESD


@pytest.mark.parametrize("as_released", [False, True], ids=["ours", "as released"])
@pytest.mark.parametrize("eta", [0.5, 1.0, 3.0])
def test_esd_is_towards_the_frozen_bases_negative_guidance(text_folder, text_model, text_sets, eta, as_released):
    """At latents that the current network has sampled; its own prediction is under the concept, without guidance."""
    settings = (
        method_named("esd")
        .recipe("text")
        .settings(negative_guidance=eta, start_steps=5, batch=3, as_released=as_released)
    )
    table = torch.from_numpy(text_sets.table)
    concept, empty = table[[text_sets.concept] * 3], table[text_sets.empty : text_sets.empty + 1]
    teacher = text_model.frozen()
    with torch.no_grad():  # the network has moved since
        for weight in text_model.network.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=seeded(9)))
    batch = Batch(clean=None, conditions=concept, generator=seeded(7), empty=empty, teacher=teacher)
    found = negative_guidance(text_model, batch, settings)

    latents = text_model.partly_sampled(
        concept, empty, guidance=3.0, steps=5, generator=seeded(7), as_released=as_released
    )
    base = StableDiffusion.load(text_folder)
    with torch.no_grad():
        nothing = direct(base, latents.noisy, latents.level, empty.expand_as(concept))
        something = direct(base, latents.noisy, latents.level, concept)
    target = (1 + eta) * nothing - eta * something  # diffusers' guidance with scale -eta
    expected = (direct(text_model, latents.noisy, latents.level, concept) - target).square().mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    difference = gradient(text_model, found) - gradient(text_model, expected)
    assert np.abs(difference).max() < 1e-5


def test_esd_sees_the_concepts_prompt_and_no_image(text_model, text_study, text_sets):
    """With the defaults of its paper: a batch of one, guidance 3, fifty steps, eta 1."""
    sets = read_sets(None, text_study / "embeddings")
    assert len(sets.forget_clean) == len(sets.retain_clean) == 0
    seen: list[Batch] = []

    def watched(model, batch, settings):
        seen.append(batch)
        return negative_guidance(model, batch, settings)

    recipe = method_named("esd").recipe("text")
    defaults = recipe.settings()
    assert (defaults.batch, defaults.steps, defaults.learning_rate) == (1, 1000, 1e-5)
    assert (defaults.start_guidance, defaults.start_steps, defaults.negative_guidance) == (3, 50, 1)
    unlearn(
        text_model,
        method_named("esd"),
        replace(recipe, forget=watched),
        recipe.settings(steps=2, batch=3, start_steps=4),
        sets,
        0,
        ResumableState(None, ""),
    )
    for batch in seen:
        assert batch.clean is None
        expected = torch.from_numpy(text_sets.table[[text_sets.concept]]).expand(3, -1, -1)
        assert torch.equal(batch.conditions, expected)
    assert len(seen) == 2
    assert not torch.equal(*(batch.generator.get_state() for batch in seen))


# ---------------------------------------------------------------------------------------------------------- SalUn


@pytest.mark.parametrize("g", [0.0, 7.5])
def test_the_masks_loss_is_of_the_guided_prediction(text_model, batch, g):
    """(1 + g) e(c) - g e(empty), which is diffusers' guidance with scale 1 + g; both branches have a gradient."""
    corrupted = text_model.corrupt(batch.clean, seeded())
    guided = text_model.guided(corrupted.noisy, torch.cat([corrupted.level] * 2), batch.conditions, batch.empty, 1 + g)
    expected = (guided - corrupted.truth).square().mean()
    found = guided_denoise(text_model, batch, GuidedMask(mask_guidance=g))
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
    one, two = gradient(text_model, found), gradient(text_model, expected)
    assert np.abs(one - two).max() < 1e-3 * np.abs(two).max()


def salun(**more) -> tuple[Recipe, object]:
    recipe = method_named("salun").recipe("text")
    return recipe, recipe.settings(**({"steps": 2, "batch": 3} | more))


def prepared(folder, sets: Sets, **more) -> Unlearning:
    recipe, settings = salun(**more)
    loop = Unlearning(StableDiffusion.load(folder), recipe, settings, sets, 0)
    loop.prepare()
    return loop


@pytest.mark.parametrize("fraction", [0.1, 0.5])
def test_the_mask_is_of_the_largest_gradients_summed_over_all_of_d_f(text_folder, text_sets, fraction):
    """In float64, from one gradient a batch; batches of 3 of 8 pairs, of which the last is short."""
    loop = prepared(text_folder, text_sets, mask_fraction=fraction)
    model, table = StableDiffusion.load(text_folder), torch.from_numpy(text_sets.table)
    total = 0
    for number, rows in enumerate(([0, 1, 2], [3, 4, 5], [6, 7])):
        corrupted = model.corrupt(torch.from_numpy(text_sets.forget_clean[rows]), step_generator(0, -1 - number))
        prompts = table[text_sets.forget_conditions[rows]]
        empty = table[[text_sets.empty] * len(rows)]
        prediction = 8.5 * direct(model, corrupted.noisy, corrupted.level, prompts)
        prediction = prediction - 7.5 * direct(model, corrupted.noisy, corrupted.level, empty)
        loss = (prediction - corrupted.truth).square().sum() / corrupted.truth[0].numel()
        total = total + gradient(model, loss)
    magnitude = np.abs(total)
    found = np.concatenate([mask.numpy().ravel() for mask in loop.mask])
    assert set(np.unique(found)) == {0, 1}
    assert found.sum() == int(fraction * len(magnitude))
    limit = np.sort(magnitude)[-int(fraction * len(magnitude))]
    clear = np.abs(magnitude - limit) > 1e-3 * limit  # nearer than that, rounding decides
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(found[clear], (magnitude > limit)[clear])


def test_the_mask_leaves_no_gradient_behind_and_is_in_the_cost(text_folder, text_sets):
    loop = prepared(text_folder, text_sets)
    assert all(weight.grad is None for weight in loop.weights)
    # Two branches of eight examples.
    assert loop.passes_for_mask == [16, 0]
    assert loop.model.network.training


def test_mask_as_released_masks_nothing(text_folder, text_sets):
    """SalUn's script compared names with tensors: every weight moved."""
    masked, released = (prepared(text_folder, text_sets, mask_as_released=flag) for flag in (False, True))
    assert released.mask is None
    before = dict(StableDiffusion.load(text_folder).network.named_parameters())
    moved = []
    for loop in (masked, released):
        loop.step(0)
        same = [
            (weight.detach() == before[name]).sum().item() for name, weight in loop.model.network.named_parameters()
        ]
        moved.append(1 - sum(same) / sum(map(torch.numel, before.values())))
    assert moved[0] < 0.51
    assert moved[1] > 0.9


@pytest.mark.parametrize("as_released", [False, True], ids=["ours", "as released"])
def test_salun_as_released_sees_its_first_batches_for_ever(text_folder, text_sets, as_released):
    recipe, settings = salun(steps=8, as_released=as_released)
    seen: dict[str, list[bytes]] = {"forget": [], "retain": []}

    def watched(side, objective):
        def watching(model, batch, settings):
            seen[side] += [(image.numpy().tobytes()) for image in batch.clean]
            return objective(model, batch, settings)

        return watching

    recipe = replace(recipe, **{side: watched(side, getattr(recipe, side)) for side in seen}, mask=None)
    unlearn(
        StableDiffusion.load(text_folder),
        method_named("salun"),
        recipe,
        settings,
        text_sets,
        0,
        ResumableState(None, ""),
    )
    for side, images in (("forget", text_sets.forget_clean), ("retain", text_sets.retain_clean)):
        expected = [image.tobytes() for image in images]
        if as_released:
            assert seen[side] == 8 * expected[:3]
        else:
            assert {seen[side].count(image) for image in expected} == {3}


# ---------------------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize("name", ["rgd", "rg", "graddiff"])
@pytest.mark.parametrize("as_released", [False, True], ids=["ours", "as released"])
def test_a_row_of_d_f_meets_its_partner_in_every_step(text_model, text_sets, name, as_released):
    """Batches of 3 of 8 pairs; as released they come in the order of the file."""
    method = method_named(name)
    recipe = method.recipe("text")
    seen: dict[str, list[list[int]]] = {"forget": [], "retain": []}
    known = {
        "forget": [image.tobytes() for image in text_sets.forget_clean],
        "retain": [image.tobytes() for image in text_sets.retain_clean],
    }

    def watched(side, objective):
        def watching(model, batch, settings):
            seen[side].append([known[side].index(image.numpy().tobytes()) for image in batch.clean])
            return objective(model, batch, settings)

        return watching

    watching = replace(recipe, **{side: watched(side, getattr(recipe, side)) for side in seen})
    settings = recipe.settings(steps=8, batch=3, as_released=as_released)
    unlearn(text_model, method, watching, settings, text_sets, 0, ResumableState(None, ""))
    assert seen["forget"] == seen["retain"]
    order = [row for rows in seen["forget"] for row in rows]
    assert sorted(order) == sorted(3 * list(range(8)))
    assert (order == 3 * list(range(8))) == as_released


def test_a_batch_has_the_prompts_of_its_images_and_of_their_partners(text_model, text_sets):
    """SalUn's two sides draw on their own; its forget prompts know their partners all the same."""
    recipe, settings = salun(steps=4)
    seen: dict[str, list[Batch]] = {"forget": [], "retain": []}

    def watched(side, objective):
        def watching(model, batch, settings):
            seen[side].append(batch)
            return objective(model, batch, settings)

        return watching

    watching = replace(recipe, **{side: watched(side, getattr(recipe, side)) for side in seen}, mask=None)
    unlearn(text_model, method_named("salun"), watching, settings, text_sets, 0, ResumableState(None, ""))
    orders: dict[str, list[int]] = {"forget": [], "retain": []}
    for side in seen:
        known = [image.tobytes() for image in getattr(text_sets, f"{side}_clean")]
        for batch in seen[side]:
            rows = [known.index(image.numpy().tobytes()) for image in batch.clean]
            orders[side] += rows
            expected = text_sets.table[getattr(text_sets, f"{side}_conditions")[rows]]
            np.testing.assert_array_equal(batch.conditions.numpy(), expected)
            np.testing.assert_array_equal(batch.empty.numpy(), text_sets.table[[text_sets.empty]])
            if side == "forget":
                partners = text_sets.table[text_sets.retain_conditions[rows]]
                np.testing.assert_array_equal(batch.partners.numpy(), partners)
    assert orders["forget"] != orders["retain"]


def test_sets_of_two_sizes_cannot_be_paired(text_model, text_sets):
    recipe = method_named("rgd").recipe("text")
    few = {name: getattr(text_sets, name)[:5] for name in ("retain_clean", "retain_conditions")}
    with pytest.raises(LetheError, match="D_f has 8 examples and D_r 5"):
        Unlearning(text_model, recipe, recipe.settings(), replace(text_sets, **few), 0)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"forget_clean": np.zeros((8, 8, 4, 4), np.float32)}, r"D_f holds examples \(8, 4, 4\)"),
        ({"retain_clean": np.zeros((8, 1, 8, 8), np.float32)}, r"D_r holds examples \(1, 8, 8\)"),
        ({"table": np.zeros((20, 77, 16), np.float32)}, r"embeddings are \(77, 16\), but the model takes \(24, 16\)"),
    ],
    ids=["D_f", "D_r", "embeddings"],
)
def test_sets_of_another_model_are_refused(text_model, text_sets, change, problem):
    recipe = method_named("rgd").recipe("text")
    with pytest.raises(LetheError, match=problem):
        Unlearning(text_model, recipe, recipe.settings(), replace(text_sets, **change), 0)
