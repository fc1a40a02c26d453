"""A sweep: rows made again for every combination of some of their settings, each under a name that can stand in a path.

The names follow Snakemake's Paramspace: ``rgd~retain_weight-0.5~truncation-0.1`` is the row ``rgd`` with these two
settings, which stand in alphabetical order.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import Field, field_validator, model_validator

from lethe.errors import nearest
from lethe.settings.common import Settings

if TYPE_CHECKING:
    from lethe.config.rows import StudyRows, Variant

Value = bool | int | float | str
_WORD = "[A-Za-z0-9_.+-]+"
# Every name that a row can have: a variant's own, or that of a sweep.
ROW_NAME = rf"[a-z][a-z0-9_]*(~[a-z][a-z0-9_]*-{_WORD})*"


class Sweep(Settings):
    """Rows made again with other settings."""

    variants: tuple[str, ...] = Field(min_length=1, description="Rows of the study.")
    targets: tuple[int, ...] = Field(min_length=1, description="Targets of the study.")
    settings: dict[str, Annotated[tuple[Value, ...], Field(min_length=1)]] = Field(
        min_length=1, description="The values of each setting; a cell is made for every combination."
    )

    @field_validator("settings")
    @classmethod
    def _values_can_stand_in_a_path(cls, settings: dict[str, tuple[Value, ...]]) -> dict[str, tuple[Value, ...]]:
        for values in settings.values():
            for value in values:
                if not re.fullmatch(_WORD, in_path(value)):
                    raise ValueError(f"'{value}' cannot stand in a path; use letters, digits, and . _ + -")
        return settings

    @model_validator(mode="after")
    def _names_nothing_twice(self) -> Sweep:
        listed = {"variants": self.variants, "targets": self.targets}
        for key, values in {**listed, **{f"settings.{name}": v for name, v in self.settings.items()}}.items():
            if len({in_path(value) for value in values}) < len(values):
                raise ValueError(f"{key}: {list(values)} names something twice")
        return self

    def combinations(self) -> Iterator[dict[str, Value]]:
        """Every combination of the settings, the last one varying fastest."""
        for values in itertools.product(*self.settings.values()):
            yield dict(zip(self.settings, values, strict=True))


class SweptCell(NamedTuple):
    """A point of a sweep: ``variant`` with ``values`` on ``target``, and the ``row`` whose cell that is."""

    variant: str
    values: dict[str, Value]
    target: str
    row: str


def swept_name(variant: str, values: Mapping[str, Any]) -> str:
    return "~".join((variant, *(f"{key}-{in_path(values[key])}" for key in sorted(values))))


def in_path(value: Any) -> str:
    """A value as it stands in a path: equal numbers alike, whether written 5 or 5.0."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def swept_cells(study: StudyRows, name: str) -> list[SweptCell]:
    """The points of a sweep. One with the settings that a variant has on its target is that variant's own cell."""
    sweep, cells = study.swept()[name], []
    for variant in sweep.variants:
        for target in map(str, sweep.targets):
            for values in sweep.combinations():
                row = _with_settings(study.variants[variant], values, (target,))
                settings = study.settings_of_row(f"sweeps.{name}", row, target)
                own = swept_name(variant, {key: getattr(settings, key) for key in values})
                cells.append(
                    SweptCell(variant, values, target, _variant_with(study, row.method, settings, target) or own)
                )
    return cells


def rows_of_sweeps(study: StudyRows) -> dict[str, Variant]:
    """What the sweeps of a study add to its variants, by name."""
    targets: dict[str, dict[str, None]] = {}
    cells = [cell for name in study.swept() for cell in swept_cells(study, name) if cell.row not in study.variants]
    for cell in cells:
        targets.setdefault(cell.row, {})[cell.target] = None
    return {
        cell.row: _with_settings(study.variants[cell.variant], cell.values, tuple(targets[cell.row])) for cell in cells
    }


def check_sweeps(study: StudyRows) -> None:
    """Raise ValueError where a cell of a sweep cannot be made."""
    for name, sweep in study.swept().items():
        for variant in sweep.variants:
            if variant not in study.variants:
                raise ValueError(
                    f"sweeps.{name}.variants: there is no variant '{variant}'; {nearest(variant, study.variants)}"
                )
            if study.variants[variant].given is not None:
                raise ValueError(
                    f"sweeps.{name}.variants: '{variant}' is given, there is nothing to make again; leave it out"
                )
        for target in sweep.targets:
            if str(target) not in study.target_names():
                study.unknown_target(f"sweeps.{name}.targets", target)
        swept_cells(study, name)


def _variant_with(study: StudyRows, method: str, settings: Settings, target: str) -> str | None:
    """The variant that makes just this, if there is one."""
    for name, variant in study.variants.items():
        is_made = variant.method == method and variant.evaluation == "fixed" and target in study.targets_of(name)
        if is_made and study.method_settings(name, target) == settings:
            return name
    return None


def _with_settings(variant: Variant, values: Mapping[str, Any], targets: tuple[str, ...]) -> Variant:
    """The row with other values of some settings on these targets, whatever it says of them for a target."""
    kept = {
        target: {key: value for key, value in given.items() if key not in values}
        for target, given in variant.settings_for.items()
        if str(target) in targets
    }
    return variant.model_copy(update={"settings": variant.settings | values, "settings_for": kept, "targets": targets})
