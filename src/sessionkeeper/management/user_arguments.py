"""Finds the users that command-line arguments name."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from sessionkeeper.core.records import is_storable
from sessionkeeper.engine.users import users
from sessionkeeper.stores import codec

_LONGEST = 1000
_REFUSED = (ValidationError, ValueError, TypeError, OverflowError)


def find_pk(text: str) -> Any:
    """Return the primary key of the user with this user name or primary key.

    Raises:
        CommandError: there is no such user, or one user has this name and another has this key.
    """
    model: Any = get_user_model()
    by_name: Any = _first(model.USERNAME_FIELD, getattr(model, "normalize_username", str)(text))
    by_key: Any = None
    with suppress(CommandError):  # not every name can be a key
        by_key = _first("pk", read_pk(text))
    if by_name is None and by_key is None:
        raise CommandError(f"There is no user {text!r}. If the user has been deleted, use --user-pk.")
    if by_name is not None and by_key is not None and by_name.pk != by_key.pk:
        raise CommandError(
            f"{text!r} is the name of the user with the key {by_name.pk}, and the key of the user "
            f"{by_key.get_username()!r}. Choose one with --user-pk."
        )
    return by_key.pk if by_name is None else by_name.pk


def read_pk(text: str) -> Any:
    """Return the primary key that ``text`` represents, whether or not there is such a user.

    Raises:
        CommandError: it is not a valid key of the user model.
    """
    field = codec.plain_field(get_user_model()._meta.pk)
    try:
        if not _is_plain(text):
            raise ValueError(text)
        return field.clean(text, None)
    except _REFUSED as error:
        raise CommandError(f"{text!r} is not a valid primary key of a user.") from error


def _first(field: str, value: Any) -> Any:
    try:
        return users().filter(**{field: value}).first() if _is_plain(str(value)) else None
    except _REFUSED:
        return None


def _is_plain(text: str) -> bool:
    return len(text) <= _LONGEST and is_storable(text)
