"""Describes each setting in one place: its default, its reader, and its row in the reference."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

_T = TypeVar("_T")


class Problem(ValueError):
    """Something wrong with a setting.

    Attributes:
        message: what is wrong, to follow the name of the setting.
        hint: how to fix it, if that is known.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True)
class Setting:
    """The properties of a setting, except its default and its docstring.

    Attributes:
        reader: returns the value in the form that code uses, or raises ``ValueError``: "must be …".
        type, unit, shown: cells of the reference, ``shown`` for the default; empty if the field's annotation
            and default say the same.
        per_request: whether the value may be a function of request and user.
    """

    reader: Callable[[Any], Any]
    type: str
    unit: str
    shown: str
    per_request: bool


def setting(
    default: _T,
    reader: Callable[[Any], _T],
    *,
    type: str = "",  # noqa: A002 - the heading of its column
    unit: str = "",
    shown: str = "",
    per_request: bool = False,
    secret: bool = False,
) -> _T:
    """Return the field of a dataclass for a setting, whose key is the field's name in capitals.

    The docstring below the field is the setting's text in the reference, in Markdown.
    """
    about = Setting(reader, type, unit, shown, per_request)
    return field(default=default, repr=not secret, metadata={"setting": about})


def settings_of(options: type[Any]) -> Mapping[str, Setting]:
    """Return the settings that a dataclass describes, by key."""
    return {one.name.upper(): one.metadata["setting"] for one in fields(options) if "setting" in one.metadata}


def read(options: type[Any], key: Any, value: Any) -> Any:
    """Return the value of a key.

    Raises:
        Problem: the key is unknown, or the value is wrong.
    """
    known = settings_of(options)
    if key not in known:
        raise Problem(f" has an unknown key {key!r}", did_you_mean(key, known))
    try:
        return known[key].reader(value)
    except ValueError as error:
        text = str(error)
        text = text if text.startswith(("[", " ")) else f" {text}"
        raise Problem(f"[{key!r}]{text}", getattr(error, "hint", "")) from error


def did_you_mean(name: Any, known: Iterable[str]) -> str:
    """Return a hint with the name that was probably meant, or with all names."""
    spelled = {one.upper(): one for one in known}
    close = difflib.get_close_matches(str(name).upper(), spelled, n=1)
    return f"Did you mean {spelled[close[0]]!r}?" if close else f"Known: {', '.join(known)}."
