"""What stands in the documents: links, headings, blocks of code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from checkout import REPOSITORY

FOLDERS = (".", "docs", "profiles", "benchmarks")
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language ("" for commands), its text without the indentation of the fence, its first line."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Document:
    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.relative_to(REPOSITORY).as_posix()

    @property
    def blocks(self) -> list[Block]:
        return [
            Block(
                found[2],
                re.sub(f"^{found[1]}", "", found[3], flags=re.MULTILINE),
                self.text[: found.start()].count("\n") + 2,
            )
            for found in _FENCED.finditer(self.text)
        ]

    @property
    def prose(self) -> str:
        """The text without its blocks and its inline code."""
        return re.sub(r"`[^`\n]*`", "", _FENCED.sub("", self.text))

    @property
    def links(self) -> list[str]:
        """Targets of links and images, but for those of the web."""
        found = re.findall(r"\]\(([^)\s]+)\)", self.prose) + re.findall(r'(?:src|href)="([^"]+)"', self.prose)
        return [target for target in found if not re.match(r"[a-z]+:", target)]

    @property
    def anchors(self) -> set[str]:
        """What a link to a heading is called, as GitHub makes it of the heading."""
        headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", self.text), re.MULTILINE)
        plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
        return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in plain}


def documents() -> list[Document]:
    """All Markdown documents for users."""
    paths = [path for folder in FOLDERS for path in sorted((REPOSITORY / folder).glob("*.md"))]
    return [Document(path, path.read_text(encoding="utf-8")) for path in paths]


def document(name: str) -> Document:
    path = REPOSITORY / name
    return Document(path, path.read_text(encoding="utf-8"))
