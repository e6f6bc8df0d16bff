"""A recipe's settings: a frozen dataclass, `key=value` overrides typed by it, and its description.

Only the standard library is imported at the top: a recipe calls `at.option` while it is imported, and listing or
refusing must stay fast. Pydantic checks the values, and is imported when there is a value to check.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

T = TypeVar("T")


def option(
    default: T,
    help: str,
    *,
    choices: Sequence[Any] | None = None,
    at_least: float | None = None,
    advice: str = "",
    only: Mapping[str, Sequence[Any]] | None = None,
) -> T:
    """Declare one setting of a recipe's `Config`.

    Parameters
    ----------
    default : value
        What the setting is without an override. Immutable: use a tuple, never a list. Of a tuple no item may be given
        twice.
    help : str
        One line that says what the setting means, with its unit.
    choices : sequence, optional
        The only values allowed; for a tuple, the only items allowed.
    at_least : number, optional
        The smallest value allowed; for a tuple, the smallest item allowed.
    advice : str
        What to say beside the choices to whoever gives another value: one sentence.
    only : mapping of str to sequence, optional
        Values of other settings with which this one means something, as `{"dataset": ("folder",)}`. The help says so,
        and with other values nothing but the default is allowed.

    Returns
    -------
    dataclasses.Field
        Typed as the default, so that type checkers see the setting's own type.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Config:
    ...     dataset: str = option("drawn", "where the photos come from", choices=("drawn", "lfw"))
    """
    allowed = None if choices is None else tuple(choices)
    metadata = {"help": help, "choices": allowed, "at_least": at_least, "advice": advice, "only": only or {}}
    return typing.cast(T, dataclasses.field(default=default, metadata=metadata))


@dataclass(frozen=True)
class OptionDescription:
    """One line of a recipe's help: what can be written left and right of `=`."""

    name: str
    type: str
    default: str
    help: str
    choices: tuple[Any, ...] | None


def closest(word: str, valid: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"` for the valid word nearest to `word`, or an empty string."""
    near = difflib.get_close_matches(word, list(valid), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_config_class(config_class: Any, where: str) -> None:
    """Refuse (ValueError) a `Config` that is no frozen dataclass or has a setting without a default."""
    if not (isinstance(config_class, type) and dataclasses.is_dataclass(config_class)):
        raise ValueError(f"{where}: Config must be a frozen dataclass")
    if not config_class.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise ValueError(f"{where}: Config must be frozen: write @dataclass(frozen=True)")
    missing = [f.name for f in dataclasses.fields(config_class) if f.default is dataclasses.MISSING]
    if missing:
        raise ValueError(f"{where}: Config needs a default for {', '.join(missing)}")


def describe(config_class: type) -> list[OptionDescription]:
    """Describe every setting of a `Config`, in the order it declares them."""
    hints = typing.get_type_hints(config_class)
    return [
        OptionDescription(
            name=f.name,
            type=_type_text(hints[f.name]),
            default=write_value(f.default),
            help=": ".join([*_only(f), f.metadata.get("help", "")]),
            choices=_choices(f, hints[f.name]),
        )
        for f in dataclasses.fields(config_class)
    ]


def parse_overrides(config_class: type[T], overrides: Sequence[str]) -> T:
    """Make a `Config` from its defaults and `key=value` words.

    Parameters
    ----------
    config_class : frozen dataclass
        Every field with a default; `Config.__post_init__` may raise ValueError for values that do not go together.
    overrides : sequence of str
        As written on the command line. Tuples are comma lists (`budgets=1,3,5`), None is `none`.

    Raises
    ------
    ValueError
        In one line: an unknown key (with the closest and all valid ones), a key given twice, a value of the wrong
        type, one that is not among the choices or too small, an item that is given twice, or a setting that means
        nothing beside another one's value.
    """
    fields = {f.name: f for f in dataclasses.fields(config_class)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(config_class)
    values: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ValueError(f"{override!r} is not of the form key=value; keys are {', '.join(fields)}")
        if key not in fields:
            raise ValueError(_unknown_key(key, fields))
        if key in values:
            raise ValueError(f"{key} is given twice")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{key}={os.fsencode(text)!r} is not UTF-8") from None
        values[key] = _read_value(fields[key], hints[key], text)
    every = {name: field.default for name, field in fields.items()} | values
    for name, value in values.items():
        if value != fields[name].default:
            _refuse_ignored(fields[name], every)
    return config_class(**values)


def to_json(config: Any) -> dict[str, Any]:
    """Return a config's settings as plain JSON values (tuples become lists, paths strings)."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Say in words what differs between two configs as `to_json` gives them."""
    said = []
    for key in sorted({*before, *after}):
        if key not in before or key not in after:
            said.append(f"{key} is only in the {'new' if key in after else 'earlier'} config")
        elif before[key] != after[key]:
            said.append(f"{key} was {write_value(before[key])} and is now {write_value(after[key])}")
    return said


def write_value(value: Any) -> str:
    """Write a value as one would on the right of `=`."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(write_value(item) for item in value)
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _unknown_key(key: str, fields: Mapping[str, Any]) -> str:
    flags = {"seed": "--seed", "out": "--out", "data_root": "--data-root", "resume": "--resume"}
    if key in flags:
        return f"{key} is not a setting of the recipe but an option: write {flags[key]}"
    return f"unknown setting {key!r}.{closest(key, fields)} Valid settings: {', '.join(fields)}"


def _only(field: dataclasses.Field[Any]) -> list[str]:
    """Write the values of other settings with which a setting means something, as `dataset=csv or jsonl`."""
    written = {key: [write_value(value) for value in values] for key, values in field.metadata.get("only", {}).items()}
    return [f"{key}={' or '.join(filter(None, [', '.join(most), last]))}" for key, (*most, last) in written.items()]


def _refuse_ignored(field: dataclasses.Field[Any], every: Mapping[str, Any]) -> None:
    """Refuse a setting beside another one's value with which it would be ignored."""
    for (key, values), written in zip(field.metadata.get("only", {}).items(), _only(field), strict=True):
        if every[key] not in values:
            raise ValueError(f"{field.name}= is for {written}, not for {write_value(every[key])}")


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Split `T | None` into T and whether None is allowed."""
    if typing.get_origin(hint) in (Union, types.UnionType):
        rest = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(rest) < len(typing.get_args(hint)):
            return Union[tuple(rest)], True  # noqa: UP007
    return hint, False


def _choices(field: dataclasses.Field[Any], hint: Any) -> tuple[Any, ...] | None:
    hint, _ = _without_none(hint)
    if typing.get_origin(hint) is Literal:
        return typing.get_args(hint)
    return field.metadata.get("choices")


def _type_text(hint: Any) -> str:
    hint, optional = _without_none(hint)
    if typing.get_origin(hint) is Literal:
        text = "str"
    elif typing.get_origin(hint) is tuple:
        text = ",".join(_type_text(a) if a is not Ellipsis else "…" for a in typing.get_args(hint))
    else:
        text = getattr(hint, "__name__", str(hint))
    return f"{text} or none" if optional else text


def _read_value(field: dataclasses.Field[Any], hint: Any, text: str) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    hint, optional = _without_none(hint)
    if optional and text.lower() == "none":
        return None
    is_tuple = typing.get_origin(hint) is tuple
    raw: Any = [word.strip() for word in text.split(",") if word.strip()] if is_tuple else text
    choices = _choices(field, hint)
    if typing.get_origin(hint) is Literal:
        hint = type(typing.get_args(hint)[0])
    try:
        value = TypeAdapter(hint, config=ConfigDict(allow_inf_nan=False)).validate_python(raw)
    except ValidationError as error:
        wanted = ", ".join(map(str, choices)) if choices else _type_text(hint)
        reason = error.errors()[0]["msg"]
        reason = reason[:1].lower() + reason[1:]
        raise ValueError(f"{field.name}={text} is not valid: {reason} (wanted: {wanted})") from None
    items = value if is_tuple else (value,)
    for item in items:
        if choices is not None and item not in choices:
            names = [str(choice) for choice in choices]
            advice = field.metadata.get("advice")
            raise ValueError(
                f"{field.name}={text}: {item!r} is not valid.{closest(str(item), names)} "
                f"Valid values: {', '.join(names)}" + (f". {advice}" if advice else "")
            )
        least = field.metadata.get("at_least")
        if least is not None and item is not None and item < least:
            raise ValueError(f"{field.name}={text}: must be at least {least}")
        if items.count(item) > 1:
            raise ValueError(f"{field.name}={text}: {write_value(item)} stands there twice")
    return value
