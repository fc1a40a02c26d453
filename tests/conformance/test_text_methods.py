"""What every method must do to a model of text, of either family: a new file in lethe/methods is tested here."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from stages import run
from torch import Tensor

import lethe.unlearn.__main__
from lethe.adversary import Adversary
from lethe.costs.passes import passes_of_run
from lethe.errors import LetheError
from lethe.files import read_arrays, read_provenance, write_arrays, write_rows
from lethe.methods import method_named, method_names
from lethe.methods.method import Batch, Method, Objective, Recipe
from lethe.model_files import FOLDERS, model_files, weights_of
from lethe.models import family_of, load_denoiser
from lethe.models.denoiser import Corrupted, LatentDenoiser
from lethe.objectives import ascent, denoise, domain_correction, gated_ascent, truncated_ascent
from lethe.randomness import step_generator
from lethe.sets import Sets, read_sets
from lethe.settings.common import Settings
from lethe.settings.options import as_options
from lethe.training import ResumableState
from lethe.unlearn.loop import Unlearning, unlearn
from lethe.unlearn.trajectory import TRAJECTORY

pytest_plugins = ["text_models"]

OF_TEXT = {
    name: method.text
    for name in method_names()
    if isinstance(method := method_named(name), Method) and isinstance(method.text, Recipe)
}
WITH_SETS = [name for name, recipe in OF_TEXT.items() if recipe.needs_sets]
ADVERSARIAL = [name for name, recipe in OF_TEXT.items() if recipe.adversarial]
ASCENDING = [name for name, recipe in OF_TEXT.items() if recipe.forget in (ascent, truncated_ascent, gated_ascent)]

# Few and large steps over eight pairs, half of them a step, and short samplings. Pairs that are as alike as these are
# kept from being forgotten by the retain loss, unless it weighs little. The truncation is out of reach. A discriminator
# has two steps for itself.
TRAINING = {"steps": 4, "batch": 4, "learning_rate": 3e-3, "retain_weight": 0.1, "truncation": 100.0, "start_steps": 4}
TRAINING |= {"warm_up": 1, "discriminator_layers": 2, "discriminator_width": 16}
KILLED_AT = 2


def settings_for(name: str, **changed: object) -> Settings:
    """A retain loss alone is near its minimum, and takes smaller steps."""
    model = OF_TEXT[name].settings
    rate = {} if OF_TEXT[name].forget is not None else {"learning_rate": 1e-3}
    return model(**{key: value for key, value in (TRAINING | rate | changed).items() if key in model.model_fields})


def unlearned(
    study: Path, name: str, recipe: Recipe | None = None, state: ResumableState | None = None, **changed
) -> Unlearning:
    """A run of a method by name, or of its ``recipe`` as it was changed."""
    method, state, model = method_named(name), state or ResumableState(None, ""), load_denoiser("text", study / "base")
    settings = settings_for(name, **changed)
    return unlearn(model, method, recipe or OF_TEXT[name], settings, sets_of(study, name), 0, state)


@pytest.fixture(scope="module", params=["stable_diffusion", "stable_diffusion_3"])
def study(request, tmp_path_factory) -> Path:
    """A folder with the ``base``, both kinds of sets, and ``embeddings``.

    Eighty steps teach the small base little about words. Here what it reads of them is many times as loud, and its
    prompts are as far apart as random ones, so that what a prompt changes can be measured.
    """
    fixture, loud = {
        "stable_diffusion": ("text", ("attn2.to_out.0.weight", 16)),
        "stable_diffusion_3": ("flow", ("attn.add_v_proj.weight", 16)),
    }[request.param]
    text_folder, text_study = (request.getfixturevalue(f"{fixture}_{what}") for what in ("folder", "study"))
    folder = tmp_path_factory.mktemp("heard")
    model = load_denoiser("text", text_folder)
    with torch.no_grad():
        for name, weight in model.network.named_parameters():
            if loud[0] in name:
                weight.mul_(loud[1])
    model.save(folder / "base", {})
    arrays, record = read_arrays(text_study / "embeddings")
    table = np.random.default_rng(0).standard_normal(arrays["table"].shape).astype(np.float32)
    write_arrays(folder / "embeddings", arrays | {"table": table}, record)
    for strategy in ("diversified", "uniform", "anchored"):
        shutil.copyfile(text_study / strategy, folder / strategy)
    return folder


@pytest.fixture
def base(study) -> LatentDenoiser:
    return load_denoiser("text", study / "base")


def sets_of(study: Path, name: str) -> Sets:
    """What a method learns from: of its own strategy, if it needs any."""
    file = study / settings_for(name).strategy if name in WITH_SETS else None
    return read_sets(file, study / "embeddings")


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory) -> Callable[[str], Path]:
    """What the command of a method by name leaves: ``model``, ``trajectory`` and ``cost`` in a folder. Made once."""

    @cache
    def made(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        outputs = " ".join(f"--{output} {folder / output}" for output in ("model", "trajectory", "conflict", "cost"))
        sets = f"--sets {study / settings_for(name).strategy}" if name in WITH_SETS else ""
        inputs = f"--base {study}/base --embeddings {study}/embeddings {sets}"
        options = as_options(settings_for(name))
        run(lethe.unlearn.__main__, f"text {name} {inputs} {outputs} {options} --device cpu --fingerprint abc")
        return folder

    return made


@pytest.fixture
def model_of(finished) -> Callable[[str], LatentDenoiser]:
    return lambda name: load_denoiser("text", finished(name) / "model")


def weights(model: LatentDenoiser) -> dict[str, Tensor]:
    return dict(model.network.named_parameters())


def differ(model: LatentDenoiser, other: LatentDenoiser) -> set[str]:
    """Names of the weights in which two models differ."""
    return {name for name, weight in weights(model).items() if not torch.equal(weight, weights(other)[name])}


class KilledError(Exception):
    """What stands for the end of the process in the middle of a step."""


def watched(recipe: Recipe, seen: dict[str, list[Batch]], kill_at: int | None = None) -> Recipe:
    """The same recipe, but its batches are noted in ``seen``, and it dies in the middle of step ``kill_at``."""
    sides = [side for side in ("forget", "retain") if getattr(recipe, side) is not None]
    last = "forget" if recipe.adversarial else sides[-1]  # while only the discriminator learns, nothing is retained
    steps = 0

    def noting(side: str) -> Objective:
        objective = getattr(recipe, side)

        def note(model, batch, settings):
            nonlocal steps
            if side == last:
                if steps == kill_at:
                    raise KilledError
                steps += 1
            seen.setdefault(side, []).append(batch)
            return objective(model, batch, settings)

        return note

    return replace(recipe, **{side: noting(side) for side in sides})


def batch_of(model: LatentDenoiser, sets: Sets, recipe: Recipe, side: str, draw: int) -> Batch:
    """All of D_f or D_r, or the concept's prompt, as an objective sees it."""
    table = torch.from_numpy(sets.table)
    rest = {"generator": step_generator(99, draw), "empty": table[[sets.empty]], "teacher": model.frozen()}
    if side == "forget" and recipe.forget_from != "D_f":
        return Batch(clean=None, conditions=table[[sets.concept] * 4], **rest)
    return Batch(
        clean=torch.from_numpy(getattr(sets, f"{side}_clean")),
        conditions=table[getattr(sets, f"{side}_conditions")],
        partners=table[sets.retain_conditions] if side == "forget" else None,
        **rest,
    )


def change(study: Path, name: str, after: LatentDenoiser, side: str, objective: Objective) -> tuple[float, float]:
    """An objective's loss on one side's own examples, of the base and ``after``, over draws that both share."""
    sets, base, recipe = sets_of(study, name), load_denoiser("text", study / "base"), OF_TEXT[name]

    def loss(model: LatentDenoiser) -> float:
        with torch.no_grad():
            draws = [
                objective(model, batch_of(base, sets, recipe, side, draw), settings_for(name)) for draw in range(2)
            ]
        return float(np.mean([draw.item() for draw in draws]))

    return loss(base), loss(after)


# ------------------------------------------------------------------------------------------------- what it is made of


@pytest.mark.parametrize("name", OF_TEXT)
def test_a_model_of_text_has_what_a_recipe_asks_for(name, base):
    recipe = OF_TEXT[name]
    assert recipe.trainable in base.groups()
    assert recipe.retain_schedule != "all of D_r", "eight hundred images a step"
    assert recipe.frozen_teacher or recipe.forget_from == "D_f"
    # The sets stage makes what the settings may name.
    assert ("strategy" in recipe.settings.model_fields) == recipe.needs_sets
    assert ("pairs" in recipe.settings.model_fields) == recipe.needs_sets


# -------------------------------------------------------------------------------------------------- what it does


@pytest.mark.parametrize("name", [name for name in OF_TEXT if name not in ADVERSARIAL])
def test_what_is_descended_goes_down(name, study, model_of):
    """The forget objective, or the only one: on its own examples, with draws it has not seen."""
    recipe = OF_TEXT[name]
    side = "forget" if recipe.forget is not None else "retain"
    before, after = change(study, name, model_of(name), side, getattr(recipe, side))
    least = 0.01 if side == "forget" else 0.001
    assert after < before - least * abs(before)


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_the_network_learns_to_deceive_a_discriminator(name, study, base):
    """One that stands still, and where nothing of the gradient is removed for the retain loss's sake."""
    loop = unlearned(study, name, steps=20, warm_up=0, discriminator_rate=1e-9, conflict_removed=0)
    loss = {}
    for model in (base, loop.model):
        batch = batch_of(base, sets_of(study, name), OF_TEXT[name], "forget", 0)
        with torch.no_grad():
            loss[model] = domain_correction(model, replace(batch, adversary=loop.adversary), loop.settings).item()
    assert loss[loop.model] < 0.995 * loss[base]


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_only_the_discriminator_learns_in_the_warm_up(name, study, base):
    loop = unlearned(study, name, steps=3, warm_up=2)
    assert not differ(loop.model, base)
    fresh = Adversary(base, loop.settings, 0).network.state_dict()
    assert any(not torch.equal(weight, fresh[part]) for part, weight in loop.adversary.network.state_dict().items())
    assert differ(unlearned(study, name, steps=4, warm_up=2).model, base)


@pytest.mark.parametrize("name", ASCENDING)
def test_an_ascent_makes_d_f_harder_to_denoise(name, study, model_of):
    before, after = change(study, name, model_of(name), "forget", denoise)
    assert after > 1.1 * before


@pytest.mark.parametrize(("name", "share"), [("salun", 0.7), ("random_label", 0.7), ("concept_ablation", 0.8)])
def test_a_relabelling_makes_two_prompts_one(name, share, study, base, model_of):
    """The prediction under a forget prompt comes nearer to that under the retain prompt."""

    def distance(model: LatentDenoiser) -> float:
        batch = batch_of(base, sets_of(study, name), OF_TEXT[name], "forget", 0)
        corrupted = model.corrupt(batch.clean, batch.generator)
        own, other = (model.teach(corrupted, prompts) for prompts in (batch.conditions, batch.partners))
        return (own - other).square().mean().item()

    assert distance(model_of(name)) < share * distance(base)


@pytest.mark.parametrize("name", [name for name in OF_TEXT if name not in WITH_SETS])
def test_without_images_the_concept_goes_where_the_base_says_it_is_not(name, study, base, model_of):
    """Along e(concept) - e(nothing) of the base, what has become of e(concept) lies behind where it was."""
    batch = batch_of(base, sets_of(study, name), OF_TEXT[name], "forget", 0)
    noisy = torch.randn((4, *base.latent_shape), generator=batch.generator)
    unlearned = model_of(name)  # outside of no_grad: the first test to ask for it trains it
    asked = ((base, batch.empty.expand_as(batch.conditions)), (base, batch.conditions))
    with torch.no_grad():
        corrupted = Corrupted(truth=noisy, noisy=noisy, level=torch.full((4,), 600), weight=1.0)
        nothing, something, now = (
            model.predict(corrupted, prompts) for model, prompts in (*asked, (unlearned, batch.conditions))
        )
    direction = something - nothing
    assert ((now - nothing) * direction).sum() < 0.8 * direction.square().sum()


@pytest.mark.parametrize("name", OF_TEXT)
def test_only_the_weights_of_the_group_move(name, base, model_of):
    chosen = base.groups()[OF_TEXT[name].trainable]
    moved = differ(model_of(name), base)
    assert moved
    assert all(chosen(weight) for weight in moved)


@pytest.mark.parametrize("name", [name for name, recipe in OF_TEXT.items() if recipe.mask is not None])
def test_only_the_weights_of_the_mask_move(name, study, base, model_of):
    loop = Unlearning(base, OF_TEXT[name], settings_for(name), sets_of(study, name), 0)
    loop.prepare()
    moved = 0
    for before, after, mask in zip(loop.weights, weights(model_of(name)).values(), loop.mask, strict=True):
        assert torch.equal(before[mask == 0], after[mask == 0])
        moved += int((before != after).sum())
    ones = sum(int(mask.sum()) for mask in loop.mask)
    assert ones == int(loop.settings.mask_fraction * sum(map(torch.numel, loop.mask)))
    assert moved > 0.9 * ones


@pytest.mark.parametrize("name", OF_TEXT)
def test_the_plan_of_a_run_knows_what_it_takes(name, study, finished):
    settings, recipe, batch = settings_for(name), OF_TEXT[name], TRAINING["batch"]
    pairs = len(sets_of(study, name).forget_clean) if recipe.forget_from == "D_f" else 0
    cost = json.loads((finished(name) / "cost").read_text())
    passes = passes_of_run(recipe, settings, pairs, pairs)
    assert passes.backward == cost["passes"] * batch
    if recipe.forget_from == "D_f":
        assert passes.forward == cost["forwards"] * batch
    else:  # from none to all but one of the steps of a guided sampling, each step as likely
        least, most = 2 * settings.steps, 2 * settings.steps * settings.start_steps
        assert least <= cost["forwards"] <= most
        assert passes.forward / batch == (least + most) / 2


@pytest.mark.parametrize("name", OF_TEXT)
def test_a_run_that_died_within_a_step_ends_as_if_it_had_not(name, study, finished, model_of, tmp_path):
    """So the same run ends the same, too."""
    seen: dict[str, list[Batch]] = {}
    recipe, state = OF_TEXT[name], [ResumableState(tmp_path / "state", name, seconds=0) for _ in range(2)]
    with pytest.raises(KilledError):
        unlearned(study, name, watched(recipe, {}, kill_at=KILLED_AT), state[0])
    loop = unlearned(study, name, watched(recipe, seen), state[1])
    assert all(len(batches) == TRAINING["steps"] - KILLED_AT for batches in seen.values())
    assert not differ(loop.model, model_of(name))
    write_rows(tmp_path / "trajectory", TRAJECTORY, loop.trajectory.table())
    assert (tmp_path / "trajectory").read_bytes() == (finished(name) / "trajectory").read_bytes()
    cost = json.loads((finished(name) / "cost").read_text())
    assert [total / TRAINING["batch"] for total in loop.passes.counts] == [cost["passes"], cost["forwards"]]


@pytest.mark.parametrize("name", OF_TEXT)
def test_every_example_is_seen_with_noise_of_its_own(name, study):
    """Against `next(iter(loader))` in each step, the bug of many a released loop."""
    seen: dict[str, list[Batch]] = {}
    recipe = OF_TEXT[name]
    # As many steps as one pass takes, and as many before it as only the discriminator takes.
    unlearned(study, name, watched(recipe, seen), steps=4 if recipe.adversarial else 2)
    assert seen.keys() == {side for side in ("forget", "retain") if getattr(recipe, side) is not None}
    for side, batches in seen.items():
        assert len({batch.generator.initial_seed() for batch in batches}) == len(batches)
        if side == "forget" and recipe.forget_from != "D_f":
            assert all(batch.clean is None for batch in batches)
            continue
        shown = sorted(image.numpy().tobytes() for batch in batches for image in batch.clean)
        images = [image.tobytes() for image in getattr(sets_of(study, name), f"{side}_clean")]
        assert shown == sorted(images * (len(batches) // 2))


@pytest.mark.parametrize("name", [name for name, recipe in OF_TEXT.items() if recipe.has_released_defects])
def test_the_released_defects_make_a_difference_that_runs(name, study, model_of):
    if name not in WITH_SETS and family_of("text", study / "base") != "stable_diffusion":
        with pytest.raises(LetheError, match="as_released: ESD's released code cannot be run"):
            unlearned(study, name, as_released=True)
        return
    loop = unlearned(study, name, as_released=True)
    assert differ(loop.model, model_of(name))
    assert all(weight.isfinite().all() for weight in weights(loop.model).values())


# --------------------------------------------------------------------------------------------- what it leaves behind


@pytest.mark.parametrize("name", OF_TEXT)
def test_the_trajectory_has_what_the_method_has(name, finished):
    recipe = OF_TEXT[name]
    with (finished(name) / "trajectory").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert len(table) == TRAINING["steps"]
    warm_up = getattr(settings_for(name), "warm_up", -1)
    for step, row in enumerate(table):
        assert (row["anchor_score"] != "") == recipe.adversarial
        if step <= warm_up:
            assert row["retain_loss"] == row["cosine"] == ""
            continue
        assert (row["forget_loss"] != "") == (recipe.forget is not None)
        assert (row["retain_loss"] != "") == (recipe.retain is not None)
        assert (row["cosine"] != "") == recipe.needs_conflict


@pytest.mark.parametrize("name", OF_TEXT)
def test_the_folder_is_whole_and_says_how_it_was_made(name, finished, study):
    folder, family = finished(name) / "model", family_of("text", study / "base")
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == set(model_files(family))
    record = read_provenance(folder / weights_of(family))
    assert (record["method"], record["target"], record["seed"], record["fingerprint"]) == (name, "stripes", 0, "abc")
    assert record["settings"] == settings_for(name).model_dump()
    count = 8 if name in WITH_SETS else 0
    assert (record["forget_images"], record["retain_images"]) == (count, count)
    for part in files:
        if not part.startswith(FOLDERS[family]):
            assert (folder / part).read_bytes() == (study / "base" / part).read_bytes()


def test_diffusers_draws_from_the_folders_without_us(finished, study, tmp_path):
    """In a process of its own that cannot import lethe; the methods' images differ from the base's and each other."""
    program = """
import importlib.util, json, sys
sys.path[:] = [place for place in sys.path if not place.rstrip("/").endswith("workflow")]
assert importlib.util.find_spec("lethe") is None
import torch
import diffusers
images = {}
absent, options_of_call, *folders = sys.argv[1:]
for folder in folders:
    options = json.loads(options_of_call)
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, local_files_only=True, **json.loads(absent))
    pipeline.set_progress_bar_config(disable=True)
    (image,) = pipeline(
        "A red striped circle", num_inference_steps=2, generator=torch.Generator().manual_seed(0), **options
    ).images
    assert image.size == (16, 16)
    images[folder] = image.tobytes().hex()
assert not any(name.split(".")[0] == "lethe" for name in sys.modules)
print(json.dumps(images))
"""
    flow = family_of("text", study / "base") == "stable_diffusion_3"
    absent = {"text_encoder_3": None, "tokenizer_3": None} if flow else {}
    options = [json.dumps(absent), json.dumps({"max_sequence_length": 0} if flow else {})]
    folders = [str(study / "base"), *(str(finished(name) / "model") for name in OF_TEXT)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", program, *options, *folders],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    images = json.loads(done.stdout)
    assert images.keys() == set(folders)
    assert len(set(images.values())) == len(folders)
