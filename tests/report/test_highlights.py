from __future__ import annotations

from lethe.report.headline import Block, Column, Number, Row
from lethe.report.highlights import findings, section
from lethe.report.number_cells import NumberCells
from lethe.report.numbers import Numbers

FORGOTTEN, KEPT = Column("UA", "", "higher"), Column("FD", "", "lower")


def number(value: float, half: float | None) -> Number:
    low, high = (None, None) if half is None else (value - half, value + half)
    return Number(value, None, low, high, "", None, (), {})


def block(**rows: tuple[str, float, float, float, float | None]) -> Block:
    made = Block("digits", "", "", [FORGOTTEN, KEPT])
    for name, (role, forgotten, within, kept, half) in rows.items():
        numbers = {FORGOTTEN: number(forgotten, within), KEPT: number(kept, half)}
        made.rows[(name,)] = Row(name, name, role, numbers=numbers)
    return made


def told(made: Block) -> list[tuple[str, bool, list[str], list[str], list[str]]]:
    titles = lambda rows: [row.title for row in rows]  # noqa: E731
    return [
        (found.column.metric, found.is_kept, titles(found.best), titles(found.level), titles(found.apart))
        for found in findings(made)
    ]


def test_what_was_kept_is_compared_among_those_that_forgot_most():
    made = block(
        retrained=("control", 1.0, 0.0, 0.1, 0.1),
        finetune=("method", 0.1, 0.05, 0.2, 0.1),
        salun=("method", 0.95, 0.06, 2.5, 0.3),
        rg=("method", 1.0, 0.0, 2.0, 0.3),
        rgd=("method", 0.9998, 0.0004, 1.0, 0.3),
    )
    assert told(made) == [
        ("UA", False, ["rg", "rgd"], ["salun"], ["finetune"]),
        ("FD", True, ["rgd"], [], ["salun", "rg"]),
    ]


def test_without_an_interval_nothing_is_told_apart():
    made = block(rg=("method", 1.0, 0.1, 2.0, None), rgd=("method", 0.95, 0.1, 1.0, None))
    assert told(made)[1] == ("FD", True, ["rgd"], ["rg"], [])


def test_one_method_is_not_called_the_best():
    assert told(block(rgd=("method", 1.0, 0.1, 1.0, None), base=("control", 0.0, 0.1, 0.0, None))) == []


def test_a_count_is_printed_as_in_its_table():
    found = Column("detections", "forget_test", "lower")
    made = Block("shapes3", "stripes", "", [found])
    for name, value in {"esd": 8.0, "rgd": 0.0}.items():
        made.rows[(name,)] = Row(name, name, "method", numbers={found: number(value, None)})
    cells = NumberCells(Numbers())
    told = [cells.cells("table7", made, row, found) for row in made.rows.values()]
    assert ">0</button>" in told[1]
    assert ">0</button>" in section([("shapes3", made)], cells)
