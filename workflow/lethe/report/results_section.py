"""The front page: the tables of results, beside the paper's with a verdict on each number; then all other tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from lethe.plan import Plan
from lethe.report import highlights, words
from lethe.report.headline import Block, Column, Row, read_blocks
from lethe.report.markdown import as_html
from lethe.report.markup import Markup, element, folded, joined, scrolling
from lethe.report.number_cells import NumberCells, heading_of, name_in_paper
from lethe.report.numbers import Numbers
from lethe.report.records import Records
from lethe.report.shelf import Shelf
from lethe.report.verdict import RULE, SIGNS, WORDS

# Read first; the others are folded.
_FIRST = ("table1", "paired", "table2", "table7", "doco", "outside", "laboratory")
# What "What came out" is made from.
_HEADLINES = ("table1", "table2", "table7")
_CONTROLS = ("control", "real images")


class ResultsSection:
    """Its HTML, ``highlights`` before it; what its numbers tell is kept in ``numbers``."""

    def __init__(self, plan: Plan, records: Records, shelf: Shelf, numbers: Numbers) -> None:
        self._plan = plan
        self._cells = NumberCells(numbers)
        first, folds, headlines = [], [], []
        confidence = {name: study.study.measures.confidence for name, study in plan.studies.items()}
        for path in shelf.those_there(path for path in plan.tables() if path.endswith(".csv")):
            name = Path(path).stem
            blocks = read_blocks(path, records, confidence)
            whole = path.removesuffix("csv") + "md"
            text = Path(whole).read_text(encoding="utf-8") if shelf.has(whole) else ""
            made = self._by_number(name, blocks, text) if blocks else as_html(text, words.table_title(name))
            study = study_of(plan, name)
            if name in _HEADLINES:
                headlines += blocks
            if name in _FIRST:
                title = element("h3", words.table_title(name))
                first.append(element("section", title, made, class_="table", data_study=study, id=f"table-{name}"))
            elif blocks or text:
                folds.append(
                    folded(words.table_title(name), made, class_="table", data_study=study, id=f"table-{name}")
                )
        self.highlights = highlights.section([(self._heading(block), block) for block in headlines], self._cells)
        self.html = joined(first, element("h3", "More tables") if folds else None, folds)

    @property
    def verdicts(self) -> Counter[str]:
        return self._cells.verdicts

    def _by_number(self, name: str, blocks: Sequence[Block], text: str) -> Markup:
        before = Counter(self.verdicts)
        made = [self._block(name, block) for block in blocks]
        counted = Counter(self.verdicts)
        counted.subtract(before)
        told = ", ".join(f"{counted[code]} {WORDS[code]}" for code in WORDS if counted[code])
        summary = element("p", f"Against the paper: {told}.", class_="summary") if told else None
        notes = folded("Notes", as_html(notes_of(text), words.table_title(name))) if notes_of(text) else None
        return joined(summary, made, notes)

    def _block(self, name: str, block: Block) -> Markup:
        heading = ", ".join(filter(None, (self._heading(block), block.part)))
        label = f"{words.table_title(name)}: {heading}"
        table = element(
            "table",
            element("thead", _headings(block)),
            element("tbody", (self._row(name, block, row) for row in block.rows.values())),
            class_="headline",
        )
        caption = element("h4", heading)
        study = block.study if block.study in self._plan.studies else None
        target = block.target if study else None
        return element("div", caption, scrolling(label, table), data_study=study, data_target=target or None)

    def _heading(self, block: Block) -> str:
        study = self._plan.studies.get(block.study)
        known = study is not None and block.target in study.study.target_names()
        target = words.target_title(study, block.target) if known else block.target
        return ", ".join(filter(None, (block.study, target)))

    def _methods_of(self, study: str, row: Row) -> str | None:
        """What the filter goes by, with spaces between; a row without a method is left out by every choice of one."""
        if row.method or study not in self._plan.studies:
            return row.method or row.role or None
        known = self._plan.studies[study].study
        return " ".join(known.row(name).method for name in row.variants if name in known.rows) or row.role or None

    def _row(self, name: str, block: Block, row: Row) -> Markup:
        title = element("em", row.title) if row.role in _CONTROLS else row.title
        says = element("small", row.says) if row.says else None
        cells = [self._cells.cells(name, block, row, column) for column in block.columns]
        method = self._methods_of(block.study, row)
        return element("tr", element("th", title, says, scope="row"), cells, data_method=method)


def study_of(plan: Plan, artefact: str) -> str | None:
    """The study that a table or figure shows, where it is one."""
    if plan.text is not None and plan.text.shown.table7 is not None and artefact == "table7":
        return plan.text.shown.table7.study
    shown = [
        part.study
        for part in (plan.classes, plan.text, plan.doco)
        if part is not None and artefact in (*part.tables(), *part.figures())
    ]
    return shown[0] if len(shown) == 1 else None


def notes_of(text: str) -> str:
    """The Markdown of a table without the table: its caption and its notes."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("|"))


def legend(found: Container[str]) -> Markup:
    """The signs of the verdicts that there are, and the rule."""
    signs = [
        element("li", element("span", SIGNS[code], class_=f"verdict {code}", aria_hidden="true"), f" {WORDS[code]}")
        for code in WORDS
        if code in found
    ]
    return joined(element("ul", signs, class_="legend", aria_label="Signs of the verdicts"), element("p", RULE))


def _headings(block: Block) -> Iterator[Markup]:
    names_of_cells = [_cells_of(block, column) for column in block.columns]
    names = [
        element(
            "th",
            heading_of(block, column),
            colspan=len(cells) if len(cells) > 1 else None,
            scope="colgroup",
            title=words.metric_means(column.metric) or None,
            class_="first",
        )
        for column, cells in zip(block.columns, names_of_cells, strict=True)
    ]
    lines = 2 if block.has_paper else None
    yield element("tr", element("th", "Method", rowspan=lines, scope="col"), names)
    if block.has_paper:
        yield element("tr", (_second_line(cells) for cells in names_of_cells))


def _cells_of(block: Block, column: Column) -> list[str]:
    has_ours, has_paper = block.has_ours_in(column), block.has_paper_in(column)
    theirs = f"paper{name_in_paper(block, column)}"
    return ["ours"] * has_ours + [theirs] * has_paper + ["difference"] * (has_ours and has_paper) or ["ours"]


def _second_line(cells: Sequence[str]) -> list[Markup]:
    return [element("th", name, scope="col", class_=None if place else "first") for place, name in enumerate(cells)]
