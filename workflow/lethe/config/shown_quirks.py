"""Which rows the table quirks compares: each evaluated here, and evaluated as released."""

from __future__ import annotations

from collections.abc import Mapping

from lethe.config.shown import check_rows
from lethe.config.studies import Study
from lethe.errors import nearest

Quirks = dict[str, dict[str, str]]
"""By study, the row that is evaluated as released beside each row."""


def check_quirks(quirks: Quirks, studies: Mapping[str, Study]) -> None:
    """Raise ValueError where a row or its counterpart is not there, or is no counterpart."""
    for name, rows in quirks.items():
        place = f"artefacts.quirks.{name}"
        if name not in studies:
            raise ValueError(f"{place}: there is no study '{name}'; {nearest(name, studies)}")
        study = studies[name]
        check_rows(study, name, "artefacts.quirks", {name: rows})
        check_rows(study, name, "artefacts.quirks", {name: rows.values()}, quirks=True)
        for row, released in rows.items():
            methods = study.row(row).method, study.row(released).method
            if not study.as_released(released):
                raise ValueError(
                    f"{place}.{row}: '{released}' is not evaluated as released; give it evaluation: as_released"
                )
            if methods[0] != methods[1]:
                raise ValueError(
                    f"{place}.{row}: '{released}' is {methods[1]}, the row is {methods[0]}; name one method"
                )
            if not set(study.targets_of(row)) & set(study.targets_of(released)):
                raise ValueError(f"{place}.{row}: it shares no target with '{released}'; give them one")
