"""One table, two ways to paste it: Markdown and LaTeX (booktabs)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

NOTHING = "–"  # noqa: RUF001
MINUS = "\N{MINUS SIGN}"

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "±": r"$\pm$",
    "×": r"$\times$",  # noqa: RUF001
    MINUS: "$-$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "–": "--",  # noqa: RUF001
}


class Text(NamedTuple):
    """A cell of a table."""

    words: str
    bold: bool = False
    italic: bool = False


class Group(NamedTuple):
    """A heading over ``span`` neighbouring columns; empty ``words`` for columns without one."""

    words: str
    span: int


@dataclass(frozen=True)
class Table:
    """Blocks of rows; a rule separates two blocks. The first ``left`` columns are flush left, the others centred.

    ``widths`` has for each column the share of the page's width at which LaTeX breaks its words into lines, or None
    for a column on one line; it is empty where all are. ``fitted``: LaTeX scales the table to the page's width.
    """

    caption: str
    label: str
    groups: Sequence[Group]
    columns: Sequence[str]
    blocks: Sequence[Sequence[Sequence[Text]]]
    notes: Sequence[str]
    left: int = 1
    widths: Sequence[float | None] = ()
    fitted: bool = False


def decimals_of(value: float) -> int:
    """Three decimals below 10 and four significant digits above, as the paper's tables have them."""
    if not math.isfinite(value) or abs(value) < 10:
        return 3
    return max(0, 3 - math.floor(math.log10(abs(value))))


def number(value: float, decimals: int) -> str:
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.removeprefix("-")
    return text.replace("-", MINUS)


def mean_and_std(mean: float, std: float | None, decimals: int) -> str:
    """``mean ± std``; the mean alone where there is no deviation."""
    return number(mean, decimals) if std is None else f"{number(mean, decimals)} ± {number(std, decimals)}"


def span_of(counts: Sequence[int]) -> str:
    """``450``, or ``440–450`` where they differ."""
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low}–{high}"  # noqa: RUF001


def as_markdown(table: Table) -> str:
    """The groups are the table's heading, since Markdown has one heading row; the columns' names follow in bold."""
    heading = [words for group in table.groups for words in (group.words, *[""] * (group.span - 1))]
    align = [":---" if index < table.left else ":---:" for index in range(len(table.columns))]
    names = [f"**{_markdown(name)}**" if name else "" for name in table.columns]
    if not any(heading):
        heading, names = list(table.columns), []
    lines = [f"**{_markdown(table.caption)}**", "", _line(map(_markdown, heading)), _line(align)]
    if names:
        lines.append(_line(names))
    lines += [_line(_markdown_cell(cell) for cell in row) for block in table.blocks for row in block]
    notes = [f"- {_markdown(note)}" for note in table.notes]
    return "\n".join([*lines, "", *notes, ""])


def _line(cells: object) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown(words: str) -> str:
    for special in "\\|*_<>":
        words = words.replace(special, "\\" + special)
    return words


def _markdown_cell(cell: Text) -> str:
    mark = "**" * cell.bold + "*" * cell.italic
    return f"{mark}{_markdown(cell.words)}{mark[::-1]}"


def as_latex(table: Table) -> str:
    """A floating table over both columns; needs the packages named in its first line."""
    columns = "".join(
        rf"p{{{width:g}\linewidth}}" if width else "l" if index < table.left else "c"
        for index, width in enumerate(table.widths or [None] * len(table.columns))
    )
    lines = [
        r"% needs \usepackage{booktabs,graphicx}" if table.fitted else r"% needs \usepackage{booktabs}",
        r"\begin{table*}",
        r"  \centering",
        rf"  \caption{{{latex(table.caption)}}}",
        rf"  \label{{{table.label}}}",
        r"  \footnotesize",
        r"  \setlength{\tabcolsep}{4pt}",
        *([r"  \resizebox{\linewidth}{!}{%"] if table.fitted else []),
        rf"  \begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"    \toprule",
        *_latex_groups(table.groups),
        _latex_line(latex(name) for name in table.columns),
    ]
    for block in table.blocks:
        lines.append(r"    \midrule")
        lines += [_latex_line(_latex_cell(cell) for cell in row) for row in block]
    notes = " ".join(latex(note) for note in table.notes)
    lines += [
        r"    \bottomrule",
        r"  \end{tabular}",
        *(["  }"] if table.fitted else []),
        rf"  \par\smallskip\parbox{{\linewidth}}{{\footnotesize {notes}}}",
        r"\end{table*}",
        "",
    ]
    return "\n".join(lines)


def _latex_groups(groups: Sequence[Group]) -> list[str]:
    if not any(group.words for group in groups):
        return []
    cells, rules, first = [], [], 1
    for group in groups:
        if group.words:
            cells.append(rf"\multicolumn{{{group.span}}}{{c}}{{{latex(group.words)}}}")
            rules.append(rf"\cmidrule(lr){{{first}-{first + group.span - 1}}}")
        else:
            cells += [""] * group.span
        first += group.span
    return [_latex_line(cells), "    " + " ".join(rules)]


def _latex_line(cells: object) -> str:
    return "    " + " & ".join(cells) + r" \\"


def _latex_cell(cell: Text) -> str:
    mean, sign, std = cell.words.partition(" ± ")
    # Seven columns of mean and deviation do not fit a page otherwise.
    words = latex(mean) + (rf"{{\scriptsize$\,\pm\,${latex(std)}}}" if sign else "")
    if cell.italic:
        words = rf"\emph{{{words}}}"
    return rf"\textbf{{{words}}}" if cell.bold else words


def latex(words: str) -> str:
    """Plain words with LaTeX's special characters and our symbols written its way."""
    return "".join(_LATEX.get(character, character) for character in words)
