"""What the methods of a text study learn from: embeddings and posteriors worked out once, pair by pair."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from stages import FEW_STEPS, PAIRS, run

import lethe.sample.text
import lethe.sets.text
import lethe.unlearn.__main__
from lethe.errors import LetheError
from lethe.files import read_arrays, write_arrays
from lethe.models.prompts import embed_prompts
from lethe.prompts import PromptRow, read_prompts, write_prompts
from lethe.sets import read_sets
from lethe.sets.text import pairs_in_order

pytest_plugins = ["text_models"]

SHARDS = 4


def encode(study: Path, folder: Path, output: Path, shards: list[Path], prompts: Path | None = None) -> None:
    images = " ".join(map(str, shards))
    common = f"--model {folder} --prompts {prompts or study / 'prompts.csv'} --device cpu --target stripes"
    run(lethe.sets.text, f"encode {common} --images {images} --output {output}")


@pytest.fixture(scope="module")
def prompts(text_study: Path) -> list[PromptRow]:
    return read_prompts(text_study / "prompts.csv")


def shards(study: Path, strategy: str = "diversified") -> list[Path]:
    return [study / f"{strategy}{number}" for number in range(SHARDS)]


# ----------------------------------------------------------------------------------------------------- embeddings


def test_every_prompt_has_its_embedding_and_each_is_kept_once(text_study, text_folder, prompts):
    arrays, record = read_arrays(text_study / "embeddings")
    said = [row.prompt for row in prompts]
    expected = embed_prompts(text_folder, said, torch.device("cpu"))
    np.testing.assert_allclose(arrays["table"][arrays["rows"]], expected, atol=1e-5)
    assert len(arrays["table"]) == len({"", "striped", *said})
    assert len({row.tobytes() for row in arrays["table"]}) == len(arrays["table"])
    for name, prompt in (("empty", ""), ("concept", "striped")):
        np.testing.assert_allclose(
            arrays["table"][record[name]], embed_prompts(text_folder, [prompt], torch.device("cpu"))[0], atol=1e-5
        )
    assert (record["target"], record["concept_prompt"]) == ("stripes", "striped")


def test_a_concepts_prompt_may_be_one_of_the_others(text_study, text_folder, prompts, tmp_path):
    common = f"embed --model {text_folder} --prompts {text_study}/prompts.csv --target stripes --device cpu"
    words = [*common.split(), "--concept-prompt", prompts[3].prompt, "--output", str(tmp_path / "embeddings")]
    lethe.sets.text.main(lethe.sets.text.parser().parse_args(words))
    arrays, record = read_arrays(tmp_path / "embeddings")
    assert record["concept"] == arrays["rows"][3]


def test_the_same_prompts_give_the_same_bytes(text_study, text_folder, tmp_path):
    common = f"--model {text_folder} --prompts {text_study}/prompts.csv --target stripes --device cpu"
    run(lethe.sets.text, f"embed {common} --concept-prompt striped --output {tmp_path}/embeddings")
    assert (tmp_path / "embeddings").read_bytes() == (text_study / "embeddings").read_bytes()
    encode(text_study, text_folder, tmp_path / "sets", shards(text_study))
    assert (tmp_path / "sets").read_bytes() == (text_study / "diversified").read_bytes()


def test_a_prompt_that_is_too_long_is_refused_with_the_prompt(text_study, text_folder, prompts, tmp_path):
    longer = [
        row._replace(prompt=f"{row.prompt} {'x ' * 30}".strip()) if n == 2 else row for n, row in enumerate(prompts)
    ]
    write_prompts(tmp_path / "prompts.csv", longer)
    common = f"--model {text_folder} --prompts {tmp_path}/prompts.csv --target stripes --device cpu"
    with pytest.raises(LetheError, match=f"'{prompts[2].prompt} x"):
        run(lethe.sets.text, f"embed {common} --concept-prompt striped --output {tmp_path}/embeddings")
    assert not (tmp_path / "embeddings").exists()


# ----------------------------------------------------------------------------------------------------------- pairs


@pytest.mark.parametrize("strategy", ["diversified", "uniform"])
def test_sets_are_the_posteriors_of_the_drawn_images(text_study, text_model, prompts, strategy):
    """And row i of D_f is the partner of row i of D_r: the same sentence without the concept's word."""
    drawn: dict[tuple[int, int], np.ndarray] = {}
    for shard in shards(text_study, strategy):
        arrays, _ = read_arrays(shard)
        keys = zip(arrays["rows"].tolist(), arrays["seeds"].tolist(), strict=True)
        drawn |= dict(zip(keys, arrays["images"], strict=True))
    arrays, record = read_arrays(text_study / strategy)
    assert record["target"] == "stripes"
    assert len(drawn) == 2 * PAIRS
    for side in ("forget", "retain"):
        rows, seeds = arrays[f"{side}_conditions"], arrays[f"{side}_seeds"]
        assert len(rows) == PAIRS
        images = np.stack([drawn.pop(key) for key in zip(rows.tolist(), seeds.tolist(), strict=True)])
        expected = text_model.encode(torch.from_numpy(images)).numpy()
        np.testing.assert_allclose(arrays[f"{side}_clean"], expected, atol=1e-4)
        assert arrays[f"{side}_clean"].shape[1:] == text_model.clean_shape
    assert not drawn
    for forget, retain in zip(arrays["forget_conditions"], arrays["retain_conditions"], strict=True):
        one, other = prompts[forget], prompts[retain]
        assert (one.set, other.set, one.number) == (
            ("forget_uniform", "retain_uniform", 0)
            if strategy == "uniform"
            else ("forget_train", "retain_train", other.number)
        )
        assert one.expects == other.expects
        without = one.prompt.replace("striped ", "").replace("banded ", "")
        assert without == other.prompt


def test_anchored_sets_are_one_set_of_images_under_two_prompts(text_study, text_model, prompts):
    """As anchor images with their anchor prompts, and the very same with the target prompts of the same numbers."""
    parts = [read_arrays(text_study / f"anchored{number}")[0] for number in range(2)]
    rows, images = (np.concatenate([part[name] for part in parts]) for name in ("rows", "images"))
    arrays, _ = read_arrays(text_study / "anchored")
    np.testing.assert_array_equal(arrays["retain_conditions"], rows)
    np.testing.assert_allclose(arrays["retain_clean"], text_model.encode(torch.from_numpy(images)).numpy(), atol=1e-4)
    for name in ("clean", "seeds"):
        np.testing.assert_array_equal(arrays[f"forget_{name}"], arrays[f"retain_{name}"])
    assert arrays["retain_seeds"].tolist() == [3_000_000 + row for row in rows]
    assert len(rows) == PAIRS
    for forget, retain in zip(arrays["forget_conditions"], arrays["retain_conditions"], strict=True):
        one, other = prompts[forget], prompts[retain]
        assert (one.set, other.set, one.number, one.expects) == (
            "target_train",
            "anchor_train",
            other.number,
            other.expects,
        )
        assert one.prompt.replace("striped ", "") == other.prompt
    table, read = (
        read_arrays(text_study / "embeddings")[0],
        read_sets(text_study / "anchored", text_study / "embeddings"),
    )
    np.testing.assert_array_equal(read.table[read.forget_conditions], table["table"][table["rows"]][rows + PAIRS])


@pytest.mark.parametrize("chosen", [["anchored0"], ["anchored0", "anchored1", "diversified0"]], ids=["part", "others"])
def test_anchored_sets_need_the_images_of_all_anchor_prompts_alone(text_study, text_folder, tmp_path, chosen):
    with pytest.raises(LetheError, match=r"anchor prompts\n.*all shards"):
        encode(text_study, text_folder, tmp_path / "sets", [text_study / name for name in chosen])


def test_the_order_of_the_shards_does_not_matter(text_study, text_folder, tmp_path):
    encode(text_study, text_folder, tmp_path / "sets", shards(text_study)[::-1])
    found, expected = read_arrays(tmp_path / "sets")[0], read_arrays(text_study / "diversified")[0]
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_several_images_of_a_prompt_are_paired_one_by_one():
    prompts = [
        PromptRow(side, number, f"{side} {number}", {})
        for side in ("forget_train", "retain_train")
        for number in (0, 1)
    ]
    rows, seeds = np.array([1, 0, 3, 0, 2, 1, 2, 3]), np.array([7, 5, 9, 1, 8, 3, 6, 2])
    assert pairs_in_order(prompts, rows, seeds, "forget").tolist() == [3, 1, 5, 0]
    assert pairs_in_order(prompts, rows, seeds, "retain").tolist() == [6, 4, 7, 2]


@pytest.mark.parametrize("chosen", [[0], [1, 2, 3], [0, 2]], ids=["one side", "more of one", "as many of other pairs"])
def test_a_part_of_the_images_makes_no_pairs(text_study, text_folder, tmp_path, chosen):
    """Shards of five of sixteen images: in the first and the third there are five of each side."""
    with pytest.raises(LetheError, match=r"make no pairs\n.*all shards"):
        encode(text_study, text_folder, tmp_path / "sets", [shards(text_study)[number] for number in chosen])
    assert not (tmp_path / "sets").exists()


def test_images_of_other_prompts_are_refused(text_study, text_folder, prompts, tmp_path):
    kept = [row for row in prompts if row.number < 2]
    write_prompts(tmp_path / "prompts.csv", kept)
    with pytest.raises(LetheError, match=r"prompts\.csv"):
        encode(text_study, text_folder, tmp_path / "sets", shards(text_study), tmp_path / "prompts.csv")


# --------------------------------------------------------------------------------------------------------- reading


def test_conditions_are_places_in_the_table(text_study, text_sets, prompts):
    arrays, _ = read_arrays(text_study / "diversified")
    table = read_arrays(text_study / "embeddings")[0]
    for side in ("forget", "retain"):
        np.testing.assert_array_equal(
            text_sets.table[getattr(text_sets, f"{side}_conditions")],
            table["table"][table["rows"][arrays[f"{side}_conditions"]]],
        )
        np.testing.assert_array_equal(getattr(text_sets, f"{side}_clean"), arrays[f"{side}_clean"])
    assert text_sets.target == "stripes"
    assert len(set(text_sets.forget_conditions.tolist()) | set(text_sets.retain_conditions.tolist())) == 2 * PAIRS


@pytest.mark.parametrize("pairs", [1, 5, PAIRS, None])
def test_pairs_takes_the_first_of_both_sets(text_study, text_sets, pairs):
    found = read_sets(text_study / "diversified", text_study / "embeddings", pairs)
    for side in ("forget", "retain"):
        for name in ("clean", "conditions"):
            whole = getattr(text_sets, f"{side}_{name}")
            np.testing.assert_array_equal(getattr(found, f"{side}_{name}"), whole[:pairs])


def test_more_pairs_than_there_are_are_refused(text_study):
    with pytest.raises(LetheError, match=f"pairs = {PAIRS + 1}, but .* has {PAIRS}"):
        read_sets(text_study / "diversified", text_study / "embeddings", PAIRS + 1)


def test_a_file_of_another_kind_is_refused(text_study):
    with pytest.raises(LetheError, match="not a file of D_f and D_r"):
        read_sets(text_study / "embeddings", text_study / "embeddings")
    with pytest.raises(LetheError, match="not a file of prompts' embeddings"):
        read_sets(text_study / "diversified", text_study / "diversified")


def test_embeddings_of_another_target_are_refused(text_study, tmp_path):
    arrays, record = read_arrays(text_study / "embeddings")
    write_arrays(tmp_path / "embeddings", arrays, record | {"target": "van_gogh"})
    with pytest.raises(LetheError, match=r"stripes.*van_gogh"):
        read_sets(text_study / "diversified", tmp_path / "embeddings")


@pytest.mark.parametrize("method", ["rgd", "salun", "esd"])
def test_no_method_needs_autoencoder_text_encoder_or_tokenizer(text_study, text_folder, tmp_path, method):
    """Their files are poisoned: whoever opens one fails."""
    base = tmp_path / "base"
    shutil.copytree(text_folder, base)
    for poisoned in (
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "tokenizer/vocab.json",
    ):
        (base / poisoned).write_bytes(b"poison")
    outputs = " ".join(f"--{name} {tmp_path / 'out' / name}" for name in ("model", "trajectory", "conflict", "cost"))
    inputs = f"--base {base} --embeddings {text_study}/embeddings"
    if method != "esd":
        inputs += f" --sets {text_study}/diversified"
    settings = "--steps 2 --batch 4 --device cpu" + (" --start-steps 2" if method == "esd" else "")
    run(lethe.unlearn.__main__, f"text {method} {inputs} {outputs} {settings}")
    assert (tmp_path / "out" / "model" / "vae" / "diffusion_pytorch_model.safetensors").read_bytes() == b"poison"
    # The poison works.
    words = f"--model {base} --prompts {text_study}/prompts.csv --embeddings {text_study}/embeddings"
    with pytest.raises(LetheError, match="vae"):
        run(lethe.sample.text, f"{words} --output {tmp_path}/images --device cpu {FEW_STEPS}")
    with pytest.raises(LetheError, match="text_encoder"):
        embed_prompts(base, ["a bar"], torch.device("cpu"))
