"""How the page reads the csv files of tables that are not one number by row and metric."""

from __future__ import annotations

from pathlib import Path

import pytest

from lethe.errors import LetheError
from lethe.record import COLUMNS, Record
from lethe.report.headline import BY_PART, DIFFERENCES, Column, read_blocks
from lethe.report.number_cells import name_of, ours_in_words
from lethe.report.records import Records


def record(variant: str, metric: str, value: float, seed: int = 0) -> Record:
    given = {"study": "shapes", "target": "ring", "variant": variant, "metric": metric, "prompts": "retain_test"}
    return Record(**(dict.fromkeys(COLUMNS, "") | given | {"value": value, "seed": seed, "low": None, "high": None}))


def blocks(folder: Path, text: str, *records: Record):
    (folder / "table.csv").write_text("\n".join(line.strip() for line in text.strip().splitlines()) + "\n")
    return read_blocks(folder / "table.csv", Records(records), {"shapes": 0.95})


def test_a_line_of_two_numbers_is_two_columns_each_with_its_own_records(tmp_path):
    released = record("rgd_released", "AS_as_released", 0.7)
    (block,) = blocks(
        tmp_path,
        """study,target,variant,released_variant,title,quantity,better,prompts,metric,mean,released_metric,released_mean,\
formula,records,released_records
        shapes,ring,rgd,rgd_released,RGD,"AS, D_r,test",higher,retain_test,AS,0.8,AS_as_released,0.7,one,\
rgd AS@retain_test: ring/0,rgd_released AS_as_released@retain_test: ring/0""",
        released,
        record("rgd", "AS", 0.8),
    )
    fixed, as_released = (Column("AS, D_r,test", "retain_test", "higher", side) for side in ("fixed", "as released"))
    ((row),) = block.rows.values()
    assert {column: (held.value, held.records) for column, held in row.numbers.items()} == {
        fixed: (0.8, (1,)),
        as_released: (0.7, (0,)),
    }
    assert row.numbers[as_released].line["metric"] == "AS_as_released"


def test_differences_and_parts_stand_apart_and_rows_of_one_title_are_told_apart(tmp_path):
    made = blocks(
        tmp_path,
        """study,target,variant,against,title,metric,better,mean,low,high,verdict
        shapes,ring,rgd,,RGD,AS,higher,0.8,0.7,0.9,
        shapes,ring,rgd_equal,,RGD,AS,higher,0.7,,,
        shapes,ring,rgd,,RGD,count:STRIPED_RING,lower,3,,,
        shapes,ring,rgd,rg,RGD - RG,AS,higher,0.1,0.05,0.2,better""",
    )
    assert [block.part for block in made] == ["", BY_PART, DIFFERENCES]
    assert [row.title for row in made[0].rows.values()] == ["RGD", "RGD (rgd_equal)"]
    ((difference),) = made[2].rows.values()
    assert (difference.says, difference.variants) == ("better", ("rgd", "rg"))


def test_an_interval_is_that_of_the_records_where_the_table_has_none_but_never_of_a_difference(tmp_path):
    records = [record("rgd", "AS", value, seed) for seed, value in enumerate((0.7, 0.8, 0.9))]
    (block,) = blocks(
        tmp_path,
        """study,target,variant,title,metric,better,mean,p_value,records
        shapes,ring,rgd,RGD,AS,higher,0.8,,rgd AS@retain_test: ring/0 ring/1 ring/2
        shapes,ring,rg,RG,AS,higher,0.8,0.5,rgd AS@retain_test: ring/0 ring/1 ring/2""",
        *records,
    )
    mean, difference = (next(iter(row.numbers.values())) for row in block.rows.values())
    assert (mean.low, mean.high) == pytest.approx((0.8 - 0.2484138, 0.8 + 0.2484138))  # t(2) 4.302653 * 0.1 / sqrt(3)
    assert difference.low is None


@pytest.mark.parametrize(
    ("metric", "line", "better", "expected"),
    [
        ("peak_memory_bytes", "832655360.0,57926.2,,", "", "832.7 ± 0.1"),
        ("steps", "120.0,0.0,,", "", "120"),
        ("cosine", "-0.39,,-0.502,-0.279", "", "−0.390 [−0.502, −0.279]"),  # noqa: RUF001
        ("RA", "1.0,0.0,,", "higher", "1.000 ± 0.000"),
        ("detections", "47.0,,43.0,48.0", "lower", "47 [43, 48]"),
        ("detections", "46.5,0.7,,", "lower", "46.50 ± 0.70"),
    ],
)
def test_numbers_are_printed_as_tables_print_them(tmp_path, metric, line, better, expected):
    (block,) = blocks(
        tmp_path, f"study,variant,title,metric,better,mean,std,low,high\nshapes,a,A,{metric},{better},{line}"
    )
    ((row),) = block.rows.values()
    ((column, held),) = row.numbers.items()
    assert ours_in_words(column, held) == expected


def test_columns_have_readable_names():
    names = {"kept:all": "kept ↑", "count:STRIPED_RING": "striped ring ↑", "peak_memory_bytes": "peak memory, MB ↑"}
    assert {metric: name_of(Column(metric, "", "higher")) for metric in names} == names


def test_a_line_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(LetheError, match=r"table\.csv, line 2: 'rgd AS' names no records"):
        blocks(tmp_path, "study,title,variant,metric,mean,records\nshapes,RGD,rgd,AS,0.8,rgd AS")
