"""Reading a trajectory: what the unlearn stage wrote for each step."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lethe.errors import LetheError


def read_steps(path: str | Path, columns: Iterable[str]) -> pd.DataFrame:
    """The named ``columns`` as float64, one row a step; a blank cell (no such loss or gradient) is NaN."""
    wanted = list(columns)
    remedy = "give a trajectory.csv of the unlearn stage, or run that stage again"
    if not Path(path).is_file():
        raise LetheError(f"{path}: no such file", remedy)
    try:
        table = pd.read_csv(path)
        missing = [name for name in wanted if name not in table.columns]
        if missing:
            raise LetheError(f"{path}: a trajectory has the column '{missing[0]}', this file has not", remedy)
        table = table[wanted].astype("float64")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, ValueError) as error:
        raise LetheError(f"{path}: not a trajectory ({error})", remedy) from None
    if table.empty:
        raise LetheError(f"{path}: no step was made", "leave this cell out: a control has no trajectory")
    return table
