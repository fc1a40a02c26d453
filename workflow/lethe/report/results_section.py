"""The front page: the tables of results, beside the paper's with a verdict on each number; then all other tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import Any

from lethe.artefacts.typeset import decimals_of, mean_and_std, number
from lethe.plan import Plan
from lethe.report import words
from lethe.report.headline import Block, Column, Number, Row, read_blocks
from lethe.report.markdown import as_html
from lethe.report.markup import Markup, element, folded, joined, scrolling
from lethe.report.records import Records
from lethe.report.shelf import Shelf
from lethe.report.verdict import RULE, SIGNS, WORDS

# Read first; the others are folded.
_FIRST = ("table1", "table2", "table7", "doco", "outside", "laboratory")


_COUNTS = ("detections",)
_CONTROLS = ("control", "real images")


class ResultsSection:
    """Its HTML, and the numbers in it with what their protocol says: ``data-number`` is a place among ``numbers``."""

    def __init__(self, plan: Plan, records: Records, shelf: Shelf) -> None:
        self._plan, self._records = plan, records
        self.numbers: list[dict[str, Any]] = []
        self.verdicts: Counter[str] = Counter()
        first, folds = [], []
        confidence = {name: study.study.measures.confidence for name, study in plan.studies.items()}
        for path in shelf.those_there(path for path in plan.tables() if path.endswith(".csv")):
            name = Path(path).stem
            blocks = [block for block in read_blocks(path, records, confidence) if block.columns]
            whole = path.removesuffix("csv") + "md"
            text = Path(whole).read_text(encoding="utf-8") if shelf.has(whole) else ""
            made = self._by_number(name, blocks, text) if blocks else as_html(text, words.table_title(name))
            study = study_of(plan, name)
            if name in _FIRST:
                title = element("h3", words.table_title(name))
                first.append(element("section", title, made, class_="table", data_study=study, id=f"table-{name}"))
            elif text:
                folds.append(
                    folded(words.table_title(name), made, class_="table", data_study=study, id=f"table-{name}")
                )
        self.html = joined(first, element("h3", "More tables") if folds else None, folds)

    def _by_number(self, name: str, blocks: Sequence[Block], text: str) -> Markup:
        before = Counter(self.verdicts)
        made = [self._block(name, block) for block in blocks]
        counted = Counter(self.verdicts)
        counted.subtract(before)
        told = ", ".join(f"{counted[code]} {WORDS[code]}" for code in WORDS if counted[code])
        summary = element("p", f"Against the paper: {told}.", class_="summary") if told else None
        whole = folded("The whole table with its notes", as_html(text, words.table_title(name))) if text else None
        return joined(summary, made, whole)

    def _block(self, name: str, block: Block) -> Markup:
        study = self._plan.studies.get(block.study)
        known = study is not None and block.target in study.study.target_names()
        target = words.target_title(study, block.target) if known else block.target
        heading = ", ".join(filter(None, (block.study, target, f"at {block.at}" if block.at else "")))
        label = f"{words.table_title(name)}: {heading}"
        table = element(
            "table",
            element("thead", _headings(block)),
            element("tbody", (self._row(name, block, row) for row in block.rows.values())),
            class_="headline",
        )
        caption = element("h4", heading)
        return element(
            "div", caption, scrolling(label, table), data_study=block.study, data_target=block.target or None
        )

    def _row(self, name: str, block: Block, row: Row) -> Markup:
        title = element("th", element("em", row.title) if row.role in _CONTROLS else row.title, scope="row")
        cells = [self._cells(name, block, row, column) for column in block.columns]
        return element("tr", title, cells, data_method=row.method or row.role)

    def _cells(self, name: str, block: Block, row: Row, column: Column) -> Markup:
        has_paper = block.has_paper_in(column)
        held = row.numbers.get(column)
        if held is None or (held.value is None and held.paper is None):
            return joined(element("td", "–", class_="first"), [element("td")] * (2 * has_paper))  # noqa: RUF001
        place = len(self.numbers)
        self.numbers.append(self._protocol(name, block, row, column, held))
        ours = element("button", _ours(column, held), type="button", class_="number", data_number=place)
        cells = [element("td", ours if held.value is not None else "–", class_="first", data_number=place)]  # noqa: RUF001
        if has_paper:
            cells += [
                element("td", _paper(held), class_="paper", data_number=place),
                element("td", self._difference(held), class_="difference", data_number=place),
            ]
        return joined(cells)

    def _difference(self, held: Number) -> Markup:
        if held.difference is None or held.verdict is None:
            return Markup("")
        code, _ = held.verdict
        self.verdicts[code] += 1
        text = number(held.difference, decimals_of(held.value or 0.0))
        sign = element("span", SIGNS[code], aria_hidden="true")
        told = element("span", sign, element("span", WORDS[code], class_="unseen"), class_=f"verdict {code}")
        return joined(f"+{text} " if held.difference > 0 else f"{text} ", told)

    def _protocol(self, name: str, block: Block, row: Row, column: Column, held: Number) -> dict[str, Any]:
        """What the page tells of a number; of what is in its records only their places."""
        line = held.line
        told: dict[str, Any] = {
            "of": row.title,
            "study": block.study,
            "target": block.target or line.get("targets", ""),
            "metric": column.metric,
            "prompts": column.prompts,
            "at": block.at,
            "value": held.value,
            "std": held.std,
            "low": held.low,
            "high": held.high,
            "interval": held.interval,
            "file": f"tables/{name}.csv",
            "records": list(held.records),
        }
        if not held.records:  # real images, or records that are not there: what the table itself says
            told |= {key: line.get(key, "") for key in ("judge", "judge_sha256", "features", "seeds")}
            told["n"] = line.get("images_min") or line.get("images") or ""
        if held.paper is not None:
            artefact = held.paper.artefact or name
            task = f", {held.paper.task}" if held.paper.task else ""
            told["paper"] = {
                "value": held.paper.value,
                "std": held.paper.std,
                "from": f"{words.number_of(artefact)} of the RGD paper{task}",
            }
        if held.verdict is not None:
            told |= {"difference": held.difference, "verdict": f"{WORDS[held.verdict[0]]}: {held.verdict[1]}"}
        return {key: value for key, value in told.items() if value not in ("", None, [])}


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


def legend(found: Container[str]) -> Markup:
    """The signs of the verdicts that there are, and the rule."""
    signs = [
        element("li", element("span", SIGNS[code], class_=f"verdict {code}", aria_hidden="true"), f" {WORDS[code]}")
        for code in WORDS
        if code in found
    ]
    return joined(element("ul", signs, class_="legend", aria_label="Signs of the verdicts"), element("p", RULE))


def _headings(block: Block) -> Iterator[Markup]:
    columns = block.columns
    spans = [3 if block.has_paper_in(column) else 1 for column in columns]
    names = [
        element(
            "th",
            _title(column),
            colspan=span if span > 1 else None,
            scope="colgroup",
            title=_means(column),
            class_="first",
        )
        for column, span in zip(columns, spans, strict=True)
    ]
    lines = 2 if block.has_paper else None
    yield element("tr", element("th", "Method", rowspan=lines, scope="col"), names)
    if not block.has_paper:
        return
    yield element(
        "tr",
        (
            [element("th", "ours", scope="col", class_="first")]
            + [element("th", words, scope="col") for words in ("paper", "difference")] * (span > 1)
            for span in spans
        ),
    )


def _title(column: Column) -> Markup:
    arrow = {"higher": " ↑", "lower": " ↓"}.get(column.better, "")
    prompts = element("small", words.prompts_title(column.prompts)) if column.prompts else None
    return joined(f"{column.metric}{arrow}", prompts)


def _means(column: Column) -> str | None:
    return words.metric_means(column.metric) or None


def _ours(column: Column, held: Number) -> str:
    value = held.value or 0.0
    is_count = column.metric in _COUNTS and value.is_integer() and held.std is None
    return number(value, 0) if is_count else mean_and_std(value, held.std, decimals_of(value))


def _paper(held: Number) -> str:
    return "" if held.paper is None else mean_and_std(held.paper.value, held.paper.std, decimals_of(held.paper.value))
