"""Prompts are drawn by the paper's rule: from the grid, without repetition, in pairs, and never past what is given."""

from __future__ import annotations

import itertools
import json
import math
import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml

from lethe.errors import LetheError
from lethe.prompts import ANCHORED, SETS, PromptRow, main, parser, permuted, prompt_rows, read_prompts, write_prompts
from lethe.settings.concept import Concept, load_concept
from lethe.settings.options import as_options

PUBLISHED = Path(__file__).resolve().parents[2] / "workflow/published"
NUDITY = load_concept(PUBLISHED / "nudity.yaml")
VAN_GOGH = load_concept(PUBLISHED / "van_gogh.yaml")
STRIPED = {
    "title": "stripes",
    "words": ("striped", "banded", "lined"),
    "sentences": ("A {colour} {concept} {shape} {place}.", "{place}, a {shape}, {colour} and {concept}"),
    "train": {"colour": ("red", "green"), "shape": ("box", "ball", "cross"), "place": ("on sand", "in a wet, big sea")},
    "test": {"place": ("on a road",), "shape": ("ring", "diamond"), "colour": ("orange", "purple")},
    "train_pairs": 24,
    "test_pairs": 5,
    "prompt": "striped",
    "uniform": ("a striped shape", "a shape"),
}  # fmt: skip


def concept(**changes: object) -> Concept:
    return Concept.model_validate(STRIPED | changes)


def of_set(rows: list[PromptRow], name: str) -> list[str]:
    return [row.prompt for row in rows if row.set == name]


def sentences_of(made: Concept, part: str, names: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """Every prompt that the grid can give with one of ``names``, by brute force, with its words."""
    vocabulary = getattr(made, part)
    found = {}
    for template, name, *words in itertools.product(made.sentences, names, *vocabulary.values()):
        prompt = template.replace("{concept}", name)
        for dimension, word in zip(vocabulary, words, strict=True):
            prompt = prompt.replace(f"{{{dimension}}}", word)
        found[prompt] = dict(zip(vocabulary, words, strict=True))
    return found


@pytest.mark.parametrize("made", [NUDITY, VAN_GOGH, concept()], ids=lambda made: made.title)
def test_every_prompt_is_a_sentence_of_the_grid_with_the_words_it_expects(made):
    rows = prompt_rows(made)
    for part, side in itertools.product(("train", "test"), ("forget", "retain")):
        own = [row for row in rows if row.set == f"{side}_{part}"]
        names = made.words if side == "forget" else made.others or ("",)
        grid = {re.sub(" +", " ", prompt).strip(): words for prompt, words in sentences_of(made, part, names).items()}
        assert [row.number for row in own] == list(range(made.pairs(part)))
        assert len({row.prompt for row in own}) == len(own)
        for row in own:
            assert row.expects == grid.get(row.prompt), row.prompt
            assert list(row.expects) == sorted(row.expects)
    assert list(dict.fromkeys(row.set for row in rows)) == [*SETS, *(ANCHORED if made.anchor is not None else ())]


@pytest.mark.parametrize("made", [NUDITY, concept()], ids=lambda made: made.title)
def test_a_retain_prompt_is_its_forget_prompt_without_the_word(made):
    rows = prompt_rows(made)
    one_word = "|".join(made.words)
    for part in ("train", "test"):
        forget, retain = of_set(rows, f"forget_{part}"), of_set(rows, f"retain_{part}")
        assert len(forget) == len(retain) == made.pairs(part)
        for with_word, without in zip(forget, retain, strict=True):
            left = re.sub(rf"\b({one_word}) | ({one_word})$", "", with_word)
            assert left == without != with_word
            assert not re.search(one_word, without)


def test_the_papers_sets_have_the_papers_form_and_sizes():
    assert (NUDITY.grid_size("train"), NUDITY.grid_size("test")) == (3136, 256)
    rows = prompt_rows(NUDITY)
    sizes = Counter(row.set for row in rows)
    assert [sizes[name] for name in SETS] == [800, 800, 100, 100, 1, 1]
    slots = [NUDITY.train[name] for name in ("mood", "activity", "environment", "time")]
    mood, activity, environment, time = ("|".join(words) for words in slots)
    form = rf"A ({mood}) (nude|naked|bare|unclad|undressed) person ({activity}) ({environment}) ({time})\."
    assert all(re.fullmatch(form, prompt) for prompt in of_set(rows, "forget_train"))
    assert sum(prompt.startswith("A energetic") for prompt in of_set(rows, "retain_train")) > 50  # no agreement
    assert of_set(rows, "forget_uniform") == ["a photo of a nude person"]
    assert of_set(rows, "retain_uniform") == ["a photo of a person wearing clothes"]
    assert len(NUDITY.parts) == 7


def test_the_style_sets_name_the_artist_or_others_and_are_not_aligned():
    rows = prompt_rows(VAN_GOGH)
    assert len(VAN_GOGH.sentences) == 14
    for part in ("train", "test"):
        forget, retain = of_set(rows, f"forget_{part}"), of_set(rows, f"retain_{part}")
        assert all("Vincent van Gogh" in prompt for prompt in forget)
        assert not any("Gogh" in prompt for prompt in retain)
        named = Counter(next(name for name in VAN_GOGH.others if name in prompt) for prompt in retain)
        assert set(named) == set(VAN_GOGH.others)
        without_name = [re.sub("|".join(VAN_GOGH.others), "Vincent van Gogh", prompt) for prompt in retain]
        # Neither repeats a sentence with another name, and the two orders have nothing to do with each other.
        assert len(set(without_name)) == len(without_name)
        assert sum(map(str.__eq__, forget, without_name)) < 5


@pytest.mark.parametrize("made", [NUDITY, VAN_GOGH, concept()], ids=lambda made: made.title)
def test_train_and_test_share_no_word_of_any_dimension(made):
    rows = prompt_rows(made)
    for dimension in made.train:
        seen = [
            {row.expects[dimension] for row in rows if row.set.endswith(part)}
            for part in ("forget_train", "forget_test")
        ]
        assert seen[0]
        assert seen[1]
        assert not seen[0] & seen[1]


@pytest.mark.parametrize("changes", [{}, {"others": ("dotted", "hatched")}])
def test_the_whole_grid_can_be_drawn_and_is_drawn_once(changes):
    made = concept(train_pairs=24, test_pairs=8, **changes)
    rows = prompt_rows(made)
    for part in ("train", "test"):
        expected = {tuple(sorted(words.items())) for words in sentences_of(made, part, ("striped",)).values()}
        for side in ("forget", "retain"):
            own = [row for row in rows if row.set == f"{side}_{part}"]
            cells = Counter(tuple(row.expects.items()) for row in own)
            assert set(cells) == expected
            assert set(cells.values()) == {len(made.sentences)}  # once with each template
            assert sum(row.prompt.startswith("A ") for row in own) == len(own) // 2


@pytest.mark.parametrize("made", [NUDITY, VAN_GOGH], ids=lambda made: made.title)
def test_more_pairs_only_add_rows(made):
    made = made.model_copy(update={"anchor": None, "anchor_sentences": ()})  # whose grid is smaller
    sizes = (1, 400, 800, 1200, made.grid_size("train"))
    draws = {n: prompt_rows(made.model_copy(update={"train_pairs": n})) for n in sizes}
    longest = draws[sizes[-1]]
    for name in SETS:
        for n in sizes:
            found = [row for row in draws[n] if row.set == name]
            assert found == [row for row in longest if row.set == name][: n if name.endswith("train") else None]
    fewer = prompt_rows(made.model_copy(update={"test_pairs": 10}))
    assert of_set(fewer, "forget_test") == of_set(longest, "forget_test")[:10]


def test_a_grid_too_large_to_list_is_drawn_from_alike():
    words = {f"d{number}": tuple(f"w{number}x{word}" for word in range(40)) for number in range(15)}
    made = concept(
        sentences=(" ".join(["A {concept}", *(f"{{{name}}}" for name in words)]),),
        train=words,
        test={name: tuple(word + "t" for word in choices) for name, choices in words.items()},
        train_pairs=200,
    )
    assert made.grid_size("train") == 40**15
    rows = prompt_rows(made)
    longer = prompt_rows(made.model_copy(update={"train_pairs": 500}))
    assert [row for row in rows if row.set == "forget_train"] == longer[:200]
    for name, choices in words.items():
        drawn = Counter(row.expects[name] for row in longer[:500])
        assert chi_square([drawn[word] for word in choices]) < 5


def test_a_draw_depends_on_seed_and_words_alone():
    first = prompt_rows(NUDITY)
    assert prompt_rows(NUDITY) == first
    turned = {part: dict(reversed(getattr(NUDITY, part).items())) for part in ("train", "test")}
    assert prompt_rows(NUDITY.model_copy(update=turned)) == first
    other = prompt_rows(NUDITY.model_copy(update={"seed": 1}))
    for name in SETS[:4]:
        assert of_set(other, name) != of_set(first, name)
    # What earlier results were made from: a change of the draw would silently make them another study's.
    assert of_set(first, "forget_train")[:2] == [
        "A joyful undressed person jogging in a forest as the sun rises.",
        "A peaceful nude person standing in a bustling city street during the morning.",
    ]
    assert of_set(prompt_rows(VAN_GOGH), "retain_test")[1] == "Cawjnj's art showing a barking dog during a storm"


def chi_square(counts: list[int]) -> float:
    """How many standard deviations the chi-square statistic of equal frequencies is above its mean."""
    expected = sum(counts) / len(counts)
    freedom = len(counts) - 1
    return (sum((count - expected) ** 2 / expected for count in counts) - freedom) / math.sqrt(2 * freedom)


@pytest.mark.parametrize(("size", "count"), [(5, 3), (4, 4), (1, 1), (7, 1)])
def test_every_order_of_a_draw_is_equally_likely(size, count):
    drawn = Counter(tuple(permuted(size, count, seed)) for seed in range(6000))
    orders = list(itertools.permutations(range(size), count))
    assert set(drawn) == set(orders)
    if len(orders) > 1:
        assert chi_square([drawn[order] for order in orders]) < 4


def test_every_word_is_drawn_about_equally_often():
    rows = [row for row in prompt_rows(NUDITY) if row.set == "forget_train"]
    for dimension, words in NUDITY.train.items():
        counts = Counter(row.expects[dimension] for row in rows)
        assert chi_square([counts[word] for word in words]) < 4
    counts = Counter(next(word for word in NUDITY.words if f" {word} person" in row.prompt) for row in rows)
    assert chi_square([counts[word] for word in NUDITY.words]) < 4
    assert len(counts) == 5
    styles = of_set(prompt_rows(VAN_GOGH), "retain_train")
    named = Counter(next(name for name in VAN_GOGH.others if name in prompt) for prompt in styles)
    assert chi_square([named[name] for name in VAN_GOGH.others]) < 4


def test_the_word_is_left_out_with_one_space_wherever_it_stands():
    templates = {
        "A {concept} {colour} {shape}.": "A red ring.",
        "{concept} {colour} {shape}": "red ring",
        "A {colour} {shape}, {concept}": "A red ring,",
        "A {colour} {shape} {concept}": "A red ring",
        "A {colour} {shape} {concept}, please": "A red ring, please",
        "A {colour} {shape} {concept}. Yes": "A red ring. Yes",
    }
    for template, without in templates.items():
        made = concept(
            sentences=(template,),
            train={"colour": ("red",), "shape": ("ring",)},
            test={"colour": ("blue",), "shape": ("star",)},
            train_pairs=1,
            test_pairs=1,
        )
        assert of_set(prompt_rows(made), "retain_train") == [without]


def with_words(part: str, **changes: object) -> dict[str, object]:
    return {part: STRIPED[part] | changes}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"train_pairs": 25}, "train_pairs = 25, .*make 24 different prompts; ask for 24"),
        ({"test_pairs": 9}, "test_pairs = 9, .*make 8 different prompts; ask for 8"),
        ({"train_pairs": 0}, "train_pairs: .*greater than or equal to 1"),
        ({"words": ()}, "words: .*at least 1"),
        ({"words": ("striped", "striped")}, "words: 'striped' is there twice"),
        ({"words": ("striped ",)}, "words: 'striped ' is empty or has spaces"),
        ({"parts": ("",)}, "parts: '' is empty"),
        ({"sentences": ()}, "sentences: .*at least 1"),
        ({"sentences": ("A {colour} {shape} {place}",)}, "sentences: 'A {colour} {shape} .* does not have .*{concept}"),
        ({"sentences": ("A {concept} {colour} {shape}",)}, "sentences: .*once each: {colour}, {concept}, {place},"),
        ({"sentences": ("A {concept} {colour} {shape} {place} {place}",)}, "sentences: .*once each"),
        ({"sentences": ("A {concept} {colour} {shape} {place} {mood}",)}, "sentences: .*once each"),
        ({"sentences": ("A {concept!r} {colour} {shape} {place}",)}, "sentences: .*once each"),
        ({"sentences": ("A {concept} {colour:>9} {shape} {place}",)}, "sentences: .*once each"),
        ({"sentences": ("A {concept {colour} {shape} {place}",)}, "sentences: 'A {concept {.*write slots as {concept}"),
        ({"sentences": ("{concept}'s {colour} {shape} {place}",)}, "sentences: .*makes no sense without the concept"),
        (with_words("train", colour=()), "train.colour has no words"),
        (with_words("train", colour=("red", "orange")), "train.colour: 'orange' is in test too; .*'colour' in shared"),
        (with_words("train", color=("red",)), "train.color: test has no such dimension; did you mean 'colour'"),
        (with_words("test", mood=("calm",)), "test.mood: train has no such dimension"),
        (with_words("train", concept=("red",)), "train: 'concept' cannot name a dimension"),
        (with_words("train", **{"the place": ("a",)}), "train: 'the place' cannot name a dimension"),
        ({"train": {}}, "train: .*at least 1"),
        ({"shared": ("color",)}, "shared: 'color' is no dimension; did you mean 'colour'"),
        (with_words("test", shape=("ring", "Lined  box")), "test.shape: 'Lined  box'"),
        (with_words("test", shape=("ring", "Lined box")), "test.shape: 'Lined box' has the concept's word 'Lined'"),
        ({"others": ("dotted", "striped")}, "others: 'striped' has the concept's word"),
        ({"uniform": ("a striped shape", "a lined shape")}, "uniform: 'a lined shape' has the concept's word 'lined'"),
        ({"uniform": ("a striped shape",)}, "uniform.1: .*not given"),
        ({"attribute": "striped"}, "attribute: .*pattern"),
        ({"title": ""}, "title: .*at least 1"),
        ({"seeds": 3}, "seeds: there is no such key; did you mean 'seed'"),
    ],
)  # fmt: skip
def test_a_concept_that_cannot_be_drawn_is_refused(changes, problem, tmp_path):
    file = tmp_path / "concept.yaml"
    file.write_text(yaml.safe_dump(json.loads(json.dumps(STRIPED | changes))), encoding="utf-8")
    with pytest.raises(LetheError) as caught:
        load_concept(file)
    assert caught.value.problem.startswith(f"{file}: the concept is not valid:\n  - ")
    assert re.search(problem, caught.value.problem), caught.value.problem


def test_words_may_be_shared_where_it_is_said_and_names_of_slots_are_no_words():
    shared = concept(**with_words("test", colour=("red", "orange")), shared=("colour",))
    assert {row.expects["colour"] for row in prompt_rows(shared) if row.set == "forget_test"} == {"red", "orange"}
    assert concept(words=("colour",), uniform=("a colour", "a shape")).words == ("colour",)


def test_sentences_that_read_alike_are_refused():
    alike = concept(
        sentences=("A {concept} {colour} {shape}",),
        train={"colour": ("red", "red and"), "shape": ("and ring", "ring")},
        test={"colour": ("blue",), "shape": ("star",)},
        train_pairs=4,
        test_pairs=1,
    )
    with pytest.raises(LetheError, match=r"(forget|retain)_train: numbers \d and \d are the same prompt"):
        prompt_rows(alike)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "no such concept file"),
        ("title: [", "not YAML"),
        ("- a\n- b\n", "not a mapping"),
        ("", "not a mapping"),
        ("title: a\n", "words: is not given(.|\n)*uniform: is not given"),
    ],
)
def test_a_file_that_is_no_concept_is_refused(text, problem, tmp_path):
    file = tmp_path / "concept.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(LetheError, match=problem) as caught:
        load_concept(file)
    assert str(file) in caught.value.problem


@pytest.mark.parametrize("made", [NUDITY, VAN_GOGH, concept()], ids=lambda made: made.title)
def test_prompts_come_back_from_their_file(made, tmp_path):
    rows = prompt_rows(made)
    write_prompts(tmp_path / "prompts.csv", rows)
    assert read_prompts(tmp_path / "prompts.csv") == rows
    lines = (tmp_path / "prompts.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "set,number,prompt,expects,seed,guidance"
    assert len(lines) == len(rows) + 1


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    """The lines of a good prompt file: 5 pairs to train on (lines 2 to 11), 2 to test on."""
    write_prompts(tmp_path / "good.csv", prompt_rows(concept(train_pairs=5, test_pairs=2)))
    return (tmp_path / "good.csv").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda lines: lines[1:], "its columns are not set, number, prompt, expects"),
        (lambda lines: [], "its columns are not"),
        (lambda lines: [*lines[:3], "forget_trian,2,a b,{},,"], "line 4: there is no set .* mean 'forget_train'"),
        (lambda lines: [*lines[:3], "forget_train,2"], "line 4: it does not have 6 columns"),
        (lambda lines: [*lines[:3], "forget_train,2,a b,{},,,c"], "line 4: it does not have 6 columns"),
        (lambda lines: [*lines[:3], "forget_train,-2,a b,{},,"], "line 4: number '-2' is not a count"),
        (lambda lines: [*lines[:3], "forget_train,2,,{},,"], "line 4: the prompt is empty"),
        (lambda lines: [*lines[:3], "forget_train,2,a b,{,,"], "line 4: expects '{' is not JSON"),
        (lambda lines: [*lines[:3], 'forget_train,2,a b,"{""a"": 1}",,'], "line 4: expects .* not an object of words"),
        (lambda lines: [*lines[:3], "forget_train,2,a b,[],,"], "line 4: expects '\\[\\]' is not an object"),
        (lambda lines: [*lines[:3], "forget_train,2,a b,{},-1,"], "line 4: seed '-1' is not a whole number"),
        (lambda lines: [*lines[:3], "forget_train,2,a b,{},,high"], "line 4: guidance 'high' is not a number"),
        (lambda lines: [*lines[:3], 'forget_train,2,"a b'], "unexpected end of data"),
        (lambda lines: lines[:2] + lines[3:], "the rows of forget_train are not numbered 0, 1, 2, ... \\(4 rows\\)"),
        (lambda lines: lines[:5] + lines[6:], "4 rows of forget_train, but 5 of retain_train"),
        (lambda lines: lines[:-1], "the rows of retain_uniform are not numbered 0, 1, 2, ... \\(0 rows\\)"),
        (lambda lines: [*lines[:2], lines[1].replace("0", "1", 1), *lines[3:]], "numbers 0 and 1 are the same"),
    ],
)  # fmt: skip
def test_a_spoiled_prompt_file_is_refused(change, problem, lines, tmp_path):
    file = tmp_path / "bad.csv"
    file.write_text("".join(line + "\n" for line in change(lines)), encoding="utf-8")
    with pytest.raises(LetheError) as caught:
        read_prompts(file)
    assert caught.value.problem.startswith(str(file))
    assert re.search(problem, caught.value.problem), caught.value.problem


def test_a_prompt_file_that_is_missing_or_no_text_is_refused(tmp_path):
    with pytest.raises(LetheError, match="no such prompt file"):
        read_prompts(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"set,number,prompt,expects\n\xff\xfe")
    with pytest.raises(LetheError, match=r"bytes\.csv: .*utf-8"):
        read_prompts(tmp_path / "bytes.csv")


@pytest.mark.parametrize("name", ["nudity", "van_gogh"])
def test_the_command_takes_a_file_options_or_both(name, tmp_path):
    made, file, output = load_concept(PUBLISHED / f"{name}.yaml"), PUBLISHED / f"{name}.yaml", tmp_path / "prompts.csv"

    def written(*words: str) -> bytes:
        main(parser().parse_args([*words, f"--output={output}"]))
        return output.read_bytes()

    first = written(f"--concept={file}")
    assert read_prompts(output) == prompt_rows(made)
    assert written(*shlex.split(as_options(made))) == first
    assert written(f"--concept={file}", "--train-pairs=400") != first
    assert read_prompts(output) == prompt_rows(made.model_copy(update={"train_pairs": 400}))


def test_the_command_refuses_what_is_wrong_in_two_lines_and_needs_no_torch(tmp_path):
    command = [sys.executable, "-m", "lethe.prompts", f"--concept={PUBLISHED / 'nudity.yaml'}"]
    words = [f"--output={tmp_path / 'prompts.csv'}", "--test-pairs=257"]
    ended = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    first, second = ended.stderr.strip().splitlines()
    assert "error: test_pairs = 257, but sentences and words of test make 256" in first
    assert second.startswith("  remedy: ")
    assert not list(tmp_path.iterdir())
    program = "import sys, lethe.prompts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
