from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest

from lethe.artefacts.typeset import Group, Table, Text, as_markdown
from lethe.report.markdown import as_html
from lethe.report.markup import Markup, element, joined


class Parsed(HTMLParser):
    """The elements of some HTML in their order, the texts in it, and that each element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.names: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, name, _attributes):
        self.names.append(name)
        if name not in ("img", "br"):
            self._open.append(name)

    def handle_endtag(self, name):
        assert self._open.pop() == name

    def handle_data(self, text):
        if text.strip():
            self.texts.append(text)


def test_a_table_of_the_artefacts_stage_comes_back_cell_by_cell():
    rows = [[Text("a|b", italic=True), Text("1.0", bold=True)], [Text("<b>"), Text("−0.5")]]  # noqa: RUF001
    table = Table("A *caption*", "l", [Group("", 1), Group("rates", 1)], ["Method", "UA"], [rows], ["a_b"])
    parsed = Parsed(as_html(as_markdown(table), "label"))
    assert parsed.texts == ["A *caption*", "rates", "Method", "UA", "a|b", "1.0", "<b>", "−0.5", "a_b"]  # noqa: RUF001
    assert parsed.names.count("tr") == 4
    assert parsed.names.count("th") == 4
    assert parsed.names.count("em") == 1
    assert parsed.names.count("strong") == 2  # the caption and the best value


def test_a_card_keeps_headings_code_and_lists():
    text = '---\nhidden: true\n---\n\n# Title\n\nWords\nand *more*.\n\n- one\n- `two`\n\n```json\n{\n  "a": 1\n}\n```\n'
    parsed = Parsed(as_html(text, "label"))
    assert parsed.names == ["h4", "p", "em", "ul", "li", "li", "code", "div", "pre", "code"]
    assert "hidden" not in "".join(parsed.texts)
    assert '{\n  "a": 1\n}' in parsed.texts


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "| <img src=x onerror=y> | **<b>** |",
        "`<i>` *<u>*",
        "[a](javascript:alert(1))",
        'https://example.org/"onmouseover="x',
        "```\n</pre><script>\n```",
    ],
)
def test_html_in_markdown_stays_text(text):
    made = as_html(text, 'a "label" <b>')
    assert {"script", "img", "i", "b", "u"}.isdisjoint(Parsed(made).names)
    assert "javascript:" not in made.partition("href")[2]
    assert 'onmouseover="x' not in made


def test_an_element_escapes_text_and_attributes_but_no_markup():
    made = element("p", "a < b", [Markup("<br>"), "&"], title='"', data_x=1, hidden=True, lang=None)
    assert made == '<p title="&quot;" data-x="1" hidden>a &lt; b<br>&amp;</p>'
    assert html.unescape(joined("<", "&lt;")) == "<&lt;"
