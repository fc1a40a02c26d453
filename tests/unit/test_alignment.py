"""The alignment judge: an open_clip folder like any other, and cosines of each image with its own prompt."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from lethe.data import CaptionedImages
from lethe.data.shapes import HEADS, STRIPED, captioned
from lethe.errors import LetheError
from lethe.files import read_provenance, sha256_of
from lethe.judges import alignment_training
from lethe.judges.alignment import CONFIG, WEIGHTS, Alignment, load_alignment, look, save_alignment
from lethe.judges.alignment_training import architecture, contrast_accuracy, normalised, train_alignment
from lethe.judges.contrasts import contrasts
from lethe.judges.pictures import pixels
from lethe.randomness import derived_seed
from lethe.settings.judge import AlignmentSettings, ImageTower, TextTower

CPU = torch.device("cpu")
SETTINGS = AlignmentSettings(
    image=ImageTower(width=32, layers=1, heads=2), text=TextTower(width=16, heads=1), steps=120, batch=64
)


def drawn(count: int, seed: int) -> CaptionedImages:
    made = captioned(count, seed)
    return CaptionedImages(
        made.pictures.images, made.captions, made.pictures.labels, made.pictures.boxes, HEADS, "shapes"
    )


@pytest.fixture(scope="module")
def data() -> CaptionedImages:
    return drawn(1000, 1)


@pytest.fixture(scope="module")
def trained(data) -> Alignment:
    return train_alignment(data, SETTINGS, CPU)


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("judge") / "alignment"
    save_alignment(folder, trained, {"judge": "shapes alignment", "fingerprint": "f"})
    return folder


def by_open_clip(model, transform, tokenizer, images: np.ndarray, texts: list[str], seeds=None) -> np.ndarray:
    """Cosines as open_clip's documentation computes them, one image after another."""
    found = []
    for number, (image, text) in enumerate(zip(images, texts, strict=True)):
        if seeds is not None:
            torch.manual_seed(derived_seed(int(seeds[number]), "training transform"))
        picture = transform(Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))))
        with torch.no_grad():
            seen, said = model.encode_image(picture[None])[0], model.encode_text(tokenizer([text]))[0]
        found.append(float(seen @ said / seen.norm() / said.norm()))
    return np.array(found)


@pytest.mark.parametrize("size", [(16, 16), (40, 40), (24, 33)])
def test_the_folder_is_one_that_open_clip_loads_and_says_the_same(folder, data, size):
    model, for_training, for_evaluation = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
    images = np.random.default_rng(0).integers(0, 256, (9, 3, *size), dtype=np.uint8)
    texts, seeds = data.captions[:9], np.arange(100, 109)
    judge, name = load_alignment(folder)
    similarity, as_released = look(judge, images, texts, seeds, CPU)
    assert name == "shapes alignment"
    assert similarity.dtype == as_released.dtype == np.float32
    model.eval()
    expected = by_open_clip(model, for_evaluation, tokenizer, images, texts)
    np.testing.assert_allclose(similarity, expected, atol=1e-5)
    expected = by_open_clip(model, for_training, tokenizer, images, texts, seeds)
    np.testing.assert_allclose(as_released, expected, atol=1e-5)
    assert np.abs(similarity - as_released).max() > 1e-3


def test_an_image_is_judged_alone_with_its_own_prompt(trained, data):
    images, texts, seeds = data.images[:30], data.captions[:30], np.arange(30)
    random = torch.get_rng_state()
    whole = look(trained, images, texts, seeds, CPU)
    assert torch.equal(torch.get_rng_state(), random)
    order = np.random.default_rng(0).permutation(30)
    turned = look(trained, images[order], [texts[row] for row in order], seeds[order], CPU, batch=7)
    for one, other in zip(whole, turned, strict=True):
        np.testing.assert_allclose(other, one[order], atol=1e-6)
    others = look(trained, images, texts[1:] + texts[:1], seeds, CPU)
    assert whole[0].mean() > others[0].mean() + 0.1
    assert not np.array_equal(look(trained, images, texts, seeds + 1, CPU)[1], whole[1])


def test_training_pixels_are_those_of_the_evaluation_transform(trained, data):
    fast = normalised(trained.model, pixels(data.images[:50]))
    torch.testing.assert_close(fast, trained.pictures(data.images[:50]), rtol=0, atol=1e-6)


def test_training_is_deterministic_and_learns(trained, data, folder, tmp_path):
    save_alignment(tmp_path / "again", train_alignment(data, SETTINGS, CPU), read_provenance(folder / WEIGHTS))
    for name in (CONFIG, WEIGHTS):
        assert sha256_of(tmp_path / "again" / name) == sha256_of(folder / name)
    accuracy = contrast_accuracy(trained, drawn(200, 2), 0, CPU)
    assert list(accuracy) == list(HEADS)
    assert min(accuracy[head]["accuracy"] for head in ("colour", "place", "time", "style")) > 0.8


def test_contrast_accuracy_counts_what_is_nearer(trained):
    held_out = drawn(40, 3)
    pairs = contrasts(held_out.labels, np.random.default_rng(derived_seed(5, "contrasts")))
    right, wrong = (
        look(trained, held_out.images[rows], texts, np.zeros(len(rows)), CPU)[0]
        for rows, texts in (
            ([pair.row for pair in pairs], [pair.right for pair in pairs]),
            ([pair.row for pair in pairs], [pair.wrong for pair in pairs]),
        )
    )
    for head, found in contrast_accuracy(trained, held_out, 5, CPU).items():
        own = np.array([pair.head == head for pair in pairs])
        assert found["n"] == own.sum() > 0
        assert found["accuracy"] == pytest.approx((right > wrong)[own].mean())
        assert found["margin"] == pytest.approx((right - wrong)[own].mean(), abs=1e-6)


def test_equal_captions_are_not_each_others_wrong_answers(data):
    """With one caption for all pictures there is nothing to tell apart, so nothing is learned."""
    settings = SETTINGS.model_copy(update={"steps": 5})
    start = train_alignment(data, settings.model_copy(update={"learning_rate": 1e-30}), CPU).model.state_dict()
    same = dataclasses.replace(data, captions=["A red circle"] * len(data.captions))
    after = train_alignment(same, settings, CPU).model.state_dict()
    different = train_alignment(data, settings, CPU).model.state_dict()
    undecayed = [name for name, weight in start.items() if weight.ndim < 2]
    assert undecayed
    assert all(torch.allclose(after[name], start[name], rtol=0, atol=1e-20) for name in undecayed)
    assert not any(torch.allclose(different[name], start[name], rtol=0, atol=1e-20) for name in undecayed)


def test_training_few_tokens_is_training_all_of_them(trained, data):
    tokens = trained.tokens(data.captions[:20])
    before = trained.model.token_embedding.weight.clone()
    expected = trained.model.encode_text(tokens)
    with alignment_training._known_tokens_only(trained.model, tokens) as renumbered:
        assert len(trained.model.token_embedding.weight) == len(tokens.unique())
        assert torch.equal(trained.model.encode_text(renumbered), expected)
        with torch.no_grad():
            trained.model.token_embedding.weight += 1
    moved = (trained.model.token_embedding.weight - before).any(1).nonzero().flatten()
    assert torch.equal(moved, tokens.unique())
    with torch.no_grad():
        trained.model.token_embedding.weight.copy_(before)


def test_a_prompt_that_is_too_long_is_refused(trained, data):
    fits = " ".join(["red"] * (SETTINGS.text.length - 2))
    look(trained, data.images[:1], [fits], np.zeros(1), CPU)
    with pytest.raises(
        LetheError, match=f"red' has {SETTINGS.text.length + 1} tokens, .* reads {SETTINGS.text.length}"
    ):
        look(trained, data.images[:1], [f"{fits} red"], np.zeros(1), CPU)


def test_patches_that_do_not_fit_are_refused():
    with pytest.raises(LetheError, match="20 pixels cannot be cut into patches of 8"):
        architecture(SETTINGS, 20)


# ----------------------------------------------------------------------------------------------------------- contrasts


def says(sentence: str, words: str) -> bool:
    return f" {words} " in f" {sentence.replace(',', ' ').replace(chr(39), ' ')} "


def test_contrasts_differ_in_the_words_of_one_attribute():
    labels = drawn(300, 4).labels
    pairs = contrasts(labels, np.random.default_rng(0))
    heads = list(HEADS)
    for pair in pairs:
        own = dict(zip(heads, labels[pair.row], strict=True))
        told = {head: HEADS[head][label] for head, label in own.items() if HEADS[head][label] != "plain"}
        striped = told.pop("pattern", None) is not None
        if "style" in told:
            told.pop("time")
        assert all(says(pair.right, words) for words in told.values())
        assert striped == any(says(pair.right, word) for word in STRIPED)
        kept = {
            head: words for head, words in told.items() if head != pair.head and (head, pair.head) != ("time", "style")
        }
        assert all(says(pair.wrong, words) for words in kept.values())
        assert pair.right != pair.wrong
        if pair.head in told:
            assert not says(pair.wrong, told[pair.head])
        if pair.head == "pattern":
            assert striped != any(says(pair.wrong, word) for word in STRIPED)
    style, pattern = (labels[:, heads.index(head)] for head in ("style", "pattern"))
    counts = {head: sum(pair.head == head for pair in pairs) for head in heads}
    assert counts == dict.fromkeys(("colour", "shape", "place"), 300) | {
        "time": (style == 0).sum(),
        "pattern": (style == 0).sum(),
        "style": (pattern == 0).sum(),
    }


# ------------------------------------------------------------------------------------------------------- files


def test_weights_of_an_architecture_that_open_clip_knows_by_name(folder, data, tmp_path):
    config = json.loads((folder / CONFIG).read_text())["model_cfg"]
    (tmp_path / "tiny-clip.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "tiny-clip.json")
    judge, name = load_alignment(folder / WEIGHTS, "tiny-clip")
    assert name == "open_clip tiny-clip"
    images, texts, seeds = data.images[:5], data.captions[:5], np.arange(5)
    for one, other in zip(
        look(judge, images, texts, seeds, CPU), look(load_alignment(folder)[0], images, texts, seeds, CPU), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_what_is_missing_or_unknown_is_named(folder, tmp_path):
    with pytest.raises(LetheError, match=rf"{CONFIG}: no such file"):
        load_alignment(tmp_path)
    (tmp_path / CONFIG).write_bytes((folder / CONFIG).read_bytes())
    with pytest.raises(LetheError, match=rf"{WEIGHTS}: no such file"):  # open_clip would draw the weights at random
        load_alignment(tmp_path)
    with pytest.raises(LetheError, match="no architecture 'ViT-B-23'") as caught:
        load_alignment(folder / WEIGHTS, "ViT-B-23")
    assert "ViT-B-" in caught.value.remedy
    with pytest.raises(LetheError, match="laion2b_s34b_b79k: no such file"):  # a tag: open_clip would fetch it
        load_alignment(Path("laion2b_s34b_b79k"), "ViT-B-32")


@pytest.mark.parametrize("damage", ["cut weights", "other width", "no JSON", "no model"])
def test_a_folder_that_is_damaged_is_named(folder, tmp_path, damage):
    config, weights = json.loads((folder / CONFIG).read_text()), (folder / WEIGHTS).read_bytes()
    if damage == "cut weights":
        weights = weights[:-4]
    elif damage == "other width":
        config["model_cfg"]["text_cfg"]["width"] = 8
    elif damage == "no model":
        del config["model_cfg"]
    (tmp_path / CONFIG).write_text("{" if damage == "no JSON" else json.dumps(config))
    (tmp_path / WEIGHTS).write_bytes(weights)
    with pytest.raises(LetheError, match=f"{tmp_path}.*: not a"):
        load_alignment(tmp_path)


def test_the_weights_carry_their_provenance(folder, trained):
    assert read_provenance(folder / WEIGHTS) == {"judge": "shapes alignment", "fingerprint": "f"}
    stored = load_file(folder / WEIGHTS)
    assert stored.keys() == trained.model.state_dict().keys()
