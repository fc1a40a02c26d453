"""HTML made of elements, in which every text is escaped: prompts and titles come from a user's configuration."""

from __future__ import annotations

import html
from collections.abc import Iterable

_VOID = {"img", "br", "input"}


class Markup(str):
    """Text that is HTML already."""


Child = str | Iterable["Child"] | None


def element(name: str, *children: Child, **attributes: str | bool | int | None) -> Markup:
    """``name`` with its attributes (``class_`` for class, ``data_x`` for data-x; None and False are left out, True
    stands alone) and its children, in which all that is not :class:`Markup` is escaped."""
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        dashed = key.rstrip("_").replace("_", "-")
        words.append(dashed if value is True else f'{dashed}="{html.escape(str(value))}"')
    opened = f"<{' '.join(words)}>"
    return Markup(opened if name in _VOID else f"{opened}{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    return Markup("".join(_text(child) for child in children))


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str):
        return html.escape(child)
    return "".join(_text(part) for part in child)


def scrolling(label: str, *children: Child) -> Markup:
    """What may be wider than a phone: it scrolls in a box of its own, by keyboard too."""
    return element("div", *children, class_="scroll", tabindex="0", role="region", aria_label=label)


def folded(summary: Child, *children: Child, is_open: bool = False, **attributes: str | None) -> Markup:
    return element("details", element("summary", summary), *children, open=is_open, **attributes)
