"""The rows of a study's tables: methods with their settings, and what each of them may be."""

from __future__ import annotations

import functools
import string
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from lethe.config.sweeps import Sweep, rows_of_sweeps
from lethe.errors import LetheError, nearest
from lethe.methods import method_named, method_names
from lethe.methods.method import Control, Kind, Method, settings_of
from lethe.model_files import Family
from lethe.settings.common import Settings


def without_repetition(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError(f"{list(values)} names something twice")
    return values


Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1), AfterValidator(without_repetition)]
Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]


# The method of rows whose model is given, and what is filled in there.
IMPORTED = "imported"
SLOTS = ("target", "seed")


class UnlearnSettings(Settings):
    """What all methods of the study share; a variant's own settings go before these, the method's defaults after."""

    steps: int | None = Field(None, ge=1, description="Optimiser steps.")
    batch: int | None = Field(None, ge=1, description="Images of D_f (and of D_r) a step.")
    learning_rate: float | None = Field(None, gt=0, description="Adam's learning rate.")


class Variant(Settings):
    """A row of the tables: a method with its settings."""

    method: str = Field("", description="The method: the name of a file in workflow/lethe/methods.")
    given: str | None = Field(
        None,
        min_length=1,
        description="In the place of a method, a model of this base that others have unlearned: an asset's name or a "
        "path, in which {target} and {seed} are filled. It is measured as every row is.",
    )
    title: str | None = Field(None, description="Its name in tables and figures; the method's own title otherwise.")
    settings: dict[str, bool | int | float | str | None] = Field(
        default_factory=dict,
        description="What differs from the method's defaults (see `python -m lethe.unlearn KIND METHOD --help`).",
    )
    settings_for: dict[int | str, dict[str, bool | int | float | str | None]] = Field(
        default_factory=dict, description="By target, what differs from `settings` there."
    )
    targets: Annotated[tuple[int | str, ...], Field(min_length=1), AfterValidator(without_repetition)] | None = Field(
        None, description="Targets of this row only; those of the study otherwise."
    )
    evaluation: Literal["fixed", "as_released"] = Field(
        "fixed",
        description="as_released = images from seeds of the operating system and colours swapped for the detector, as "
        "RGD's code evaluates; of the model of the row with the same method and settings. For the table quirks.",
    )

    @model_validator(mode="before")
    @classmethod
    def _is_imported_where_it_is_given(cls, values: Any) -> Any:
        is_given = isinstance(values, dict) and values.get("given") is not None
        return {"method": IMPORTED, **values} if is_given else values

    @model_validator(mode="after")
    def _has_a_method_or_is_given(self) -> Variant:
        if self.given is not None and self.method != IMPORTED:
            raise ValueError(
                f"given: {self.given}, but the row has the method {self.method}, which makes a model here; leave "
                "one of them out"
            )
        if self.given is None and self.method in ("", IMPORTED):
            raise ValueError("method: there is none; name one, or a model of others in given")
        try:
            slots = list(string.Formatter().parse(self.given or ""))
        except ValueError as error:
            raise ValueError(f"given: {self.given}: {error}") from None
        for _, slot, how, changed in slots:
            if slot is not None and (slot not in SLOTS or how or changed):
                raise ValueError(
                    f"given: {self.given} has the slot {{{slot}}}; {{target}} and {{seed}} are filled as they are"
                )
        return self


class StudyRows:
    """What studies of both kinds can do with their rows. Not itself settings: each kind lists its keys in its order."""

    if TYPE_CHECKING:
        kind: Kind
        family: Family
        unlearn: UnlearnSettings
        variants: dict[str, Variant]

    def target_names(self) -> tuple[str, ...]:
        """The targets of the study as the words that stand in paths."""
        raise NotImplementedError

    def shared_settings(self) -> dict[str, Any]:
        """What every row has that has such a setting and does not say otherwise."""
        return self.unlearn.model_dump(exclude_none=True)

    def swept(self) -> Mapping[str, Sweep]:
        """The sweeps of the study, by name."""
        return {}

    @functools.cached_property
    def rows(self) -> dict[str, Variant]:
        """All rows that have cells: the variants, and what the sweeps add to them."""
        return self.variants | rows_of_sweeps(self)

    def targets_of(self, variant: str) -> tuple[str, ...]:
        own = self.row(variant).targets
        return self.target_names() if own is None else tuple(map(str, own))

    def check_rows(self) -> None:
        """Raise ValueError where a row cannot be made."""
        for name, variant in self.variants.items():
            for target in variant.targets or ():
                if str(target) not in self.target_names():
                    self.unknown_target(f"variants.{name}.targets", target)
            if variant.method not in method_names():
                raise ValueError(
                    f"variants.{name}.method: there is no method '{variant.method}'; "
                    f"{nearest(variant.method, method_names())}"
                )
            for target in variant.settings_for:
                if str(target) not in self.targets_of(name):
                    self.unknown_target(f"variants.{name}.settings_for", target)
            for target in (None, *self.targets_of(name)):
                self.method_settings(name, target)

    def unknown_target(self, where: str, target: object) -> None:
        raise ValueError(f"{where}: '{target}' is no target of the study; {nearest(str(target), self.target_names())}")

    def has_seeds(self, variant: str) -> bool:
        """Whether there is a model of a row for each training seed."""
        method, given = self.method(variant), self.row(variant).given
        return "{seed}" in given if given else not isinstance(method, Control) or method.seeded

    def method(self, variant: str) -> Method | Control:
        return method_named(self.row(variant).method)

    def method_settings(self, variant: str, target: str | None = None) -> Settings:
        """The settings of a row: the method's defaults, then what the study shares, then the row's own, then those for
        this target."""
        return self.settings_of_row(f"variants.{variant}", self.row(variant), target)

    def settings_of_row(self, place: str, chosen: Variant, target: str | None) -> Settings:
        """The same for a row by itself; ``place`` is where the configuration has it, for the message."""
        method = method_named(chosen.method)
        own = chosen.settings | {str(name): given for name, given in chosen.settings_for.items()}.get(str(target), {})
        try:
            settings = settings_of(method, self.kind)
        except LetheError as error:
            raise ValueError(f"{place}.method: {error.problem}") from None
        known = settings.model_fields
        for key in own:
            if key not in known:
                choices = nearest(key, known) if known else "it has no settings"
                raise ValueError(f"{place}.settings.{key}: {chosen.method} has no such setting; {choices}")
        defective = isinstance(method, Method) and method.recipe(self.kind).has_released_defects
        if own.get("as_released") and not defective:
            raise ValueError(f"{place}.settings.as_released: {chosen.method} has no defect to reproduce")
        shared = {key: value for key, value in self.shared_settings().items() if key in known}
        try:
            return settings.model_validate(shared | own)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise ValueError(f"{place}.settings.{key}: {first['msg']} (is {first['input']!r})") from None

    def row(self, name: str) -> Variant:
        return self.variants.get(name) or self.rows[name]

    def as_released(self, variant: str) -> bool:
        """Whether a row is evaluated as released: it stands in the table quirks alone."""
        return self.row(variant).evaluation == "as_released"

    @property
    def shown_rows(self) -> list[str]:
        """The variants that tables and figures show where they name no rows."""
        return [name for name in self.variants if not self.as_released(name)]

    def row_of_model(self, variant: str) -> str:
        """The row whose model a row is about: its own, but for one evaluated as released, that of the row with the same
        method and settings, if there is one on all its targets."""
        if not self.as_released(variant):
            return variant
        targets, maker = self.targets_of(variant), (self.row(variant).method, self.row(variant).given)
        wanted = [self.method_settings(variant, target) for target in targets]
        for other in self.shown_rows:
            has_same = (self.row(other).method, self.row(other).given) == maker
            is_same = has_same and set(targets) <= set(self.targets_of(other))
            if is_same and [self.method_settings(other, target) for target in targets] == wanted:
                return other
        return variant

    def title(self, variant: str) -> str:
        row = self.row(variant)
        return row.title or (f"{variant} (imported)" if row.given else self.method(variant).card.title)
