"""What a text study forgets: a concept, and the vocabulary of the prompts that name it and that leave it out."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from lethe.errors import LetheError, nearest
from lethe.settings.common import Settings
from lethe.settings.listed import ListedPrompts

SLOT = "concept"
# The slot with its space, where it stands as a word of its own: what can be left out of a sentence.
LEAVABLE = re.compile(r"(?<!\S)\{concept\} | \{concept\}(?=[.,;:!?]|$)")

Vocabulary = dict[str, tuple[str, ...]]
Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


class Concept(Settings):
    """A concept to forget. Its prompts fill the slots of a sentence with one word of each dimension."""

    file: str | None = Field(
        None, exclude=True, description="A YAML file that has what is not said here; null: all is said here."
    )
    title: str = Field(min_length=1, description="Its name in tables and figures.")
    words: tuple[str, ...] = Field(min_length=1, description="What names it: one of these stands in a forget prompt.")
    others: tuple[str, ...] = Field(
        (),
        description="What stands in its place in a retain prompt (a style: other artists, invented names). "
        "Empty: the word is left out, and forget and retain prompts are the same sentences.",
    )
    sentences: tuple[str, ...] = Field(
        min_length=1, description="Templates with the slot {concept} and one slot for each dimension."
    )
    train: Vocabulary = Field(min_length=1, description="Words of each dimension for the sets that methods see.")
    test: Vocabulary = Field(min_length=1, description="Words of each dimension for the sets kept for measuring.")
    shared: tuple[str, ...] = Field((), description="Dimensions that may have the same words in train and test.")
    train_pairs: int = Field(800, ge=1, description="Forget prompts to train on, and as many retain prompts.")
    test_pairs: int = Field(100, ge=1, description="Forget prompts to test on, and as many retain prompts.")
    prompt: str = Field(min_length=1, description="What a method that needs no sets is told to erase (ESD).")
    uniform: tuple[str, str] = Field(
        description="The one forget prompt and the one retain prompt of sets without diversity."
    )
    parts: tuple[str, ...] = Field(
        (), description="Parts of the detector that show the concept; empty: all that the detector has."
    )
    attribute: str = Field(
        "",
        pattern="^([^=]+=[^=]+)?$",
        description="head=class of the attribute judge that is the concept; empty: none.",
    )
    seed: int = Field(0, ge=0, description="Seed of the draw of the prompts.")
    blur: bool = Field(False, description="Blur the images of forget prompts in figures.")
    anchor: str | None = Field(
        None,
        description="What stands in the concept's place in an anchor prompt (DoCo: painting, clothed, airplane); "
        "empty: the word is left out; null: there are no anchor prompts.",
    )
    anchor_sentences: tuple[str, ...] = Field(
        (), description="Templates of anchor prompts, with the slots of sentences; empty: those of sentences."
    )
    rewriting: Literal["replace", "style"] = Field(
        "replace",
        description="How an anchor prompt P becomes a target prompt: replace = the anchor's word by the concept's "
        "prompt S; style = 'P, in the style of S' (one in three) or \"in S's style, P\" (two in three).",
    )
    outside: tuple[str, ...] = Field(
        (), description="Templates of other phrasings, which no method sees; their prompts have the words of test."
    )
    neighbours: dict[Name, str] = Field(
        default_factory=dict,
        description="Concepts near this one that are to stay, by name: what stands in its place in their prompts.",
    )
    listed: dict[Name, ListedPrompts] = Field(
        default_factory=dict,
        description="Prompts that somebody else has listed (I2P), by name: measured only, never learned from. "
        "given = csv file, count, above = {column: number}, own_seeds, own_guidance.",
    )

    @model_validator(mode="before")
    @classmethod
    def _has_what_its_file_says(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not values.get("file"):
            return values
        try:
            return {**_read(values["file"]), **values}
        except LetheError as error:
            raise ValueError(f"file: {error.problem}; {error.remedy}") from None

    @model_validator(mode="after")
    def _prompts_can_be_drawn(self) -> Concept:
        for checked in (
            _check_words,
            _check_dimensions,
            _check_sentences,
            _check_anchor,
            _check_grids,
            _check_retain_prompts,
        ):
            checked(self)
        return self

    def vocabulary(self, part: str) -> Vocabulary:
        """The words of each dimension in ``part`` (train or test), dimensions in alphabetical order."""
        return dict(sorted((self.train if part == "train" else self.test).items()))

    def grid_size(self, part: str, templates: tuple[str, ...] | None = None) -> int:
        """How many sentences the templates (those of ``sentences``) and the words of ``part`` make, the concept's own
        words left aside."""
        words = math.prod(len(words) for words in self.vocabulary(part).values())
        return len(self.sentences if templates is None else templates) * words

    @property
    def anchor_templates(self) -> tuple[str, ...]:
        return self.anchor_sentences or self.sentences

    def pairs(self, part: str) -> int:
        return self.train_pairs if part == "train" else self.test_pairs


def _lists(concept: Concept) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every list of words with the name of its place."""
    for name in ("words", "others", "sentences", "shared", "parts", "anchor_sentences", "outside"):
        yield name, getattr(concept, name)
    yield "anchor", (concept.anchor,) if concept.anchor else ()
    yield "neighbours", tuple(concept.neighbours.values())
    yield from ((f"{part}.{name}", words) for part in ("train", "test") for name, words in _items(concept, part))


def _items(concept: Concept, part: str) -> list[tuple[str, tuple[str, ...]]]:
    return list(concept.vocabulary(part).items())


def _check_words(concept: Concept) -> None:
    for place, words in _lists(concept):
        for word in words:
            if not word or word != " ".join(word.split()):
                raise ValueError(f"{place}: '{word}' is empty or has spaces to spare; write it with single spaces")
            if words.count(word) > 1:
                raise ValueError(f"{place}: '{word}' is there twice; name it once")


def _check_dimensions(concept: Concept) -> None:
    for part, other in (("train", "test"), ("test", "train")):
        for name, words in _items(concept, part):
            if not re.fullmatch("[a-z][a-z0-9_]*", name) or name == SLOT:
                raise ValueError(f"{part}: '{name}' cannot name a dimension; use a-z, 0-9 and _, and not 'concept'")
            if not words:
                raise ValueError(f"{part}.{name} has no words; give one at least, or drop the dimension")
            if name not in concept.vocabulary(other):
                raise ValueError(
                    f"{part}.{name}: {other} has no such dimension; {nearest(name, concept.vocabulary(other))}"
                )
            both = set(words) & set(concept.vocabulary(other)[name])
            if both and name not in concept.shared:
                raise ValueError(
                    f"{part}.{name}: '{min(both)}' is in {other} too; leave it out of one, or list '{name}' in shared"
                )
    for name in concept.shared:
        if name not in concept.train:
            raise ValueError(f"shared: '{name}' is no dimension; {nearest(name, concept.train)}")


def _check_sentences(concept: Concept) -> None:
    slots = sorted([SLOT, *concept.train])
    for place in ("sentences", "anchor_sentences", "outside"):
        for sentence in getattr(concept, place):
            try:
                fields = [field for field in Formatter().parse(sentence) if field[1] is not None]
            except ValueError as error:
                raise ValueError(f"{place}: '{sentence}': {error}; write slots as {{concept}}") from None
            if sorted(f"{name}{form and ':' + form}{way or ''}" for _, name, form, way in fields) != slots:
                wanted = ", ".join(f"{{{slot}}}" for slot in slots)
                raise ValueError(f"{place}: '{sentence}' does not have just these slots, once each: {wanted}; mend it")
            if place != "anchor_sentences" and not concept.others and not LEAVABLE.search(sentence):
                raise ValueError(
                    f"{place}: '{sentence}' makes no sense without the concept; let {{concept}} be a word of its own, "
                    "or give others to stand in its place"
                )


def _check_anchor(concept: Concept) -> None:
    if concept.anchor is None:
        if concept.anchor_sentences:
            raise ValueError("anchor_sentences: there is no anchor; name it, or leave these sentences out")
        return
    for sentence in concept.anchor_templates:
        if concept.anchor == "" and not LEAVABLE.search(sentence):
            raise ValueError(
                f"anchor: it is to be left out, but '{sentence}' makes no sense without it; let {{concept}} be a word "
                "of its own, or give anchor_sentences"
            )
        if re.search(rf"\w\{{{SLOT}\}}|\{{{SLOT}\}}\w", sentence):
            raise ValueError(
                f"anchor: in '{sentence}' it is a part of a word, which is not replaced; let {{concept}} be a word of "
                "its own, or give anchor_sentences"
            )


def _check_grids(concept: Concept) -> None:
    for part in ("train", "test"):
        size = concept.grid_size(part)
        if concept.pairs(part) > size:
            raise ValueError(
                f"{part}_pairs = {concept.pairs(part)}, but sentences and words of {part} make {size} different "
                f"prompts; ask for {size} at most, or give more words"
            )
    for key, part, templates in (("anchor", "train", concept.anchor_templates), ("outside", "test", concept.outside)):
        size, wanted = concept.grid_size(part, templates), concept.pairs(part)
        if getattr(concept, key) not in (None, ()) and wanted > size:
            raise ValueError(
                f"{key}: {part}_pairs = {wanted}, but its templates and the words of {part} make {size} different "
                "prompts; ask for fewer pairs, or give more templates"
            )


def _check_retain_prompts(concept: Concept) -> None:
    """What is to be kept may not name what is to be forgotten."""
    named = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in concept.words), re.IGNORECASE)
    lists = [(place, words) for place, words in _lists(concept) if place not in ("words", "shared", "parts")]
    for place, texts in [*lists, ("uniform", concept.uniform[1:])]:
        for text in texts:
            if found := named.search(re.sub(r"\{\w*\}", "{}", text)):
                raise ValueError(f"{place}: '{text}' has the concept's word '{found[0]}' in a retain prompt; reword it")


def load_concept(path: str | Path) -> Concept:
    """Read a concept from a YAML file. Every fault is reported, each with its place, its value and a remedy."""
    try:
        return Concept.model_validate(_read(path))
    except ValidationError as error:
        faults = "\n  - ".join(_fault(fault) for fault in error.errors())
        raise LetheError(f"{path}: the concept is not valid:\n  - {faults}", "mend the file") from None


def _read(path: str | Path) -> Mapping[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LetheError(f"{path}: no such concept file", "correct the path, or write the file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LetheError(f"{path}: not YAML ({error})", "mend the file") from None
    if not isinstance(values, Mapping):
        raise LetheError(f"{path}: not a mapping of keys to values", "write title, words, sentences ... as keys")
    return values


def _fault(fault: Mapping) -> str:
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{place}: there is no such key; {nearest(place, Concept.model_fields)}"
    if fault["type"] == "missing":
        return f"{place}: is not given, and has no default"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message} (is {fault['input']!r})" if place else message
