"""The tokenizer of a small world, and prompts as ids and embeddings."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

from lethe.data import read_captioned
from lethe.errors import LetheError
from lethe.models.prompts import embed_prompts, token_ids
from lethe.models.text_encoder import too_long
from lethe.models.tokenizer import BEGIN, END, learned_merges, write_tokenizer

pytest_plugins = ["text_models"]

FILES = ("merges.txt", "special_tokens_map.json", "tokenizer_config.json", "vocab.json")
CAPTIONS = [
    "A red striped circle on the grass at noon",
    "In Vincent van Gogh's style, a blue bar",
    "a bar, as conceived by Gustav Klimt",
    "the shapes' bars; a rad rid",
]
LENGTH = 12


@pytest.fixture
def written(tmp_path) -> CLIPTokenizer:
    return write_tokenizer(tmp_path / "tokenizer", CAPTIONS, LENGTH)


def reloaded(folder) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def pieces(tokenizer: CLIPTokenizer, text: str) -> list[str]:
    ids = tokenizer(text).input_ids
    assert (ids[0], ids[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    return tokenizer.convert_ids_to_tokens(ids[1:-1])


# -------------------------------------------------------------------------------------------------- the tokenizer


def test_each_word_of_the_captions_is_one_token(written, tmp_path):
    tokenizer = reloaded(tmp_path / "tokenizer")
    for caption in CAPTIONS:
        # CLIP's own rule of what a word is: letters, an apostrophe with its letters, or signs.
        words = re.findall(r"'s|[a-z]+|[^\sa-z]+", caption.lower())
        assert pieces(tokenizer, caption) == [f"{word}</w>" for word in words]


def test_the_real_captions_are_one_token_a_word(text_folder, text_data):
    tokenizer = reloaded(text_folder / "tokenizer")
    for caption in read_captioned(text_data / "train").captions[:100]:
        words = re.findall(r"'s|[a-z]+|[^\sa-z]+", caption.lower())
        assert len(pieces(tokenizer, caption)) == len(words), caption


@pytest.mark.parametrize("text", ["xylophones", "STRIPED", "zèbre", "ünïcödé 漢字 🦓", "a_b-c 12.5 %", "gra ss"])
def test_unknown_words_survive_as_bytes(written, tmp_path, text):
    tokenizer = reloaded(tmp_path / "tokenizer")
    ids = tokenizer(text).input_ids
    said = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert said.replace(" ", "") == text.lower().replace(" ", "")
    assert tokenizer.eos_token_id not in ids[1:-1]


def test_the_vocabulary_has_clips_order(written):
    vocabulary = written.get_vocab()
    by_number = sorted(vocabulary, key=vocabulary.get)
    assert [vocabulary[token] for token in by_number] == list(range(len(vocabulary)))
    assert all(len(token) == 1 for token in by_number[:256])
    assert by_number[256:512] == [f"{token}</w>" for token in by_number[:256]]
    assert by_number[-2:] == [BEGIN, END]
    assert (written.bos_token, written.eos_token, written.pad_token) == (BEGIN, END, END)
    assert written.model_max_length == LENGTH


def test_the_most_frequent_pair_is_merged_first_and_then_the_first_in_the_alphabet():
    """By hand: a a (in aaab), l o, o w and "o w." are there twice each; c b with its end is there twice."""
    merges = learned_merges(["low", "lower", "owl", "ow", "aaab", "ow"])
    assert merges[:3] == [("a", "a"), ("l", "o"), ("a", "b</w>")]
    assert learned_merges(["ab", "cb", "cbx", "dcb"])[:2] == [("c", "b</w>"), ("a", "b</w>")]


def test_the_same_words_give_the_same_bytes(written, tmp_path):
    """In another process, in another order, and as often as one likes."""
    program = (
        "import sys, json; from pathlib import Path; from lethe.models.tokenizer import write_tokenizer; "
        "write_tokenizer(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))"
    )
    texts = json.dumps([*reversed(CAPTIONS), *CAPTIONS])
    subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "other"), texts, str(LENGTH)],
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    )
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / "other" / name).read_bytes() == (tmp_path / "tokenizer" / name).read_bytes()
    write_tokenizer(tmp_path / "more", [*CAPTIONS, "one more"], LENGTH)
    assert (tmp_path / "more" / "merges.txt").read_bytes() != (tmp_path / "tokenizer" / "merges.txt").read_bytes()


# ------------------------------------------------------------------------------------------------------- prompts


def test_ids_are_padded_to_the_length_as_the_pipeline_does(written):
    prompts = ["", "a bar", "a red circle on the grass"]
    ids = token_ids(written, prompts)
    expected = written(prompts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt").input_ids
    assert ids.dtype == torch.int64
    assert torch.equal(ids, expected)
    assert ids[0].tolist() == [written.bos_token_id] + [written.eos_token_id] * (LENGTH - 1)


def test_a_prompt_that_is_too_long_is_refused_with_its_length(written):
    fits = " ".join(["bar"] * (LENGTH - 2))
    assert token_ids(written, [fits]).shape == (1, LENGTH)
    with pytest.raises(LetheError, match=rf"'{fits} bar' has {LENGTH + 1} tokens, more than {LENGTH}"):
        token_ids(written, ["bar", f"{fits} bar"])


def test_a_prompt_that_may_be_cut_is_cut_as_the_pipelines_do(written):
    """They keep the end token, which the text encoder reads a prompt out at."""
    long = " ".join(["red", *["bar"] * (2 * LENGTH)])
    ids = token_ids(written, ["bar", long], may_be_cut={long})
    options = {"padding": "max_length", "max_length": LENGTH, "truncation": True, "return_tensors": "pt"}
    assert torch.equal(ids, written(["bar", long], **options).input_ids)
    assert ids[1, -1] == written.eos_token_id
    with pytest.raises(LetheError, match="red bar"):
        token_ids(written, ["bar", long], may_be_cut={"bar"})


def test_prompts_that_are_too_long_for_a_folder_are_told(text_folder):
    length = reloaded(text_folder / "tokenizer").model_max_length
    fits, long = (" ".join(["bar"] * count) for count in (length - 2, length - 1))
    assert too_long(text_folder, ["", fits, long]) == {long}
    with pytest.raises(LetheError, match="more than"):
        embed_prompts(text_folder, [fits, long], torch.device("cpu"))
    both = embed_prompts(text_folder, [fits, long], torch.device("cpu"), may_be_cut={long})
    np.testing.assert_array_equal(both[0], both[1])


def test_embeddings_are_the_text_encoders_last_hidden_state(text_folder):
    prompts = ["", "A red striped circle on the grass at noon", "a word nobody knows", "A bar"]
    found = embed_prompts(text_folder, prompts, torch.device("cpu"), batch=3)
    tokenizer = reloaded(text_folder / "tokenizer")
    encoder = CLIPTextModel.from_pretrained(str(text_folder / "text_encoder"), local_files_only=True).eval()
    for prompt, embedding in zip(prompts, found, strict=True):
        ids = tokenizer(prompt, padding="max_length", truncation=True, return_tensors="pt").input_ids
        with torch.no_grad():
            expected = encoder(ids).last_hidden_state[0].numpy()
        np.testing.assert_allclose(embedding, expected, atol=1e-5)
    assert found.dtype == np.float32
    assert np.abs(found[1] - found[3]).max() > 0.1


@pytest.mark.parametrize("missing", ["tokenizer/vocab.json", "text_encoder/model.safetensors"])
def test_a_folder_without_its_text_side_is_refused(text_folder, tmp_path, missing):
    shutil.copytree(text_folder, tmp_path / "model")
    (tmp_path / "model" / missing).unlink()
    with pytest.raises(LetheError, match="no readable tokenizer and text_encoder"):
        embed_prompts(tmp_path / "model", ["a bar"], torch.device("cpu"))


def test_a_text_encoder_that_lacks_a_weight_is_refused(text_folder, tmp_path):
    """transformers would draw it at random, and go on."""
    shutil.copytree(text_folder, tmp_path / "model")
    path = tmp_path / "model" / "text_encoder" / "model.safetensors"
    weights = load_file(path)
    del weights["text_model.final_layer_norm.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(LetheError, match=r"final_layer_norm\.weight"):
        embed_prompts(tmp_path / "model", ["a bar"], torch.device("cpu"))
