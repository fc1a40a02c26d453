"""Settings as command-line options, both ways: the workflow writes them, the stage's command reads them."""

from __future__ import annotations

import argparse
import json
import shlex
import types
import typing
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from lethe.errors import LetheError

Model = TypeVar("Model", bound=BaseModel)


def add_options(parser: argparse.ArgumentParser, model: type[BaseModel], prefix: str = "") -> None:
    """Add one option for each field of ``model``; the options of a nested group start with its name. A field that is
    excluded is one that only a configuration has."""
    for name, field in model.model_fields.items():
        if field.exclude:
            continue
        if _is_group(field.annotation):
            add_options(parser, field.annotation, prefix=f"{prefix}{name}.")
            continue
        default = "required" if field.is_required() else _shown(field.get_default(call_default_factory=True))
        parser.add_argument(
            _flag(prefix + name),
            dest=prefix + name,
            metavar=_metavar(field.annotation),
            default=argparse.SUPPRESS,
            help=f"{field.description} [{default}]".replace("%", "%%"),
        )


def from_options(model: type[Model], arguments: argparse.Namespace, given: Model | None = None) -> Model:
    """Build ``model`` from the parsed options; a bad value raises LetheError naming option, value and reason.

    A field without an option is that of ``given``, or else its default.
    """
    values: dict[str, Any] = given.model_dump() if given else {}
    for dotted, text in vars(arguments).items():
        *groups, name = dotted.split(".")
        field = _field(model, [*groups, name])
        if field is None:
            continue
        owner = values
        for group in groups:
            owner = owner.setdefault(group, {})
        try:
            owner[name] = _parse(text, field.annotation)
        except json.JSONDecodeError as error:
            raise LetheError(f"{_flag(dotted)} {text!r}: not JSON ({error})", "see --help for what it takes") from None
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise LetheError(_fault(model, error.errors()[0]), "see --help for what it takes") from None


def as_options(settings: BaseModel, prefix: str = "", of: type[BaseModel] | None = None) -> str:
    """The options that give ``settings``, in the order of its fields: what a rule writes after the command.

    ``of`` is the class whose fields are written, where ``settings`` is of one that has more.

    Quoted for a shell, and with ``=``: a value like -1e-05 would else be taken for an option.
    """
    words = []
    for name, field in (of or type(settings)).model_fields.items():
        value = getattr(settings, name)
        if field.exclude:
            continue
        if isinstance(value, BaseModel):
            words.append(as_options(value, prefix=f"{prefix}{name}."))
        else:
            words.append(f"{_flag(prefix + name)}={shlex.quote(_shown(value))}")
    return " ".join(words)


def _fault(model: type[BaseModel], fault: Any) -> str:
    place = [part for part in fault["loc"] if isinstance(part, str)]  # else: a place in a list
    field = _field(model, place) if place else None
    while place and field is None:  # below an option: a key of its JSON
        field = _field(model, place := place[:-1])
    if field is None or _is_group(field.annotation):  # several options do not go together
        return fault["msg"].removeprefix("Value error, ")
    is_not_given = fault["type"] == "missing" and fault["loc"][-1] == place[-1]
    value = "" if is_not_given else f" {fault['input']!r}"
    return f"{_flag('.'.join(place))}{value}: {fault['msg']}"


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
        return "WORD,...|JSON" if typing.get_args(annotation)[0] is str else "N,N,..."
    if typing.get_origin(annotation) is dict:
        return "JSON"
    return "none" if annotation is type(None) else annotation.__name__.upper()


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        words = [_shown(item) for item in value]
        return ",".join(words) if _can_be_joined(words) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=lambda settings: settings.model_dump(mode="json"))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _can_be_joined(words: list[str]) -> bool:
    """Whether a list comes back from its words with commas between; it is written as JSON where it does not."""
    return bool(words) and not words[0].startswith("[") and not any("," in word for word in words)


def _parse(text: str, annotation: Any) -> Any:
    """An option is a word; pydantic makes the field's type of it, but for lists, dictionaries and none."""
    if typing.get_origin(annotation) is tuple and not text.startswith("["):
        return text.split(",")
    if typing.get_origin(annotation) in (tuple, dict):
        return json.loads(text)
    accepts_none = type(None) in typing.get_args(annotation)
    return None if accepts_none and text == "none" else text
