"""Anchor and target prompts, other phrasings and neighbours: what they say, and what is refused."""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter

import pytest
import yaml

from lethe.errors import LetheError
from lethe.prompts import PromptRow, parser, prompt_rows, read_prompts, write_prompts
from lethe.rewriting import target_prompt
from lethe.settings.concept import Concept, load_concept
from lethe.settings.options import as_options, from_options

RING = {
    "title": "ring",
    "words": ["ring", "hoop"],
    "sentences": ["A {colour} {concept} {place}", "{place}, a {concept}, {colour}"],
    "train": {"colour": ["red", "green", "blue", "grey"], "place": ["on sand", "in mud", "in a ringing hall"]},
    "test": {"colour": ["orange", "purple"], "place": ["on a road", "at sea"]},
    "train_pairs": 20,
    "test_pairs": 6,
    "prompt": "ring",
    "uniform": ["a ring", "a shape"],
}
STYLE = {
    "title": "Vincent van Gogh",
    "words": ["Vincent van Gogh"],
    "others": ["Rafael Casanova", "Marius Vendrell"],
    "sentences": ["A {thing} by {concept}", "{concept}'s {thing}"],
    "train": {"thing": [f"thing {number}" for number in range(600)]},
    "test": {"thing": ["boat", "barn"]},
    "train_pairs": 600,
    "test_pairs": 4,
    "prompt": "Vincent van Gogh",
    "uniform": ["a thing by Vincent van Gogh", "a thing"],
    "anchor": "painting",
    "anchor_sentences": ["A {concept} of a {thing}"],
    "rewriting": "style",
    "neighbours": {"seurat": "Georges Seurat"},
    "outside": ["here hangs a {concept}: a {thing}", "a {thing} ({concept})"],
}


def concept(**changes: object) -> Concept:
    return Concept.model_validate(RING | changes)


def of_set(rows: list[PromptRow], name: str) -> list[PromptRow]:
    return [row for row in rows if row.set == name]


@pytest.mark.parametrize(
    "values", [RING | {"anchor": "circle"}, RING | {"anchor": ""}, STYLE], ids=["word", "left out", "style"]
)
def test_the_sets_of_other_concepts_stay_as_they_are(values):
    """A concept with the new keys begins with the prompts that it has without them."""
    old = {key: values[key] for key in values if key not in ("anchor", "anchor_sentences", "outside", "neighbours")}
    before, after = prompt_rows(Concept.model_validate(old)), prompt_rows(Concept.model_validate(values))
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert {row.set for row in before} & {row.set for row in after[len(before) :]} == set()


def test_row_i_of_anchors_and_of_targets_share_the_sentence():
    rows = prompt_rows(concept(anchor="circle"))
    anchors, targets = of_set(rows, "anchor_train"), of_set(rows, "target_train")
    assert len(anchors) == len(targets) == 20
    for anchor, target in zip(anchors, targets, strict=True):
        assert (anchor.number, anchor.expects) == (target.number, target.expects)
        assert anchor.prompt.split().count("circle") + anchor.prompt.split().count("circle,") == 1
        assert target.prompt == re.sub(r"\bcircle\b", "ring", anchor.prompt)
    assert len({row.prompt for row in anchors}) == 20
    more = prompt_rows(concept(anchor="circle", train_pairs=24))
    assert of_set(more, "anchor_train")[:20] == anchors
    assert of_set(more, "target_train")[:20] == targets


def test_an_anchor_that_is_left_out_leaves_the_sentence_without_the_word():
    rows = prompt_rows(concept(anchor=""))
    for anchor, target in zip(of_set(rows, "anchor_train"), of_set(rows, "target_train"), strict=True):
        assert " ring" in target.prompt
        assert re.sub(r" ring\b", "", target.prompt) == anchor.prompt


@pytest.mark.parametrize(
    ("anchor", "prompt", "expected"),
    [
        ("circle", "A circle in a semicircle, circles; Circle", "A ring in a semicircle, circles; Circle"),
        ("circle", "circle and circle.", "ring and ring."),
        ("a+b", "an a+b, aab", "an ring, aab"),
        ("air plane", "An air plane", "An ring"),
    ],
)
def test_only_whole_words_are_replaced_and_all_of_them(anchor, prompt, expected):
    assert target_prompt(concept(anchor=anchor), 0, prompt, "unused") == expected


def test_a_name_is_no_pattern():
    made = concept(anchor="circle", prompt="\\1 ring")
    assert target_prompt(made, 0, "a circle", "") == "a \\1 ring"


def test_a_style_goes_behind_one_time_in_three_and_before_two_times():
    rows = prompt_rows(Concept.model_validate(STYLE))
    kinds: Counter[str] = Counter()
    for anchor, target in zip(of_set(rows, "anchor_train"), of_set(rows, "target_train"), strict=True):
        assert re.fullmatch(r"A painting of a thing \d+", anchor.prompt)
        behind = f"{anchor.prompt}, in the style of Vincent van Gogh"
        assert target.prompt in (behind, f"in Vincent van Gogh's style, {anchor.prompt}")
        kinds["behind" if target.prompt == behind else "before"] += 1
    deviation = math.sqrt(600 * (1 / 3) * (2 / 3))
    assert abs(kinds["behind"] - 200) < 4 * deviation
    assert abs(kinds["behind"] - 300) > 4 * deviation  # the test can tell 1/3 from 1/2


def test_other_phrasings_have_the_test_words_and_their_retain_prompts_go_without_the_concept():
    made = concept(outside=("look, {place}: a {concept} in {colour}",), test_pairs=4)
    rows = prompt_rows(made)
    forget, retain = of_set(rows, "forget_outside"), of_set(rows, "retain_outside")
    assert {tuple(row.expects.items()) for row in forget} == {
        (("colour", colour), ("place", place)) for colour in made.test["colour"] for place in made.test["place"]
    }
    for one, other in zip(forget, retain, strict=True):
        assert re.fullmatch(r"look, (on a road|at sea): a (ring|hoop) in (orange|purple)", one.prompt)
        assert re.sub(" (ring|hoop)", "", one.prompt) == other.prompt
    style = prompt_rows(Concept.model_validate(STYLE))
    assert all("Vincent van Gogh" in row.prompt for row in of_set(style, "forget_outside"))
    assert all(re.search("Casanova|Vendrell", row.prompt) for row in of_set(style, "retain_outside"))
    assert len(of_set(style, "retain_outside")) == 4


def test_a_neighbour_has_the_sentences_of_the_test_prompts():
    rows = prompt_rows(concept(neighbours={"circle": "circle", "long_one": "long bar"}))
    forget = of_set(rows, "forget_test")
    for name, word in (("circle", "circle"), ("long_one", "long bar")):
        found = of_set(rows, f"neighbour_{name}")
        assert [row.prompt for row in found] == [re.sub(r"\b(ring|hoop)\b", word, row.prompt) for row in forget]
        assert [row.expects for row in found] == [row.expects for row in forget]
    style = prompt_rows(Concept.model_validate(STYLE))
    for one, other in zip(of_set(style, "forget_test"), of_set(style, "neighbour_seurat"), strict=True):
        assert other.prompt == one.prompt.replace("Vincent van Gogh", "Georges Seurat")


@pytest.mark.parametrize(
    "values", [STYLE, RING | {"anchor": "", "test_pairs": 4, "outside": ["so: {concept} {colour} {place}"]}]
)
def test_prompts_come_back_from_their_file_and_from_options(values, tmp_path):
    made = Concept.model_validate(values)
    rows = prompt_rows(made)
    write_prompts(tmp_path / "prompts.csv", rows)
    assert read_prompts(tmp_path / "prompts.csv") == rows
    words = [*shlex.split(as_options(made)), f"--output={tmp_path / 'again.csv'}"]
    assert from_options(Concept, parser().parse_args(words)) == made


@pytest.mark.parametrize(
    ("drop", "problem"),
    [
        ("target_train,7,", "rows of target_train are not numbered"),
        ("target_train", "20 rows of anchor_train, but 0 of target_train"),
        ("forget_outside", "0 rows of forget_outside, but 4 of retain_outside"),
        ("neighbour_bar,0", "rows of neighbour_bar are not numbered"),
    ],
)
def test_a_spoiled_prompt_file_is_refused(drop, problem, tmp_path):
    made = concept(
        anchor="circle", outside=("so: {concept} {colour} {place}",), neighbours={"bar": "bar"}, test_pairs=4
    )
    write_prompts(tmp_path / "good.csv", prompt_rows(made))
    lines = (tmp_path / "good.csv").read_text().splitlines(keepends=True)
    (tmp_path / "bad.csv").write_text("".join(line for line in lines if not line.startswith(drop)))
    with pytest.raises(LetheError, match=problem):
        read_prompts(tmp_path / "bad.csv")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"anchor": "big  circle"}, "anchor: 'big  circle' is empty or has spaces to spare"),
        ({"anchor": "hoop"}, "anchor: 'hoop' has the concept's word 'hoop' in a retain prompt"),
        ({"anchor_sentences": ["A {concept} {colour} {place}"]}, "anchor_sentences: there is no anchor"),
        ({"anchor": "x", "anchor_sentences": ["A {concept} {colour}"]}, "anchor_sentences: .* just these slots"),
        (
            {"anchor": "x", "train_pairs": 9, "anchor_sentences": ["A ring {concept} {colour} {place}"]},
            "anchor_sentences: .*'ring'",
        ),
        ({"anchor": "", "anchor_sentences": ["A '{concept}' {colour} {place}"]}, "anchor: it is to be left out, but"),
        ({"anchor": "x", "anchor_sentences": ["A {concept}s {colour} {place}"]}, "anchor: in .* a part of a word"),
        ({"anchor": "x", "anchor_sentences": ["A {concept} {colour} {place}"]}, "anchor: train_pairs = 20, .* make 12"),
        ({"rewriting": "stile"}, "rewriting: .*'replace' or 'style'"),
        ({"outside": ["so: {concept} {colour}"]}, "outside: .* just these slots"),
        ({"outside": ["so: '{concept}' {colour} {place}"]}, "outside: .* makes no sense without the concept"),
        ({"test_pairs": 4, "outside": ["so: a hoop {concept} {colour} {place}"]}, "outside: .*'hoop'"),
        ({"outside": ["so: {concept} {colour} {place}"]}, "outside: test_pairs = 6, .* make 4 different"),
        ({"neighbours": {"Bar": "bar"}}, "neighbours.*pattern"),
        ({"neighbours": {"bar": "bar", "rod": "bar"}}, "neighbours: 'bar' is there twice"),
        ({"neighbours": {"bar": ""}}, "neighbours: '' is empty"),
        ({"neighbours": {"bar": "small ring"}}, "neighbours: 'small ring' has the concept's word 'ring'"),
    ],
)
def test_a_concept_that_cannot_be_drawn_is_refused(changes, problem, tmp_path):
    file = tmp_path / "concept.yaml"
    file.write_text(yaml.safe_dump(RING | changes), encoding="utf-8")
    with pytest.raises(LetheError) as caught:
        load_concept(file)
    assert re.search(problem, caught.value.problem), caught.value.problem
