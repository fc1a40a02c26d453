"""Settings as command-line options, both ways: the workflow writes them, the stage's command reads them."""

from __future__ import annotations

import argparse
import shlex
import types
import typing
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lethe.errors import LetheError

Model = TypeVar("Model", bound=BaseModel)


def add_options(parser: argparse.ArgumentParser, model: type[BaseModel], prefix: str = "") -> None:
    """Add one option for each field of ``model``; the options of a nested group start with its name."""
    for name, field in model.model_fields.items():
        if _is_group(field.annotation):
            add_options(parser, field.annotation, prefix=f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        parser.add_argument(
            _flag(prefix + name),
            dest=prefix + name,
            metavar=_metavar(field.annotation),
            default=argparse.SUPPRESS,
            help=f"{field.description} [{_shown(default)}]".replace("%", "%%"),
        )


def from_options(model: type[Model], arguments: argparse.Namespace) -> Model:
    """Build ``model`` from the parsed options; a bad value raises LetheError naming option, value and reason."""
    values: dict[str, Any] = {}
    for dotted, text in vars(arguments).items():
        *groups, name = dotted.split(".")
        field = _field(model, [*groups, name])
        if field is None:
            continue
        owner = values
        for group in groups:
            owner = owner.setdefault(group, {})
        owner[name] = _parse(text, field.annotation)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        option = _flag(".".join(part for part in first["loc"] if isinstance(part, str)))  # else: a place in a list
        raise LetheError(f"{option} {first['input']!r}: {first['msg']}", "see --help for what it takes") from None


def as_options(settings: BaseModel, prefix: str = "") -> str:
    """The options that give ``settings``, in the order of its fields: what a rule writes after the command.

    Quoted for a shell, and with ``=``: a value like -1e-05 would else be taken for an option.
    """
    words = []
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            words.append(as_options(value, prefix=f"{prefix}{name}."))
        else:
            words.append(f"{_flag(prefix + name)}={shlex.quote(_shown(value))}")
    return " ".join(words)


def _flag(dotted: str) -> str:
    return "--" + dotted.replace(".", "-").replace("_", "-")


def _is_group(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _field(model: type[BaseModel], names: list[str]) -> FieldInfo | None:
    field = model.model_fields.get(names[0])
    if field is None or len(names) == 1:
        return field
    return _field(field.annotation, names[1:]) if _is_group(field.annotation) else None


def _metavar(annotation: Any) -> str:
    if typing.get_origin(annotation) is Literal:
        return "{" + ",".join(str(choice) for choice in typing.get_args(annotation)) + "}"
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        return "|".join(_metavar(part) for part in typing.get_args(annotation))
    if typing.get_origin(annotation) is tuple:
        return "N,N,..."
    return "none" if annotation is type(None) else annotation.__name__.upper()


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(_shown(item) for item in value)
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _parse(text: str, annotation: Any) -> Any:
    """An option is a word; pydantic makes the field's type of it, but for lists and for none."""
    if typing.get_origin(annotation) is tuple:
        return text.split(",")
    accepts_none = type(None) in typing.get_args(annotation)
    return None if accepts_none and text == "none" else text
