"""Which rows have a twin that was given as much compute as another row."""

from __future__ import annotations

from pydantic import Field

from lethe.config.shown import check_rows
from lethe.config.studies import Study
from lethe.methods.method import Control
from lethe.settings.common import Settings


class EqualCompute(Settings):
    """Rows at equal compute: a twin is a variant of its own, the same method with its own ``steps``.

    The unit is an example through the network (see :mod:`lethe.measures.compute`).
    """

    to: str = Field(description="The row whose measured compute the others are given.")
    rows: dict[str, str] = Field(
        description="The twin of each row that takes another compute a step; python -m lethe.artefacts equal_steps "
        "tells its steps."
    )
    tolerance: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="A twin is refused whose compute is more than a step off; this share of it is allowed too, for a "
        "method whose steps take compute at random (ESD).",
    )

    @property
    def twins(self) -> list[str]:
        return list(self.rows.values())

    def check(self, study: Study, name: str, place: str) -> None:
        """Raise ValueError where a row or its twin is not there, or is not the twin of it."""
        check_rows(study, name, place, {"to": [self.to], "rows": [*self.rows, *self.twins]})
        if isinstance(study.method(self.to), Control):
            raise ValueError(f"{place}.to: '{self.to}' is a control: it takes no steps; name a method's row")
        if len(set(self.twins)) < len(self.twins) or {self.to, *self.rows} & set(self.twins):
            raise ValueError(f"{place}.rows: each twin is a variant of its own, and the twin of one row only")
        for row, twin in self.rows.items():
            methods = study.variants[row].method, study.variants[twin].method
            if methods[0] != methods[1] or isinstance(study.method(row), Control):
                raise ValueError(
                    f"{place}.rows.{row}: '{twin}' is {methods[1]}, the row is {methods[0]}; "
                    "a twin is the same method with other steps"
                )
            for target in study.targets_of(twin):
                for other in (row, self.to):
                    if target not in study.targets_of(other):
                        raise ValueError(f"{place}.rows.{row}: '{twin}' has the target {target}, '{other}' has not")
