"""The paper's own numbers, which stand beside ours."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from lethe.artefacts.rows import Metric
from lethe.artefacts.typeset import NOTHING, Text, decimals_of, number
from lethe.errors import LetheError


class Published(NamedTuple):
    """A number of the paper; ``std`` None where the paper gives none."""

    value: float
    std: float | None
    task: str


def read_published(path: str | Path, artefact: str, task: str | None = None) -> dict[tuple[str, str], Published]:
    """The paper's numbers of one artefact, and of one task where it has several, by (method, metric)."""
    try:
        with Path(path).open(newline="", encoding="utf-8") as stream:
            return {
                (row["method"], row["metric"]): Published(
                    float(row["value"]), float(row["std"]) if row["std"] else None, row["task"]
                )
                for row in csv.DictReader(stream)
                if row["artefact"] == artefact and task in (None, row["task"])
            }
    except FileNotFoundError:
        raise LetheError(f"{path}: no such file", "give workflow/published/paper_values.csv") from None
    except (KeyError, ValueError) as error:
        raise LetheError(f"{path}: not a table of published values ({error})", "restore the file") from None


def paper_cell(published: Mapping[tuple[str, str], Published], method: str, metric: Metric) -> Text:
    paper = published.get((method, metric.published or ""))
    if paper is None:
        return Text(NOTHING)
    value = number(paper.value, decimals_of(paper.value))
    return Text(value if paper.std is None else f"{value} ± {number(paper.std, decimals_of(paper.std))}")
