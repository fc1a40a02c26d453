"""The numbers of the page that tell their protocol, each known by its place among them."""

from __future__ import annotations

from typing import Any

from lethe.report.markup import Markup, element


class Numbers:
    """What the page tells of each number; ``data-number`` of a button is a place in ``told``."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def add(self, told: dict[str, Any]) -> int:
        """Its place; what is empty is left out."""
        self.told.append({key: value for key, value in told.items() if value not in ("", None, [])})
        return len(self.told) - 1

    def button(self, words: str, place: int) -> Markup:
        return element("button", words, type="button", class_="number", data_number=place)


def record_button(words: str, place: int) -> Markup:
    """Of a number that is one record, by its place among all."""
    return element("button", words, type="button", class_="number", data_record=place)
