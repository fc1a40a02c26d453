"""Tables 5 and 6 show the first test pairs of a concept, articles corrected, the csv as they are used."""

from __future__ import annotations

import argparse
import csv
import re
import shlex
from pathlib import Path

import pytest

from lethe.artefacts import prompt_examples
from lethe.artefacts.prompt_examples import with_articles
from lethe.errors import LetheError
from lethe.prompts import prompt_rows
from lethe.settings.concept import load_concept
from lethe.settings.options import as_options

PUBLISHED = Path(__file__).resolve().parents[2] / "workflow/published"


def made(folder: Path, *words: str) -> dict[str, str]:
    """Run the artefact; the texts it wrote by suffix."""
    parser = argparse.ArgumentParser()
    prompt_examples.add_arguments(parser)
    outputs = {kind: folder / f"table.{kind}" for kind in ("csv", "markdown", "tex")}
    prompt_examples.main(parser.parse_args([*words, *(f"--{kind}={path}" for kind, path in outputs.items())]))
    return {kind: path.read_text(encoding="utf-8") for kind, path in outputs.items()}


def markdown_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.parametrize("name", ["nudity", "van_gogh"])
def test_the_tables_show_the_first_test_pairs(name, tmp_path):
    file = PUBLISHED / f"{name}.yaml"
    texts = made(tmp_path, f"--concept={file}")
    concept = load_concept(file)
    rows = prompt_rows(concept)
    forget, retain = ([row.prompt for row in rows if row.set == f"{side}_test"][:15] for side in ("forget", "retain"))
    lines = list(csv.DictReader(texts["csv"].splitlines()))
    assert [line["forget_prompt"] for line in lines] == forget
    assert [line["retain_prompt"] for line in lines] == retain
    assert [(line["concept"], line["number"]) for line in lines] == [(concept.title, str(n)) for n in range(15)]
    shown = [[str(n), with_articles(f), with_articles(r)] for n, (f, r) in enumerate(zip(forget, retain, strict=True))]
    assert markdown_rows(texts["markdown"]) == shown
    assert any(row[1:] != [f, r] for row, f, r in zip(shown, forget, retain, strict=True))
    for row in shown:
        assert f"    {' & '.join(row)} \\\\\n" in texts["tex"]
        assert not re.search(r"\b[Aa] [aeiou]", " ".join(row))
    for text in (texts["markdown"], texts["tex"]):
        assert "The first 15 of 100 pairs" in text
        assert "corrected to An before a vowel" in text
        assert ("drawn on their own" in text) == (name == "van_gogh")


def test_latex_breaks_long_prompts_into_lines(tmp_path):
    text = made(tmp_path, f"--concept={PUBLISHED / 'van_gogh.yaml'}", "--count=40")["tex"]
    assert r"\begin{tabular}{@{}lp{0.45\linewidth}p{0.45\linewidth}@{}}" in text
    assert text.count("{") == text.count("}")
    assert {len(re.findall(r"(?<!\\)&", line)) for line in text.splitlines() if line.endswith(r"\\")} == {2}
    assert set(re.findall(r"[^\x00-\x7f]", text)) <= {"é"}
    assert r"\label{tab:prompts-vincent-van-gogh}" in text


def test_a_concept_can_be_given_by_options_and_gives_the_same_bytes(tmp_path):
    file = PUBLISHED / "nudity.yaml"
    first = made(tmp_path, f"--concept={file}", "--count=3")
    assert made(tmp_path, *shlex.split(as_options(load_concept(file))), "--count=3") == first
    assert len(markdown_rows(first["markdown"])) == 3


@pytest.mark.parametrize("count", ["0", "-1", "101"])
def test_more_pairs_than_there_are_is_refused(count, tmp_path):
    with pytest.raises(LetheError, match=f"--count {count}: the test set has 100 pairs"):
        made(tmp_path, f"--concept={PUBLISHED / 'nudity.yaml'}", f"--count={count}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("A excited person", "An excited person"),
        ("In the style of X, a unclad person in a urban park", "In the style of X, an unclad person in an urban park"),
        ("A hopeful person in an urban park", "A hopeful person in an urban park"),
        ("a uniformed, a European, a one-armed and a used one", "a uniformed, a European, a one-armed and a used one"),
        ("a uninvited onerous user, a ugly use", "an uninvited onerous user, an ugly use"),
        ("Vitamina excited", "Vitamina excited"),
    ],
)
def test_articles_agree_with_the_vowel_after_them(prompt, shown):
    assert with_articles(prompt) == shown
