"""Which tables and figures of a text study a preset has, and from which cells they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from lethe.config.shown_text import TextArtefacts
from lethe.plan.artefacts import NO_EQUAL, EqualTable, equal_table, first_cell, seen_by, without_twins
from lethe.plan.paper_text import comparability_options
from lethe.plan.study import Cell
from lethe.plan.text import TextPlan
from lethe.prompts import LISTED
from lethe.settings.concept import Concept


class TextArtefactPlan:
    """Tables 2 and 4 to 8, Figures 1, 3, 4, 5 and 8 to 11, the threshold curve and the cost of every row."""

    def __init__(self, plans: Mapping[str, TextPlan], shown: TextArtefacts) -> None:
        self.plan, self.shown, self.study = plans[shown.study], shown, shown.study
        self._plans = plans

    def tables(self) -> list[str]:
        flow = [] if self.shown.table7 is None else ["table7"]
        cost = ["cost"] if self.plan.unlearned else []
        return [*self.alignment_tables, *self.example_tables, *flow, *cost]

    def figures(self) -> list[str]:
        optional = {
            "figure1": self.shown.figure1,
            "figure3": self.shown.figure3,
            "figure4": self.shown.figure4,
            "threshold": self.shown.figure4,
            "figure5": self.shown.figure5,
        }
        retained = [f"figure{8 + number}" for number in range(len(self.shown.retained))]
        return ["tradeoff_text", *(name for name, rows in optional.items() if rows), *retained]

    @property
    def example_tables(self) -> dict[str, str]:
        """Tables 5 and 6 by name, with the paper's concept whose prompts they show: where a target stands for it."""
        of_tasks = {"nudity": ("table5", "nudity"), "artist": ("table6", "van_gogh")}
        shown = self.shown.published_as.values()
        return dict(table for task, table in of_tasks.items() if task in shown)

    @property
    def tradeoff_rows(self) -> list[str]:
        return list(self.shown.tradeoff or self.table2_rows)

    @property
    def table2_rows(self) -> list[str]:
        return list(self.shown.table2 or without_twins(self.plan, self.shown.equal_compute))

    @property
    def tradeoff_options(self) -> list[str]:
        """Titles of the rows and of the targets, and what says that a target is still there."""
        concepts = self.plan.study.targets
        seen = seen_by(self.plan, concepts)
        return [
            *("--variants", *self.plan.titled(self.tradeoff_rows)),
            *("--targets", *(f"{target}={concept.title}" for target, concept in concepts.items())),
            *(("--seen-by", *seen) if seen else ()),
        ]

    @property
    def alignment_tables(self) -> dict[str, AlignmentTable]:
        """Tables 2, 4 and 8 by name."""
        study, shown = self.plan.study, self.shown
        content = [] if shown.content is None else [shown.content]
        rows = self.table2_rows
        equal = equal_table(self.plan, rows, shown.equal_compute)
        tables = {"table2": self._alignment("table2", rows, list(study.targets), equal=equal)}
        if shown.table4:
            tables["table4"] = self._alignment("table4", list(shown.table4), content)
        if shown.table8:
            settings = {name: study.method_settings(name, shown.content) for name in shown.table8}
            every = study.targets[shown.content].train_pairs
            sizes = {name: given.pairs or every for name, given in settings.items() if hasattr(given, "pairs")}
            words = [f"{name}={size}" for name, size in sizes.items()]
            tables["table8"] = self._alignment("table8", list(shown.table8), content, ["--sizes", *words])
        return tables

    def _alignment(
        self,
        name: str,
        rows: list[str],
        targets: list[str],
        more: Sequence[str] = (),
        equal: EqualTable = NO_EQUAL,
    ) -> AlignmentTable:
        concepts = {target: self.plan.study.targets[target] for target in targets}
        seen = seen_by(self.plan, targets)
        published = [f"{target}={task}" for target, task in self.shown.published_as.items() if target in targets]
        renamed = [f"{ours}={theirs}" for ours, theirs in self.shown.published_rows.get(name, {}).items()]
        return AlignmentTable(
            records=self.plan.records(dict.fromkeys([*rows, *equal.twins]), targets),
            costs=equal.costs,
            options=[
                *("--variants", *self.plan.titled(rows)),
                *("--targets", *(f"{target}={concept.title}" for target, concept in concepts.items())),
                *(("--seen-by", *seen) if seen else ()),
                *(("--published-as", *published) if published else ()),
                *comparability_options(self.plan.study, self.plan.judging_study, targets),
                *(("--published-rows", *renamed) if renamed else ()),
                *more,
                *equal.options,
            ],
        )

    @property
    def table7(self) -> AlignmentTable:
        """Table 7, where it is shown: of a study of its own."""
        shown = self.shown.table7
        plan = self._plans[shown.study]
        return AlignmentTable(
            records=plan.records(shown.rows, [shown.target]),
            costs=[],
            options=[
                *("--study", shown.study),
                *("--variants", *plan.titled(shown.rows)),
                *("--target", f"{shown.target}={plan.study.targets[shown.target].title}"),
                *("--set", set_of(shown.counted_on)),
                *comparability_options(plan.study, plan.judging_study, [shown.target]),
            ],
        )

    @property
    def counted_set(self) -> str:
        """The prompt set whose images' detections Figure 4 and the threshold curve show."""
        return set_of(self.shown.counted_on)

    @property
    def detected_cells(self) -> list[Cell]:
        """The cells of Figure 4 and of the threshold curve."""
        return list(self.plan.cells(self.shown.figure4, [self.shown.content]))

    @property
    def grids(self) -> dict[str, Grid]:
        """The figures that show images beside their prompts, by name."""
        shown, content, style = self.shown, self.shown.content, self.shown.style
        found: dict[str, Grid] = {}
        if shown.figure1:
            columns = [{content: of_content, style: of_style} for of_content, of_style in shown.figure1]
            rows = [(target, part, 2) for target in (content, style) for part in ("forget_test", "retain_test")]
            found["figure1"] = self._grid(columns, rows)
        if shown.figure3:
            listed = shown.counted_on is not None
            rows = [(content, self.counted_set, 4)] if listed else []
            rows.append((content, "forget_test", 4 if listed else 8))
            found["figure3"] = self._grid([{content: name} for name in shown.figure3], rows)
        if shown.figure5:
            rows = [(style, "forget_test", 4), (style, "retain_test", 4)]
            found["figure5"] = self._grid([{style: name} for name in shown.figure5], rows)
        for number, name in enumerate(shown.retained):
            found[f"figure{8 + number}"] = self._grid([{content: name}], [(content, "retain_test", 16)], across=4)
        return found

    def _grid(
        self, columns: Sequence[Mapping[str, str]], rows: Sequence[tuple[str, str, int]], across: int | None = None
    ) -> Grid:
        """``columns`` say which variant is shown for each target, ``rows`` which prompts: target, set, how many."""
        study = self.plan.study
        targets = list(dict.fromkeys(target for target, _, _ in rows))
        cells = [first_cell(self.plan, t, column[t]) for t in targets for column in columns]
        shards = [(cell, shard) for cell in dict.fromkeys(cells) for shard in self.plan.shards(cell)]
        concepts = {target: study.targets[target] for target in targets}
        fewest = {(target, part): _prompts_in(concepts[target], part) for target, part, _ in rows}
        blurred = [target for target, concept in concepts.items() if concept.blur]
        return Grid(
            cells=[cell.name for cell, _ in shards],
            images=[shard for _, shard in shards],
            prompts={target: f"{self.plan.place(target)}/prompts.csv" for target in targets},
            options=[
                *("--rows", *(f"{target}:{part}:{min(count, fewest[target, part])}" for target, part, count in rows)),
                *("--titles", *self.plan.titled(dict.fromkeys(cell.variant for cell in cells))),
                *("--columns", *(self._column(column) for column in columns)),
                *("--targets", *(f"{target}={concept.title}" for target, concept in concepts.items())),
                *("--words", *(f"{target}={','.join(concept.words)}" for target, concept in concepts.items())),
                *(("--blur", *blurred) if blurred else ()),
                *(("--across", str(across)) if across else ()),
            ],
        )

    def _column(self, column: Mapping[str, str]) -> str:
        names = set(column.values())
        if len(names) == 1:
            return names.pop()
        # Two rows of one family in a column, such as ESD-u and ESD-x: what their titles share, else both.
        title = "/".join(dict.fromkeys(self.plan.study.title(name) for name in column.values()))
        return f"{title}={','.join(f'{target}:{name}' for target, name in column.items())}"


def set_of(listed: str | None) -> str:
    return "forget_test" if listed is None else f"{LISTED}{listed}"


def _prompts_in(concept: Concept, part: str) -> int:
    return concept.listed[part.removeprefix(LISTED)].count if part.startswith(LISTED) else concept.test_pairs


class AlignmentTable(NamedTuple):
    """What a table of alignment scores is made from: record files, cost files where it shows equal compute, and the
    options of the command."""

    records: list[str]
    costs: list[str]
    options: list[str]


class Grid(NamedTuple):
    """What a figure of images beside their prompts is made from: cells and their image files, one for one, the prompt
    files of its targets, and the other options of the command."""

    cells: list[str]
    images: list[str]
    prompts: dict[str, str]
    options: list[str]
