"""The sample stage of a text study: the images of a target's prompts, shard by shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stages import FEW_STEPS, PAIRS, run

import lethe.sample.text
from lethe.errors import LetheError
from lethe.files import read_arrays, write_arrays
from lethe.models.prompts import embed_prompts
from lethe.prompt_images import prompt_images
from lethe.prompts import read_prompts
from lethe.settings.text_sampling import TextSamplingSettings

pytest_plugins = ["text_models"]

SETTINGS = TextSamplingSettings(
    steps=6, kernel_batch=4, shard_images=5, guidance=3, train_prompts=2, images_per_prompt=2
)


def sample(study: Path, folder: Path, output: Path, *more: str, embeddings: Path | None = None) -> Path:
    inputs = f"--model {folder} --prompts {study}/prompts.csv --embeddings {embeddings or study / 'embeddings'}"
    options = f"{FEW_STEPS} --train-prompts 2 --images-per-prompt 2 --device cpu {' '.join(more)}"
    run(lethe.sample.text, f"{inputs} --output {output} {options}")
    return output


@pytest.fixture(scope="module")
def whole(text_study, text_folder, tmp_path_factory) -> dict[str, np.ndarray]:
    """The set to measure, in one shard."""
    output = tmp_path_factory.mktemp("samples") / "whole"
    return read_arrays(sample(text_study, text_folder, output, "--shard-images 1000"))[0]


def test_images_are_those_of_the_plan_in_its_order(text_study, whole):
    plan = prompt_images(read_prompts(text_study / "prompts.csv"), "measure", SETTINGS)
    np.testing.assert_array_equal(whole["seeds"], plan.seeds)
    np.testing.assert_array_equal(whole["rows"], plan.rows)
    assert (whole["images"].shape, whole["images"].dtype) == ((24, 3, 16, 16), np.uint8)
    assert whole["seeds"].dtype == whole["rows"].dtype == np.int64
    assert len({image.tobytes() for image in whole["images"]}) == 24


def test_an_image_is_of_its_prompt_and_seed(text_study, text_folder, text_model, whole):
    """From the prompt's words, drawn alone."""
    prompts = read_prompts(text_study / "prompts.csv")
    for place in (0, 7, 23):
        words = ["", prompts[whole["rows"][place]].prompt]
        conditions = torch.from_numpy(embed_prompts(text_folder, words, torch.device("cpu")))
        image = text_model.sample([int(whole["seeds"][place])], conditions, SETTINGS)[0].numpy()
        assert np.abs(image.astype(int) - whole["images"][place]).max() <= 1


def test_shards_are_the_whole_in_parts(text_study, text_folder, whole, tmp_path):
    """Another number of companions in the last batch of each changes no byte."""
    parts = [read_arrays(sample(text_study, text_folder, tmp_path / str(n), f"--shard {n}"))[0] for n in range(5)]
    assert [len(part["images"]) for part in parts] == [5, 5, 5, 5, 4]
    for name, array in whole.items():
        np.testing.assert_array_equal(np.concatenate([part[name] for part in parts]), array)
    with pytest.raises(LetheError, match="shard 5: the image set has 5"):
        sample(text_study, text_folder, tmp_path / "5", "--shard 5")


@pytest.mark.parametrize("purpose", ["diversified", "uniform"])
def test_images_to_learn_from_have_seeds_of_their_own(text_study, whole, purpose):
    """The fixture's shards, drawn by the command."""
    parts = [read_arrays(text_study / f"{purpose}{number}") for number in range(4)]
    rows = np.concatenate([arrays["rows"] for arrays, _ in parts])
    seeds = np.concatenate([arrays["seeds"] for arrays, _ in parts])
    prompts = read_prompts(text_study / "prompts.csv")
    kind = {"diversified": "train", "uniform": "uniform"}[purpose]
    assert [prompts[row].set for row in rows] == [f"forget_{kind}"] * PAIRS + [f"retain_{kind}"] * PAIRS
    assert not set(seeds.tolist()) & set(whole["seeds"].tolist())
    assert len({image.tobytes() for arrays, _ in parts for image in arrays["images"]}) == 2 * PAIRS
    assert {record["purpose"] for _, record in parts} == {purpose}


def test_the_record_says_how_the_images_were_drawn(text_study, text_folder, tmp_path):
    path = sample(text_study, text_folder, tmp_path / "one", "--sampler fast", "--shard 1", "--fingerprint abc")
    _, record = read_arrays(path)
    assert record["sampler"] == "DPM-Solver++, 6 steps, guidance 3, kernel batch 4, cpu, 1 thread"
    assert (record["stage"], record["target"], record["purpose"], record["shard"]) == (
        "sample",
        "stripes",
        "measure",
        1,
    )
    assert record["fingerprint"] == "abc"
    assert record["settings"] == SETTINGS.model_copy(update={"sampler": "fast"}).model_dump()
    again = sample(text_study, text_folder, tmp_path / "two", "--sampler fast", "--shard 1", "--fingerprint abc")
    assert again.read_bytes() == path.read_bytes()
    pndm, _ = read_arrays(sample(text_study, text_folder, tmp_path / "three", "--shard 1"))
    assert (pndm["images"] != read_arrays(path)[0]["images"]).any()


def test_embeddings_of_other_prompts_are_refused(text_study, text_folder, tmp_path):
    arrays, record = read_arrays(text_study / "embeddings")
    write_arrays(tmp_path / "embeddings", arrays | {"rows": arrays["rows"][:-1]}, record)
    with pytest.raises(LetheError, match=r"is of 41 prompts, .*prompts\.csv has 42"):
        sample(text_study, text_folder, tmp_path / "images", embeddings=tmp_path / "embeddings")
    assert not (tmp_path / "images").exists()
