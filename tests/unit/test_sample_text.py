"""The sample stage of a text study: the images of a target's prompts, shard by shard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from stages import FEW_STEPS, PAIRS, run

import lethe.sample.text
import lethe.sets.text
from lethe.errors import LetheError
from lethe.files import read_arrays, write_arrays
from lethe.models.prompts import embed_prompts
from lethe.prompt_images import image_count, prompt_images
from lethe.prompts import prompt_rows, read_prompts, write_prompts
from lethe.settings.listed import ListedPrompts
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


def test_unseeded_images_are_others_each_time_and_their_seeds_are_kept(
    text_study, text_folder, text_model, whole, tmp_path
):
    runs = [
        read_arrays(sample(text_study, text_folder, tmp_path / str(number), "--shard-images 3", "--unseeded=true"))
        for number in range(2)
    ]
    (one, made), (other, _) = runs
    assert one["rows"].tolist() == other["rows"].tolist() == whole["rows"][:3].tolist()
    assert not set(one["seeds"].tolist()) & set(other["seeds"].tolist())
    assert not np.array_equal(one["images"], other["images"])
    assert ", unseeded, kernel batch" in made["sampler"]
    table = read_arrays(text_study / "embeddings")[0]
    conditions = torch.from_numpy(table["table"][np.concatenate([[0], table["rows"][one["rows"]]])])
    again = text_model.sample(one["seeds"].tolist(), conditions, SETTINGS)
    np.testing.assert_array_equal(again, one["images"])


def test_what_methods_learn_from_is_seeded_all_the_same(text_study, text_folder, tmp_path):
    words = ("--purpose diversified", "--shard-images 3")
    one, other = (
        read_arrays(sample(text_study, text_folder, tmp_path / value, *words, f"--unseeded={value}"))
        for value in ("true", "false")
    )
    np.testing.assert_array_equal(one[0]["images"], other[0]["images"])
    assert one[1]["sampler"] == other[1]["sampler"]


def test_listed_prompts_are_drawn_with_their_own_seeds_and_guidance(
    text_study, text_folder, text_model, concept, tmp_path
):
    long = " ".join(["striped"] * 90)
    with (tmp_path / "i2p.csv").open("w") as stream:
        stream.write(f"prompt,sd_seed,sd_guidance_scale\nA striped ring,4261553411,1\n{long},9,8\nA striped ring,5,2\n")
    listed = {"given": str(tmp_path / "i2p.csv"), "count": 3, "own_seeds": True, "own_guidance": True}
    own = concept.model_copy(update={"listed": {"i2p": ListedPrompts(**listed)}})
    write_prompts(tmp_path / "prompts.csv", prompt_rows(own))
    inputs = f"--model {text_folder} --prompts {tmp_path}/prompts.csv"
    run(
        lethe.sets.text,
        f"embed {inputs} --target t --concept-prompt striped --device cpu --output {tmp_path}/embeddings",
    )
    embeddings, made = read_arrays(tmp_path / "embeddings")
    assert made["cut"] == {"listed_i2p": 1}
    drawn, made = read_arrays(sample(tmp_path, text_folder, tmp_path / "images", "--shard-images 1000"))
    assert image_count(own, "measure", SETTINGS) == len(drawn["seeds"])
    assert drawn["seeds"][-6:].tolist() == [4261553411, 4261553412, 9, 10, 5, 6]
    assert drawn["guidance"][-6:].tolist() == [1, 1, 8, 8, 2, 2]
    assert set(drawn["guidance"][:-6]) == {3.0}
    assert "guidance 3, listed prompts their own, kernel" in made["sampler"]
    table = torch.from_numpy(embeddings["table"])
    for place in (-6, -3, -1):
        settings = SETTINGS.model_copy(update={"guidance": float(drawn["guidance"][place])})
        conditions = table[[0, embeddings["rows"][drawn["rows"][place]]]]
        alone = text_model.sample([int(drawn["seeds"][place])], conditions, settings)[0].numpy()
        assert np.abs(alone.astype(int) - drawn["images"][place]).max() <= 1
