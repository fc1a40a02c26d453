"""The commands that the documentation tells its readers to type: in fenced and indented blocks, and in inline code.

What cannot be run here stands directly below the line ``<!-- needs a GPU -->`` (``downloads``, ``a cluster``), in a
block or a paragraph, or has this comment in its own line.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NEEDS = ("a GPU", "downloads", "a cluster")
# What a line of a block without a language must begin with, for all its lines to be commands.
PROGRAMS = ("make", "snakemake", "python", "git", "cd", "cp", "cat", ".venv/bin/", "hf", "pip", "export")
_INLINE = ("make ", "snakemake ", "python -m lethe", ".venv/bin/")
_SETTINGS = r"(?:[A-Z_]+=\S+ +)*"
_IS_COMMAND = re.compile(rf"{_SETTINGS}(?:{'|'.join(re.escape(word) for word in PROGRAMS)})(?:(?<=/)|\s|$)")
_MARK = re.compile(r"<!-- needs (.*?) -->")
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}.*\n|\n(?= {4}))+", re.MULTILINE)
_SAVED = re.compile(
    r"^Save this as `(?P<name>[^`]+)`(?:(?!```).)*?```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


@dataclass(frozen=True)
class Command:
    """A command as it is written; ``needs`` what it cannot be run without, empty where it can be run. ``in_block``: it
    is to be typed, and not only mentioned in a sentence."""

    file: str
    line: int
    text: str
    needs: str = ""
    in_block: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def commands_of(path: Path, name: str) -> list[Command]:
    """All commands of a document, in its order; ``name`` is what they call it."""
    text = path.read_text(encoding="utf-8")
    found = [*_in_blocks(text, name), *_inline(_without_blocks(text), name)]
    return sorted(found, key=lambda command: command.line)


def saved_files_of(path: Path) -> dict[str, str]:
    """The files that a reader is told to save ("Save this as `NAME` ..."): the block that comes next."""
    blocks = _SAVED.finditer(path.read_text(encoding="utf-8"))
    return {block["name"]: block["text"] for block in blocks}


def _in_blocks(text: str, name: str) -> Iterator[Command]:
    for block in _FENCE.finditer(text):
        yield from _of_block(text, name, block.start(2), block[2], block[1])
    fenceless = _FENCE.sub(lambda block: re.sub(r"[^\n]", "-", block[0]), text)
    for block in _INDENTED.finditer(fenceless):
        yield from _of_block(text, name, block.start(), block[0], "")


def _of_block(text: str, name: str, start: int, block: str, language: str) -> Iterator[Command]:
    lines = _whole_lines(block)
    is_shell = language in ("sh", "bash", "console")
    if not is_shell and (language or not any(_IS_COMMAND.match(line) for _, line in lines)):
        return
    before = text[:start].rstrip("\n").splitlines()
    if before and before[-1].lstrip().startswith("```"):
        before.pop()
    while before and not before[-1].strip():
        before.pop()
    needs = _needed(before[-1] if before else "", name)
    first = text.count("\n", 0, start) + 1
    for offset, line in lines:
        words = _uncommented(line)
        if words:
            yield Command(name, first + offset, words, needs, in_block=True)


def _whole_lines(block: str) -> list[tuple[int, str]]:
    """The lines with their numbers, those joined that end with a backslash."""
    whole: list[tuple[int, str]] = []
    goes_on = False
    for number, line in enumerate(block.splitlines()):
        line = line.strip()
        if goes_on:
            first, begun = whole.pop()
            whole.append((first, f"{begun.removesuffix(chr(92)).rstrip()} {line}"))
        elif line:
            whole.append((number, line))
        goes_on = line.endswith("\\")
    return whole


def _uncommented(line: str) -> str:
    """The line up to a ``#`` that begins a word outside quotes."""
    for mark in re.finditer(r"(?:^|(?<=\s))#", line):
        try:
            shlex.split(line[: mark.start()])
        except ValueError:
            continue
        return line[: mark.start()].strip()
    return line


def _without_blocks(text: str) -> str:
    """The text with its blocks emptied, line for line."""

    def emptied(block: re.Match[str]) -> str:
        return "\n" * block[0].count("\n")

    return _INDENTED.sub(emptied, _FENCE.sub(emptied, text))


def _inline(text: str, name: str) -> Iterator[Command]:
    for code in _CODE.finditer(text):
        words = " ".join(code[1].split())
        if f"{words} ".startswith(_INLINE):
            yield Command(name, text.count("\n", 0, code.start()) + 1, words, _mark_of(text, code.start(), name))


def _mark_of(text: str, place: int, name: str) -> str:
    """What the line at ``place``, or the line before its paragraph, says that it needs."""
    start = text.rfind("\n", 0, place) + 1
    line = text[start : text.find("\n", place) if "\n" in text[place:] else None]
    paragraph = text[:start].rsplit("\n\n", 1)[-1].splitlines()
    above = paragraph[0] if paragraph and paragraph[0].startswith("<!--") else ""
    return _needed(line, name) or _needed(above, name)


def _needed(line: str, name: str) -> str:
    mark = _MARK.search(line)
    if mark is None:
        return ""
    if mark[1] not in NEEDS:
        raise ValueError(f"{name}: <!-- needs {mark[1]} -->: say one of: {', '.join(NEEDS)}")
    return mark[1]
